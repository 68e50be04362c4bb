"""Drawing that depends on nothing but its arguments, and keeping train and test apart."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fusion_agents.near_duplicates import near_duplicate_groups

SIMILARITY = 0.7
"""Similarity from which two questions count as one: stricter than evaluation's 0.8, so that
what is apart here stays apart there, among fewer texts and with instructions around them."""

_FIRST_BLOCK = 1024


def shuffled(n: int, *seed: str | int) -> list[int]:
    """Order the numbers from 0 to n - 1, the same for the same seed on every machine.

    >>> shuffled(5, "task", 1) == shuffled(5, "task", 1), sorted(shuffled(5, "task", 2))
    (True, [0, 1, 2, 3, 4])
    """
    return sorted(range(n), key=lambda i: _digest(*seed, i))


def blocks(order: Sequence[int]) -> Iterator[Sequence[int]]:
    """Cut an order into blocks, each twice as long as the one before it."""
    start, size = 0, _FIRST_BLOCK
    while start < len(order):
        yield order[start : start + size]
        start, size = start + size, 2 * size


def near_any(texts: Sequence[str], others: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which texts are near-duplicates of one of the others, shape (n_texts,)."""
    groups = near_duplicate_groups([*others, *texts], SIMILARITY)
    return np.asarray(groups[len(others) :] < len(others))


def halves(texts: Sequence[str], share: float, name: str) -> NDArray[np.bool_]:
    """Choose about a share of the texts, near-duplicates together, shape (n_texts,).

    The choice depends on the texts and the name, and not on the order of the texts.
    """
    groups = near_duplicate_groups(texts, SIMILARITY)
    keys: dict[int, bytes] = {}
    for text, group in zip(texts, groups.tolist(), strict=True):
        key = _digest(name, text)
        keys[group] = min(key, keys.get(group, key))
    chosen = np.zeros(len(texts), dtype=np.bool_)
    for group in sorted(keys, key=lambda one: keys[one]):
        if chosen.sum() >= round(share * len(texts)):
            break
        chosen[groups == group] = True
    return chosen


def _digest(*parts: str | int) -> bytes:
    text = "\x1f".join(map(str, parts))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
