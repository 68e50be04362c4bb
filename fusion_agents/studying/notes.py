"""What has to be known to read a study's figures."""

from collections.abc import Iterator, Sequence

from fusion_agents.studying.conditions import RANDOM
from fusion_agents.studying.report import Account, Gain, Shelf


def notes_on(
    accounts: Sequence[Account],
    gains: Sequence[Gain],
    shelves: Sequence[Shelf],
    conditions: Sequence[str],
    *,
    n_questions: int,
    complete: bool,
    judged: bool,
) -> Iterator[str]:
    """Say in sentences what the figures do not."""
    if not complete:
        answered = sum(one.answered for one in accounts)
        yield (
            f"the study is not complete: {answered:,} of {n_questions * len(accounts):,} answers "
            "are there, and what is asked first may not be like the rest"
        )
    intervals = [gain for gain in gains if gain.low is not None]
    if intervals:
        yield (
            f"each interval holds by itself: of {len(intervals):,} differences about "
            f"{len(intervals) / 20:.0f} would exclude zero if nothing made a difference"
        )
    for gain in gains:
        if gain.over == "queries" and gain.low is None:
            yield (
                f"{gain.condition} less {gain.baseline}: {gain.n_groups:,} independent questions "
                "are too few for an interval"
            )
    yield from _losses(accounts)
    if RANDOM in conditions:
        yield (
            "random-template shows as many templates as retrieval finds, from the same store: "
            "what a condition has more than it is due to which ones are shown"
        )
    if not judged and any(shelf.criterion != "performance" for shelf in shelves):
        yield (
            "the log has no judge's scores: without them, thought-judge takes the cheapest right "
            "answers and thought-hybrid the same ones as thought-performance"
        )
    for shelf in shelves:
        if not shelf.templates:
            yield f"there is no template by {shelf.criterion}: its conditions equal zero-shot"


def _losses(accounts: Sequence[Account]) -> Iterator[str]:
    for one in accounts:
        name = f"{one.answerer}@{one.condition}"
        if one.failed or one.unscored:
            yield (
                f"{name}: {one.failed:,} questions without an answer and {one.unscored:,} answers "
                "without a score are left out; `as_wrong` counts them as wrong"
            )
        if one.cut_off:
            yield f"{name}: {one.cut_off:,} answers ended at the limit of tokens"
        if one.answers is None:
            yield f"{name}: the price of the model is not known"
