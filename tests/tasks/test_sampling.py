import numpy as np
import pytest

from fusion_agents.tasks.sampling import blocks, halves, near_any, shuffled
from tests.tasks.rows import words

TEXTS = [words(f"text {i}", 12) for i in range(40)]


def test_an_order_is_the_same_on_every_machine_and_for_every_version() -> None:
    assert shuffled(8, "gsm8k", "train", 0) == [6, 4, 2, 1, 3, 7, 0, 5]


def test_seeds_names_and_splits_draw_apart() -> None:
    seeds = [("a", "train", 0), ("a", "train", 1), ("a", "test", 0), ("b", "train", 0)]
    orders = {tuple(shuffled(50, *seed)) for seed in seeds}
    assert len(orders) == len(seeds)


def test_blocks_hold_the_whole_order_and_do_not_depend_on_how_much_is_asked() -> None:
    order = list(range(5000))
    sizes = [len(block) for block in blocks(order)]
    assert [i for block in blocks(order) for i in block] == order
    assert sizes == [1024, 2048, 1928]
    assert list(blocks([])) == []


def test_what_is_near_one_of_the_others_is_found() -> None:
    near = near_any([TEXTS[0], f"{TEXTS[1].upper()} too", TEXTS[2]], TEXTS[:2])
    assert near.tolist() == [True, True, False]
    assert near_any([], TEXTS).tolist() == []
    assert near_any(TEXTS[:2], []).tolist() == [False, False]


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_near_duplicates_go_into_the_same_half(share: float) -> None:
    twins = [f"{text.upper()} too" for text in TEXTS]
    chosen = halves(TEXTS + twins, share, "name")
    assert (chosen[: len(TEXTS)] == chosen[len(TEXTS) :]).all()
    assert chosen.sum() == share * 2 * len(TEXTS)


def test_halves_do_not_depend_on_the_order_of_the_texts() -> None:
    chosen = halves(TEXTS, 0.3, "name")
    turned = halves(TEXTS[::-1], 0.3, "name")[::-1]
    assert (chosen == turned).all()
    assert not np.array_equal(chosen, halves(TEXTS, 0.3, "another"))
