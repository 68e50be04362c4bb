"""Right answers beside wrong ones of about the same length."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from math import log
from statistics import median
from typing import NamedTuple

from fusion_agents.distill.nouns import Example, PreferencePair
from fusion_agents.distill.selecting.answer_texts import commands_its_reader, text_problem
from fusion_agents.distill.selecting.best_answers import lineage
from fusion_agents.distill.selecting.gathering import Answer
from fusion_agents.distill.selecting.options import SelectionOptions
from fusion_agents.distill.selecting.overlap import alike
from fusion_agents.distill.selecting.wordings import Wording
from fusion_agents.right_answers.candidates import Candidate
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import LogEntry

_AT_A_TIME = 200
_TRIES = 3
"""Wrong answers that are read for each pair: some may hold what nobody should learn from."""


class _Match(NamedTuple):
    distance: float
    """Of the lengths: the logarithm of their ratio."""
    rank: int
    """Of the right answer: 0 for the best."""
    wrong: Answer


def make_pairs(
    log: RoutingLog,
    taken: Sequence[tuple[Wording, Sequence[Example]]],
    options: SelectionOptions,
) -> list[PreferencePair]:
    """Pair the examples of each question with wrong answers to the same wording.

    The wrong answer was measured wrong, by `pair_margin` at least; where the right one was not
    measured, one trusted judge says so of both, or two that were calibrated do. A failed attempt
    is no wrong answer. Those that are most alike in length are paired first, the better right
    answer first among equals; each wrong answer once, each right one once as long as there are
    others.

    Args:
        log: Has the texts.
        taken: Questions with the examples that are exported, best first.
        options: With `pairs` 0, there are none.
    """
    pairs: list[PreferencePair] = []
    if not options.pairs:
        return pairs
    for start in range(0, len(taken), _AT_A_TIME):
        some = taken[start : start + _AT_A_TIME]
        plans = [_plan(wording, examples, options) for wording, examples in some]
        keys = {match.wrong.origin.key for plan in plans for match in plan}
        entries = {entry.key: entry for entry in log.entries(sorted(keys))}
        for (wording, examples), plan in zip(some, plans, strict=True):
            found = _pairs_of(wording, examples, plan, entries)
            pairs += islice(found, options.pairs)
    return pairs


def _plan(wording: Wording, examples: Sequence[Example], options: SelectionOptions) -> list[_Match]:
    """Every fitting pair of the wrong answers that are nearest in length, the nearest first."""
    longest = log(options.pair_length_ratio)
    matches = [
        match
        for rank, example in enumerate(examples)
        if example.kind == "answer"
        for right in [_candidates(wording, example)]
        for wrong in wording.wrong
        if any(_is_worse(wrong.candidate, one, options.pair_margin) for one in right)
        and (match := _match(example, rank, wrong)).distance <= longest
    ]
    matches.sort(key=lambda one: (one.distance, one.rank, one.wrong.origin.key))
    read: dict[str, None] = {}
    for match in matches:
        if len(read) < _TRIES * options.pairs:
            read[match.wrong.origin.key] = None
    return [match for match in matches if match.wrong.origin.key in read]


def _match(example: Example, rank: int, wrong: Answer) -> _Match:
    return _Match(abs(log(len(example.answer) / max(1, wrong.characters))), rank, wrong)


def _candidates(wording: Wording, example: Example) -> list[Candidate]:
    """Of the entries that gave an example's text; if it was measured, those that were."""
    found = [one.candidate for one in wording.right if one.origin.key in example.entry_keys]
    return [one for one in found if one.performance == example.performance]


def _is_worse(wrong: Candidate, right: Candidate, margin: float) -> bool:
    """Whether the same instrument says so of both: scores of two judges are on two scales.

    What their scores are worth in performance is on one scale, if both were calibrated.
    """
    low: float | None
    high: float | None
    if right.performance is not None:
        low, high = wrong.performance, right.performance
    elif wrong.performance is not None:
        return False
    elif wrong.worth is not None and right.worth is not None:
        low, high = wrong.worth, right.worth
    elif wrong.judged_by == right.judged_by:
        low, high = wrong.judge, right.judge
    else:
        return False
    return low is not None and high is not None and low <= high - margin + 1e-9


def _pairs_of(
    wording: Wording,
    examples: Sequence[Example],
    plan: Sequence[_Match],
    entries: Mapping[str, LogEntry],
) -> Iterator[PreferencePair]:
    used_right: set[int] = set()
    used_wrong: list[str] = []
    for fresh in (True, False):
        for match in plan:
            entry = entries.get(match.wrong.origin.key)
            if entry is None or (fresh and match.rank in used_right):
                continue
            text, right = (entry.response or "").strip(), examples[match.rank]
            if not _can_be_shown(entry, text, right.answer, used_wrong):
                continue
            used_right.add(match.rank)
            used_wrong.append(text)
            yield _pair(wording, right, match.wrong, text)


def _can_be_shown(entry: LogEntry, text: str, right: str, used: Sequence[str]) -> bool:
    if not text or text == right or text_problem(entry) or commands_its_reader(text):
        return False
    return all(alike(text, other) < 1.0 for other in (right, *used))


def _pair(wording: Wording, right: Example, wrong: Answer, text: str) -> PreferencePair:
    origins = [one.origin for one in wording.wrong if one.text == wrong.text]
    said = lineage(sorted(origins))
    return PreferencePair(
        query=wording.query,
        chosen=right.answer,
        rejected=text,
        chosen_keys=right.entry_keys,
        rejected_keys=said["entry_keys"],
        sources=tuple(sorted({*right.sources, *said["sources"]})),
        tenants=tuple(sorted({*right.tenants, *said["tenants"]})),
    )


def notes_on(pairs: Iterable[PreferencePair]) -> Iterator[str]:
    """How alike the lengths of pairs are, in words; nothing without pairs."""
    ratios = [len(pair.chosen) / len(pair.rejected) for pair in pairs]
    if ratios:
        longer = sum(ratio > 1 for ratio in ratios) / len(ratios)
        yield (
            f"pairs: the right answer is the longer one in {longer:.0%}; "
            f"median of its length over the wrong one's: {median(ratios):.2f}"
        )
