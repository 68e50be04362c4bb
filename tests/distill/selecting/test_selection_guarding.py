"""Questions that a student is tested with are never learned from."""

from pathlib import Path

import pytest

from fusion_agents.distill.selecting.guarding import guard
from fusion_agents.distill.selecting.overlap import alike, contains_any, nearness
from fusion_agents.simulation import simulate_log
from fusion_agents.types import Query
from tests.distill.selecting.selecting_world import adds_up, answer, dropped, question, select

STORY = (
    "A farmer has seventeen sheep and sells nine of them at the market on Monday. On Tuesday he "
    "buys twelve goats from his neighbour. How many animals does the farmer own in the end?"
)


@pytest.mark.parametrize(
    "planted",
    [
        STORY,
        STORY.upper(),
        f"  {STORY}\n",
        STORY.replace(".", " !"),
        f"{STORY}\n\nLet's think step by step.",
        f"You are a careful assistant. Answer the question below and nothing else. {STORY}",
        STORY.replace("goats", "geese"),
        STORY.replace(" in the end", ""),
    ],
)
@pytest.mark.parametrize("by_split", [True, False])
def test_a_held_out_query_is_not_learned_in_any_wording(
    tmp_path: Path, planted: str, by_split: bool
) -> None:
    free = answer(question(0), "Nobody knows.")
    leak = answer(Query(text=planted), "20")
    test = Query(id="test", text=STORY, split="test")
    logged = [answer(test, "It is 20.")] if by_split else []
    data = select(tmp_path, [free, leak, *logged], held_out=[] if by_split else [test])
    assert [one.query.id for one in data.examples] == [free.query.id]
    assert adds_up(data)


UNSPACED = (
    "小明早上在市场买了七个苹果和三个梨，中午他把两个苹果送给了邻居，请问他现在一共还有几个水果呢"
)


@pytest.mark.parametrize(
    ("asked", "planted"),
    [
        (UNSPACED, f"{UNSPACED}？"),
        (UNSPACED, UNSPACED.replace("呢", "")),
        ("Define entropy.", "define ENTROPY"),
    ],
    ids=["unspaced, mark", "unspaced, word", "two words"],
)
@pytest.mark.parametrize("by_split", [True, False])
def test_a_near_duplicate_without_runs_of_words_is_not_learned(
    tmp_path: Path, asked: str, planted: str, by_split: bool
) -> None:
    assert contains_any([planted], [asked]) == [False]  # only near-duplicates tell
    test = Query(id="test", text=asked, split="test")
    logged = [answer(test, "8")] if by_split else []
    data = select(
        tmp_path, [answer(Query(text=planted), "8"), *logged], held_out=[] if by_split else [test]
    )
    assert data.examples == ()
    assert dropped(data)["near-duplicate of a held-out query"] == 1
    assert adds_up(data)


def test_what_is_near_keeps_out_its_near_duplicates() -> None:
    wrapped = f"You are a careful assistant. Answer the question below and nothing else. {STORY}"
    like_that = wrapped.replace("careful", "kind")
    free = "Name a prime."
    assert nearness([STORY, wrapped, like_that, free], [True, False, False, False]).is_near == [
        True, True, True, False,
    ]  # fmt: skip


def test_a_short_held_out_query_is_found_among_other_words() -> None:
    asked = "Who wrote Emma and Persuasion?"
    texts = [
        f"{asked}\n\nLet's think step by step.",
        f"Please answer: {asked}",
        "Who wrote Ivanhoe?",
    ]
    assert contains_any(texts, [asked]) == [True, True, False]


def test_each_way_of_being_held_out_is_counted(tmp_path: Path) -> None:
    entries = [
        answer(question(0, split="test"), "a"),
        answer(question(1), "b"),
        answer(Query(text=f"{question(1).text} Answer briefly!"), "c"),
        answer(question(2, split="train"), "d"),
        answer(question(3), "e"),
    ]
    data = select(tmp_path, entries, held_out=[question(1)], pairs=0)
    assert {one.answer for one in data.examples} == {"d", "e"}
    assert dropped(data) == {
        "of another split": 1, "a held-out query": 1, "near-duplicate of a held-out query": 1,
    }  # fmt: skip


def test_a_test_query_that_another_tenant_asked_keeps_it_out_too(tmp_path: Path) -> None:
    other = answer(Query(id="t", text=STORY, split="test"), "20", tenant="acme")
    data = select(tmp_path, [other, answer(Query(text=STORY.lower()), "20")])
    assert data.examples == ()


def test_questions_of_one_family_are_not_taken_for_each_other(tmp_path: Path) -> None:
    """Else a student could never be tested on what it was trained for."""
    entries = list(simulate_log(200, seed=1))
    queries = sorted({entry.query.id: entry.query for entry in entries}.values(), key=str)
    held_out = queries[::5]
    found = guard(queries, "train", held_out)
    free = [query for query in queries if query.id not in found.against]
    assert len(free) >= 0.9 * (len(queries) - len(held_out))


def test_templates_around_short_questions_do_not_make_them_alike() -> None:
    cue = "Read the question with great care, think about it and then give one final answer:"
    names = [f"{a}{b}" for a in "bcdfghklmnpr" for b in ("ato", "eli", "oru", "ise", "ugon")]
    texts = [f"{cue} where did {name} of old {name[::-1]} go?" for name in names]
    assert not any(contains_any(texts[:50], texts[50:]))


def test_likeness_is_of_words_and_not_of_marks_or_case() -> None:
    assert alike("The answer is (C).", "the ANSWER is c") == 1.0
    assert alike("18", "19") == 0.0
    assert alike("!", "?") == 0.0
    assert alike("", "") == 1.0
