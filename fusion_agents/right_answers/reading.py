"""What a log knows of its answers: whether they are whole, and what trusted judges say of them."""

from typing import NamedTuple

from fusion_agents.right_answers.candidates import Candidate, Instrument
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.training import Trust, level_of_source
from fusion_agents.types import LogEntry

_CUT_OFF = ("length", "max_tokens", "model_length")


class TrustedScore(NamedTuple):
    """What a judge that is trusted says of an answer."""

    score: float
    worth: float | None
    """In performance, where the judge was calibrated."""
    by: Instrument


def is_cut_off(entry: LogEntry) -> bool:
    """Whether an answer ended because it was too long."""
    return (entry.finish_reason or "").lower() in _CUT_OFF


def is_whole(entry: LogEntry) -> bool:
    """Whether somebody could learn from it: it did not fail, is not empty and not cut off."""
    return entry.error is None and bool((entry.response or "").strip()) and not is_cut_off(entry)


def trusted_scores(
    log: RoutingLog, where: LogFilter | None = None, trust: Trust | None = None
) -> dict[str, TrustedScore]:
    """The newest score of each entry, by its key, of a judge whose source is trusted.

    Args:
        log: Has the judgements; the one that was stored last is the newest.
        where: Which entries; without it, all.
        trust: The levels that were set; without it, the log's.
    """
    levels = log.trust() if trust is None else trust
    lines = {Instrument(line.judge, line.judge_version): line for line in log.calibrations()}
    scores: dict[str, TrustedScore] = {}
    for one in log.judgements(where):
        if one.score is None or level_of_source(levels, one.source, one.judge) != "trusted":
            continue
        by = Instrument(one.judge, one.judge_version)
        line = lines.get(by)
        worth = None if line is None else line.performance(one.score)
        scores[one.entry_key] = TrustedScore(one.score, worth, by)
    return scores


def candidate_of(entry: LogEntry, said: TrustedScore | None) -> Candidate:
    """The answer without its text.

    Args:
        entry: The answer.
        said: What a trusted judge says of it; none if none says anything.
    """
    return Candidate(
        key=entry.key,
        query_id=entry.query.id,
        model=entry.arm.model,
        performance=entry.performance,
        judge=None if said is None else said.score,
        worth=None if said is None else said.worth,
        cost=entry.cost,
        text=hash(" ".join((entry.response or "").split())),
        judged_by=None if said is None else said.by,
    )
