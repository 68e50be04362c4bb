"""Texts that are nearly the same, or hold most of another: a question in an instruction."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from fusion_agents.near_duplicates import near_duplicate_groups

_WORD = re.compile(r"\w+")
_RUN = 3
_LEAST = 8
"""Runs of its own that a text must have: fewer are too little evidence."""
_SHARE = 0.8
_FEW = 2
"""Runs from which on a text that stands in another as a whole is evidence."""
_COMMON_COUNT, _COMMON_SHARE = 50, 0.01
"""As in `near_duplicates`: what more texts than this share is a template, not the question."""

Runs = frozenset[int]


class Nearness(NamedTuple):
    """Which texts are the same question, and which are one of those to keep apart from."""

    groups: list[int]
    """Number of the group of near-duplicates of each text."""
    is_near: list[bool]
    """Of each text, whether it is one to keep apart from, or nearly so."""


def nearness(texts: Sequence[str], apart: Sequence[bool]) -> Nearness:
    """Tell which texts are some of them, or nearly so: what is trained on and what is tested with.

    Near is the same text but for case and spaces, a near-duplicate by `near_duplicate_groups`, and
    what `contains_any` finds, such as a question with an instruction around it. What is near keeps
    its whole group of near-duplicates. It is the one rule of selection and of evaluation: what one
    of them keeps apart, the other does.

    Args:
        texts: Those to keep apart from, and all others.
        apart: Whether each is one to keep apart from, shape (n_texts,).

    >>> asked = "How many apples are left if Ann eats two of her seven apples on Monday morning?"
    >>> nearness([asked, f"Think first. {asked}", "Name a prime."], [True, False, False]).is_near
    [True, True, False]
    """
    groups = near_duplicate_groups(texts).tolist()
    held = [text for text, is_apart in zip(texts, apart, strict=True) if is_apart]
    same = {plain(text) for text in held}
    closed = {group for group, text in zip(groups, texts, strict=True) if plain(text) in same}
    left = [place for place, group in enumerate(groups) if group not in closed]
    found = contains_any([texts[place] for place in left], held)
    closed |= {groups[place] for place, is_found in zip(left, found, strict=True) if is_found}
    return Nearness(groups, [group in closed for group in groups])


def plain(text: str) -> str:
    """A text without what tells no two apart: case, and how it is spaced.

    >>> plain(" Name  a PRIME")
    'name a prime'
    """
    return " ".join(text.casefold().split())


def contains_any(texts: Sequence[str], others: Sequence[str]) -> list[bool]:
    """Tell which texts hold most of one of the others, or stand in one for the most part.

    What counts are runs of three words that are no template: those that at most 50 texts have, or
    1 % of them. Of the shorter text of two, which must have 8 of them, 80 % must stand in the
    longer one; of a text with fewer, all, templates among them, and at least two. The time grows
    with the length of the texts.

    >>> asked = "How many apples are left if Ann eats two of her seven apples on Monday morning?"
    >>> contains_any([f"Think first. {asked} Be brief.", "How many are left?"], [asked])
    [True, False]
    """
    if not others:
        return [False] * len(texts)
    ours, theirs = [_runs(text) for text in texts], [_runs(text) for text in others]
    seen = Counter(run for runs in set(ours + theirs) for run in runs)
    most = max(_COMMON_COUNT, _COMMON_SHARE * len(set(ours + theirs)))
    own = [frozenset(run for run in runs if seen[run] <= most) for runs in theirs]
    where: defaultdict[int, list[int]] = defaultdict(list)
    for number, runs in enumerate(own):
        for run in runs:
            where[run].append(number)
    return [
        _overlaps(runs, frozenset(r for r in runs if seen[r] <= most), theirs, own, where)
        for runs in ours
    ]


def _overlaps(
    runs: Runs,
    own: Runs,
    others: Sequence[Runs],
    others_own: Sequence[Runs],
    where: dict[int, list[int]],
) -> bool:
    for number, n in Counter(number for run in own for number in where.get(run, ())).items():
        shorter = min(len(own), len(others_own[number]))
        if shorter >= _LEAST and n >= _SHARE * shorter:
            return True
        few, many = sorted((runs, others[number]), key=len)
        if len(few) >= _FEW and few <= many:
            return True
    return False


def alike(one: str, other: str) -> float:
    """Jaccard similarity of the runs of three words of two texts; of their words if short.

    >>> alike("The answer is (C).", "the answer is C")
    1.0
    """
    a, b = _runs(one), _runs(other)
    if not a or not b:
        a, b = _runs(one, 1), _runs(other, 1)
    if not a and not b:
        return float(one.split() == other.split())
    return len(a & b) / len(a | b)


@lru_cache(maxsize=64)  # a text is compared with several others, one after the other
def _runs(text: str, length: int = _RUN) -> Runs:
    words = _WORD.findall(text.casefold())
    return frozenset(hash(tuple(words[i : i + length])) for i in range(len(words) - length + 1))
