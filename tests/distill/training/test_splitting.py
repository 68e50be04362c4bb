from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_agents.distill.nouns import Example
from fusion_agents.distill.training.splitting import split_examples
from fusion_agents.types import Query


def examples(texts: list[str]) -> list[Example]:
    return [
        Example(query=Query(text=text), answer=f"answer {i}", kind="answer")
        for i, text in enumerate(texts)
    ]


def numbered(n: int) -> list[Example]:
    return examples([f"how many {i} are in {i * i}" for i in range(n)])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 60), st.floats(0, 0.5), st.integers(0, 5))
def test_each_example_is_on_one_side_and_the_share_is_not_exceeded(
    n: int, share: float, seed: int
) -> None:
    train, evaluation = split_examples(numbered(n), share, seed)

    assert sorted([*train, *evaluation]) == list(range(n))
    assert len(evaluation) <= max(1, round(share * n))


def test_answers_to_one_question_stay_on_one_side() -> None:
    asked = [text for i in range(30) for text in [f"name the number {i * 97}"] * 3]

    train, evaluation = split_examples(examples(asked), 0.2, 0)

    assert evaluation
    assert not {asked[i] for i in train} & {asked[i] for i in evaluation}


def test_of_few_examples_none_is_spared() -> None:
    assert split_examples(numbered(19), 0.5, 0).evaluation == []
    assert split_examples(numbered(20), 0.05, 0).evaluation != []


def test_a_share_of_nothing_keeps_nothing() -> None:
    assert split_examples(numbered(40), 0.0, 0).evaluation == []


def test_the_seed_decides() -> None:
    data = numbered(200)

    assert split_examples(data, 0.1, 1) == split_examples(data, 0.1, 1)
    assert split_examples(data, 0.1, 1) != split_examples(data, 0.1, 2)
