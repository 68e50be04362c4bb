import random
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion_agents.near_duplicates import near_duplicate_groups

LONG = (
    "A farmer sells two thirds of his cows and then buys nine more from a neighbour who lives "
    "across the river, so that in the end he owns twenty seven cows in all on both meadows"
)
words = st.sampled_from("alpha beta gamma delta epsilon zeta eta theta iota kappa".split())  # noqa: SIM905
texts = st.lists(st.lists(words, max_size=12).map(" ".join), max_size=12)


def own_words(rng: random.Random, count: int) -> list[str]:
    return [f"w{rng.randrange(10**9)}" for _ in range(count)]


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


@settings(max_examples=20)
@given(st.randoms(use_true_random=False))
def test_the_order_of_longer_alike_texts_does_not_matter_either(rng: random.Random) -> None:
    many = [text for _ in range(4) for text in relatives(rng, rng.randrange(2, 7))]
    order = rng.sample(range(len(many)), len(many))
    assert partition(many) == partition([many[i] for i in order])


def relatives(rng: random.Random, count: int, length: int = 60) -> list[str]:
    """Texts one, two or three changed words away from each other."""
    base = own_words(rng, length)
    texts = []
    for _ in range(count):
        tokens = list(base)
        for place in rng.sample(range(length), rng.randrange(1, 4)):
            tokens[place] = own_words(rng, 1)[0]
        texts.append(" ".join(tokens))
    return texts


def partition(texts: list[str]) -> set[frozenset[str]]:
    groups = near_duplicate_groups(texts).tolist()
    return {
        frozenset(text for text, other in zip(texts, groups, strict=True) if other == group)
        for group in groups
    }


def components(texts: list[str], threshold: float) -> set[frozenset[str]]:
    """By brute force: what a chain of pairs with that exact similarity connects."""

    def shingles(text: str) -> set[tuple[str, ...]]:
        tokens = text.split()
        return {tuple(tokens[i : i + 3]) for i in range(len(tokens) - 2)}

    sets = [shingles(text) for text in texts]
    label = list(range(len(texts)))
    for i, a in enumerate(sets):
        for j, b in enumerate(sets[:i]):
            if len(a & b) >= threshold * len(a | b):
                old, new = label[i], label[j]
                label = [new if group == old else group for group in label]
    return {
        frozenset(t for t, other in zip(texts, label, strict=True) if other == group)
        for group in label
    }


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_those_that_a_comparison_of_all_pairs_finds(seed: int) -> None:
    rng = random.Random(seed)
    many = [text for size in (2, 2, 3, 3, 5, 8, 13, 20) for text in relatives(rng, size)]
    expected = components(many, 0.8)
    assert 8 < len(expected) < len(many)
    assert partition(many) == expected


@pytest.mark.parametrize("end", ["request {}", "on 2024-05-{:02}", "id{}"])
@pytest.mark.parametrize("count", [2, 8, 11, 30, 50])
def test_repeats_that_differ_by_an_appended_id_are_duplicates(count: int, end: str) -> None:
    question = " ".join(own_words(random.Random(0), 60))
    repeats = [f"{question} {end.format(i)}" for i in range(count)]
    assert not near_duplicate_groups(repeats).any()


def test_a_template_does_not_hide_that_two_of_its_questions_are_duplicates() -> None:
    rng = random.Random(2)
    instruction = " ".join(own_words(rng, 100))
    questions = [" ".join(own_words(rng, 20)) for _ in range(60)]
    texts = [f"{instruction} {question}" for question in (*questions, f"{questions[7]} please")]
    groups = near_duplicate_groups(texts)
    assert groups[60] == 7
    assert len(set(groups.tolist())) == 60


def test_how_often_a_text_occurs_makes_it_no_template() -> None:
    assert len(set(near_duplicate_groups([LONG] * 200 + [f"{LONG} please"]).tolist())) == 1


def test_more_texts_than_are_compared_in_one_bucket_still_form_one_group() -> None:
    base = own_words(random.Random(3), 60)
    repeats = [" ".join([*base, str(i)]) for i in range(90)]
    others = [" ".join(own_words(random.Random(seed), 4)) for seed in range(9_000)]
    assert not near_duplicate_groups([*repeats, *others])[:90].any()


CHINESE = (
    "小明在文具店买了三支铅笔和两本练习本,每支铅笔的价格是练习本的一半,"
    "他一共付了二十八元钱,请问一本练习本的价格究竟是多少元,请写出完整的计算过程"
)
JAPANESE = (
    "次の文章を読んで、登場人物の気持ちがどのように変化したのかを、本文中の言葉を"
    "使いながら百字以内で説明し、そのように考えた理由も合わせて丁寧に書いてください"
)
THAI = (
    "ร้านค้าแห่งหนึ่งขายส้มกิโลกรัมละสามสิบบาทถ้าแม่ซื้อส้มห้ากิโลกรัมและจ่ายด้วยธนบัตร"
    "ใบละห้าร้อยบาทแม่จะได้รับเงินทอนทั้งหมดเป็นจำนวนเท่าไรกรุณาแสดงวิธีทำ"
)


@pytest.mark.parametrize("text", [CHINESE, JAPANESE, THAI])
def test_texts_without_spaces_are_compared_by_their_characters(text: str) -> None:
    assert same(text, f"{text[:2]}{text[3:]}")
    assert not same(text, f"{text[: len(text) // 2]}{CHINESE[:10]}")


def test_vowel_signs_and_tones_tell_words_apart() -> None:
    assert not same("ค่า", "ค้า")
    assert not same("कि", "के")


def test_a_long_text_takes_little_memory() -> None:
    text = " ".join(own_words(random.Random(4), 60_000))
    tracemalloc.start()
    near_duplicate_groups([text])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * len(text)


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
