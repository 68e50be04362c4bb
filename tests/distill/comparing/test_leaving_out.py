"""A student is not tested with what it learned from, in any wording."""

import pytest

from fusion_agents.distill.comparing.leaving_out import leave_out
from fusion_agents.distill.selecting.guarding import guard
from fusion_agents.simulation import simulate_log
from fusion_agents.types import Query

STORY = (
    "A farmer has seventeen sheep and sells nine of them at the market on Monday. On Tuesday he "
    "buys twelve goats from his neighbour. How many animals does the farmer own in the end?"
)
FREE = Query(text="Which river feeds both northern lakes?", ground_truth="4", metric="number")
WORDINGS = [
    STORY.upper(),
    f"  {STORY}\n",
    f"{STORY}\n\nLet's think step by step.",
    f"You are a careful assistant. Answer the question below and nothing else. {STORY}",
    STORY.replace("goats", "geese"),
]


@pytest.mark.parametrize("other", WORDINGS)
@pytest.mark.parametrize("trained_is_longer", [True, False])
def test_what_selection_keeps_from_training_is_not_tested_after_training(
    other: str, trained_is_longer: bool
) -> None:
    trained, asked = (other, STORY) if trained_is_longer else (STORY, other)
    test = Query(text=asked, ground_truth="20", metric="number")
    learned = Query(text=trained)
    assert learned.id in guard([learned], "train", [test]).against
    found = leave_out([test, FREE], [learned])
    assert found.queries == (FREE,)
    assert found.left_out.trained + found.left_out.near_duplicates == 1


def test_a_text_that_differs_in_case_alone_is_the_same_one() -> None:
    found = leave_out([Query(text="Straße?")], [Query(text="STRASSE?")], scorable=False)
    assert found.left_out.near_duplicates == 1


@pytest.mark.parametrize("n", [40, 200, 600])
def test_what_selection_lets_be_learned_leaves_most_of_the_rest_to_test_with(n: int) -> None:
    queries = sorted({entry.query.id: entry.query for entry in simulate_log(n, seed=1)}.values(),
                     key=str)  # fmt: skip
    held_out = queries[::5]
    against = guard(queries, "train", held_out).against
    learned = [query for query in queries if query.id not in against]
    assert len(leave_out(held_out, learned, scorable=False).queries) >= 0.9 * len(held_out)


def test_each_query_is_left_out_for_one_reason_and_asked_once() -> None:
    same, like = FREE.model_copy(update={"id": "same", "text": STORY}), Query(text=WORDINGS[3])
    unscorable = Query(text="Why do bakers let a dark dough rest?")
    found = leave_out([FREE, FREE, same, like, unscorable], [Query(text=STORY)])
    assert found.queries == (FREE,)
    assert found.left_out.model_dump() == {"trained": 1, "near_duplicates": 1, "unscorable": 1}
