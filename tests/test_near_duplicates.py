import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.near_duplicates import near_duplicate_groups

LONG = (
    "A farmer sells two thirds of his cows and then buys nine more from a neighbour who lives "
    "across the river, so that in the end he owns twenty seven cows in all on both meadows"
)
words = st.sampled_from("alpha beta gamma delta epsilon zeta eta theta iota kappa".split())  # noqa: SIM905
texts = st.lists(st.lists(words, max_size=12).map(" ".join), max_size=12)


def same(a: str, b: str, *others: str) -> bool:
    groups = near_duplicate_groups([a, b, *others])
    return bool(groups[0] == groups[1])


def test_no_text_gives_no_group() -> None:
    assert near_duplicate_groups([]).tolist() == []


@pytest.mark.parametrize(
    "other",
    ["How many primes?", "how many PRIMES", "How many primes ?!", "  how\nmany\tprimes"],
)
def test_case_punctuation_and_space_make_no_difference(other: str) -> None:
    assert same("How many primes?", other)


@pytest.mark.parametrize(
    "other", ["How many prime?", "many How primes?", "How many primes below 100?", ""]
)
def test_short_texts_with_other_words_or_another_order_are_different(other: str) -> None:
    assert not same("How many primes?", other)


def test_a_long_text_with_one_word_changed_is_a_near_duplicate() -> None:
    assert same(LONG, LONG.replace("neighbour", "cousin"))
    assert same(LONG, f"Please think. {LONG}")


def test_a_long_text_with_many_words_changed_is_another_question() -> None:
    changed = " ".join(w.upper()[::-1] if i % 4 == 0 else w for i, w in enumerate(LONG.split()))
    assert not same(LONG, changed)


def test_a_higher_threshold_joins_less() -> None:
    changed = LONG.replace("neighbour", "cousin")
    assert len(set(near_duplicate_groups([LONG, changed], threshold=0.99).tolist())) == 2


def test_an_instruction_that_many_questions_share_does_not_make_them_duplicates() -> None:
    instruction = "Answer the following question with one word and give no reason at all. "
    rng = random.Random(0)
    names = [f"{rng.choice('bcdfgl')}{rng.choice('aeiou')}{rng.randrange(1000)}" for _ in range(60)]
    questions = [f"{instruction * 3} Where is {name}?" for name in dict.fromkeys(names)]
    assert len(set(near_duplicate_groups(questions).tolist())) == len(questions)


def test_numbers_are_words() -> None:
    assert not same("What is 12 plus 30?", "What is 12 plus 31?")


def test_texts_without_words_are_compared_as_they_are() -> None:
    assert same("???", "???", "!!!")
    assert not same("???", "!!!")
    assert not same("+", "")


def test_groups_are_transitive() -> None:
    chain = [LONG]
    for old, new in (("farmer", "grower"), ("river", "stream"), ("twenty", "thirty")):
        chain.append(chain[-1].replace(old, new))
    assert len(set(near_duplicate_groups(chain).tolist())) == 1


def test_other_scripts_and_lone_surrogates_are_compared() -> None:
    assert same("日本の首都は？", "日本の首都は?")
    assert not same("a \ud800 b c d", "a \ud801 b c e")


@given(texts, st.randoms())
def test_which_texts_share_a_group_does_not_depend_on_their_order(
    many: list[str], rng: random.Random
) -> None:
    order = list(range(len(many)))
    rng.shuffle(order)
    straight = near_duplicate_groups(many)
    shuffled = near_duplicate_groups([many[i] for i in order])
    assert np.array_equal(
        straight[order][:, None] == straight[order][None, :],
        shuffled[:, None] == shuffled[None, :],
    )


@given(texts)
def test_equal_texts_share_a_group(many: list[str]) -> None:
    groups = near_duplicate_groups([*many, *many])
    assert np.array_equal(groups[: len(many)], groups[len(many) :])


def test_nearly_all_pairs_above_the_threshold_are_found() -> None:
    rng = random.Random(1)
    base = [" ".join(f"w{rng.randrange(10**6)}" for _ in range(60)) for _ in range(100)]
    changed = []
    for text in base:
        tokens = text.split()
        tokens[rng.randrange(60)] = "changed"
        changed.append(" ".join(tokens))
    groups = near_duplicate_groups([*base, *changed])
    found = sum(groups[i] == groups[i + 100] for i in range(100))
    assert found >= 99
    assert len(set(groups[:100].tolist())) == 100
