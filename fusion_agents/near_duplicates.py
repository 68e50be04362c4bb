"""Which queries are the same question, give or take a few words."""

import re
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\w+")
_SHINGLE = 3
_BANDS, _ROWS = 16, 8
_PRIME = (1 << 61) - 1


def near_duplicate_groups(texts: Sequence[str], threshold: float = 0.8) -> NDArray[np.int64]:
    """Number the groups of near-duplicate texts.

    Two texts belong together if they have the same words in the same order, or if the Jaccard
    similarity of their sets of three-word shingles reaches `threshold`. Shingles that more than
    ten texts (or 1 % of them, if that is more) share are left out first, so that a common
    instruction around different questions does not make them duplicates. Candidates are found by
    MinHash with banding (16 bands of 8: at a similarity of 0.8, 95 % of pairs are found, at 0.9
    all but one in ten thousand) and then compared exactly.

    Args:
        texts: In any order; empty input gives an empty array.
        threshold: Jaccard similarity in (0, 1] from which texts are duplicates.

    Returns:
        Group numbers, shape (n_texts,); which texts share a group does not depend on their order.

    >>> near_duplicate_groups(["How many primes?", "how many PRIMES", "Name a prime."]).tolist()
    [0, 0, 2]
    """
    words = [_WORD.findall(text.lower()) for text in texts]
    parent = list(range(len(texts)))
    first: dict[tuple[str, ...] | str, int] = {}
    for i, tokens in enumerate(words):
        _join(parent, i, first.setdefault(tuple(tokens) or texts[i], i))
    shingles = _rare(list(map(_shingles, words)))
    for i, j in _candidates(shingles):
        a, b = shingles[i], shingles[j]
        if _find(parent, i) != _find(parent, j):
            shared = len(np.intersect1d(a, b, assume_unique=True))
            if shared >= threshold * (len(a) + len(b) - shared):
                _join(parent, i, j)
    return np.array([_find(parent, i) for i in range(len(texts))], dtype=np.int64)


def _shingles(words: Sequence[str]) -> NDArray[np.uint32]:
    joined = (
        zlib.crc32(" ".join(words[i : i + _SHINGLE]).encode("utf-8", "surrogatepass"))
        for i in range(len(words) - _SHINGLE + 1)
    )
    return np.unique(np.fromiter(joined, dtype=np.uint32))


def _rare(shingles: list[NDArray[np.uint32]]) -> list[NDArray[np.uint32]]:
    """Leave out what many texts share: it is a template, not the question."""
    if not shingles:
        return shingles
    values, counts = np.unique(np.concatenate(shingles), return_counts=True)
    common = values[counts > max(10, len(shingles) // 100)]
    return (
        [s[~np.isin(s, common, assume_unique=True)] for s in shingles] if len(common) else shingles
    )


def _candidates(shingles: Sequence[NDArray[np.uint32]]) -> Iterator[tuple[int, int]]:
    """Pairs that agree in at least one band of their MinHash signatures."""
    rng = np.random.default_rng(0)
    factors = rng.integers(1, 1 << 31, size=_BANDS * _ROWS, dtype=np.uint64)
    offsets = rng.integers(0, 1 << 31, size=_BANDS * _ROWS, dtype=np.uint64)
    buckets: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
    for i, values in enumerate(shingles):
        if len(values) < 2:  # one rare shingle is too little evidence
            continue
        hashes = (values.astype(np.uint64)[:, None] * factors + offsets) % np.uint64(_PRIME)
        signature = (hashes & np.uint64(0xFFFFFFFF)).min(axis=0).astype(np.uint32)
        for band in range(_BANDS):
            buckets[band, signature[band * _ROWS : (band + 1) * _ROWS].tobytes()].append(i)
    for members in buckets.values():
        for j in members[1:]:
            yield members[0], j


def _find(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


def _join(parent: list[int], i: int, j: int) -> None:
    a, b = sorted((_find(parent, i), _find(parent, j)))
    parent[b] = a
