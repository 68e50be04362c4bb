"""Which queries are the same question, give or take a few words."""

import re
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

_MARKS = "\u0300-\u036f\u0900-\u109f\u1780-\u17ff"  # vowel signs are no `\w`, but tell words apart
_WORD = re.compile(rf"[\w{_MARKS}]+")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
_WORDS, _CHARACTERS = 3, 5
_BANDS, _ROWS = 24, 5
_CHUNK = 2_000
_NEIGHBOURS = 64
_TEMPLATE_COUNT, _TEMPLATE_SHARE = 50, 0.01

Shingles = NDArray[np.uint32]


def near_duplicate_groups(texts: Sequence[str], threshold: float = 0.8) -> NDArray[np.int64]:
    """Number the groups of near-duplicate texts.

    Two texts belong together if they have the same words in the same order, or if the Jaccard
    similarity of their sets of shingles reaches `threshold`. A shingle is three words, or five
    characters where a script has no spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese).

    Repeats and templates look alike: both are many texts with few words of their own. The rule
    that tells them apart is a number. What up to 50 different texts (or 1 % of them, if that is
    more) share counts as part of the question: texts that differ only by an appended id or date,
    or by a few words, are duplicates. What more texts share is a template, such as an instruction
    or a list of options, and is left out of the comparison: there, only the rest decides. So no
    template can make one group of a large log, but of more than 50 texts that are equal but for
    an id, each is a group of its own.

    Candidates are found by MinHash with banding (24 bands of 5: at a similarity of 0.8, all but
    one pair in ten thousand) and then compared exactly. Where more than 65 texts agree in a band,
    each is compared with the next 64 in alphabetical order. Time and memory grow with the length
    of the texts; a text of a megabyte takes about as long as a thousand of a kilobyte.

    Args:
        texts: In any order; empty input gives an empty array.
        threshold: Jaccard similarity in (0, 1] from which texts are duplicates.

    Returns:
        Number of the first text of each one's group, shape (n_texts,). Which texts share a group
        does not depend on their order, nor on how often each occurs.

    >>> near_duplicate_groups(["How many primes?", "how many PRIMES", "Name a prime."]).tolist()
    [0, 0, 2]
    """
    keys = [" ".join(_tokens(text)) or text for text in texts]
    different = sorted(set(keys))
    shingles = _without_templates([_shingles(_WORD.findall(key)) for key in different])
    parent = list(range(len(different)))
    for i, j in _candidates(shingles):
        a, b = _find(parent, i), _find(parent, j)
        if a != b and _alike(shingles[i], shingles[j], threshold):
            parent[max(a, b)] = min(a, b)
    root = {key: _find(parent, i) for i, key in enumerate(different)}
    first: dict[int, int] = {}
    groups = (first.setdefault(root[key], i) for i, key in enumerate(keys))
    return np.fromiter(groups, dtype=np.int64, count=len(keys))


def _tokens(text: str) -> list[str]:
    return _WORD.findall(_UNSPACED.sub(r" \g<0> ", text.lower()))


def _shingles(tokens: Sequence[str]) -> Shingles:
    starts = range(len(tokens) - _WORDS + 1)
    widths = [_CHARACTERS if _UNSPACED.match(tokens[i]) else _WORDS for i in starts]
    joined = (
        zlib.crc32(" ".join(tokens[i : i + width]).encode("utf-8", "surrogatepass"))
        for i, width in zip(starts, widths, strict=True)
        if i + width <= len(tokens)
    )
    return np.unique(np.fromiter(joined, dtype=np.uint32))


def _without_templates(shingles: list[Shingles]) -> list[Shingles]:
    if not shingles:
        return shingles
    values, counts = np.unique(np.concatenate(shingles), return_counts=True)
    common = values[counts > max(_TEMPLATE_COUNT, _TEMPLATE_SHARE * len(shingles))]
    return [s[~_within(s, common)] for s in shingles] if len(common) else shingles


def _within(values: Shingles, ordered: Shingles) -> NDArray[np.bool_]:
    at = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    found: NDArray[np.bool_] = ordered[at] == values
    return found


def _alike(a: Shingles, b: Shingles, threshold: float) -> bool:
    few, many = sorted((a, b), key=len)
    if len(few) < threshold * len(many):
        return False
    shared = int(_within(few, many).sum())
    return shared >= threshold * (len(a) + len(b) - shared)


def _candidates(shingles: Sequence[Shingles]) -> Iterator[tuple[int, int]]:
    """Pairs that agree in at least one band of their MinHash signatures."""
    buckets: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
    rng = np.random.default_rng(0)
    factors, offsets = rng.integers(0, 1 << 64, size=(2, _BANDS * _ROWS), dtype=np.uint64)
    for i, values in enumerate(shingles):
        if len(values) < 2:  # one shingle is too little evidence
            continue
        bands = _signature(values, factors | np.uint64(1), offsets).reshape(_BANDS, _ROWS)
        for number, band in enumerate(bands):
            buckets[number, band.tobytes()].append(i)
    for members in buckets.values():
        for place, i in enumerate(members):
            for j in islice(members, place + 1, place + 1 + _NEIGHBOURS):
                yield i, j


def _signature(
    values: Shingles, factors: NDArray[np.uint64], offsets: NDArray[np.uint64]
) -> NDArray[np.uint32]:
    """Least value of each hash function, over chunks so that long texts take little memory."""
    least = np.full(len(factors), np.iinfo(np.uint64).max, dtype=np.uint64)
    for start in range(0, len(values), _CHUNK):
        chunk = values[start : start + _CHUNK, None].astype(np.uint64)
        np.minimum(least, (chunk * factors + offsets).min(axis=0), out=least)
    return (least >> np.uint64(32)).astype(np.uint32)


def _find(parent: list[int], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i
