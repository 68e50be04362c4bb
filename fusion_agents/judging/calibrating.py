"""A judge measured: its scores beside the performance that was measured of the same answers."""

from collections.abc import Callable

import numpy as np

from fusion_agents.errors import StoreError
from fusion_agents.evaluation.bootstrap import interval
from fusion_agents.evaluation.calibration import calibration
from fusion_agents.judging.isotonic import learn, out_of_fold
from fusion_agents.judging.judge_report import Figure, JudgeReport
from fusion_agents.judging.measures import measures_of
from fusion_agents.judging.pairs import FloatVector, Pairs, read_pairs
from fusion_agents.outcomes import IntVector
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import LogEntry

ENOUGH = 50
"""Answers that a calibration needs."""
ENOUGH_QUERIES = 10
"""Queries that an interval needs."""

_ERRORS = ("error_before", "error_after")


def calibrate(
    log: RoutingLog,
    judge: str,
    version: str,
    *,
    where: LogFilter | None = None,
    is_own: Callable[[LogEntry], bool] = lambda _: False,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> JudgeReport:
    """Compare a judge's scores with measured performance, and learn what they are worth.

    Intervals are percentiles over resampled queries, since answers to one query are not
    independent; those of calibration errors are shifted by the bootstrap's own bias, because an
    error of resampled answers is always larger. A report without a calibration says why in
    `refusal`: less than 50 answers, all right or all wrong, or an interval of the AUC that holds
    0.5. It is not stored: `log.append_calibration(report.calibration)` does that.

    Args:
        log: Has the scores and the performance.
        judge: Name of the judge.
        version: Of the judge; versions are measured apart.
        where: Which entries; without it, all.
        is_own: Whether an entry is of the judge's own model family.
        n_bootstrap: Number of draws.
        seed: Of the draws.
    """
    pairs = read_pairs(log, judge, version, where=where, is_own=is_own)
    report = JudgeReport(
        judge=judge,
        judge_version=version,
        n=len(pairs.score),
        n_queries=len(np.unique(pairs.query)),
        n_bootstrap=n_bootstrap,
        n_own_family=int(pairs.own.sum()),
    )
    if not report.n:
        why = "no answer has both a score of this judge and a measured performance"
        return report.model_copy(update={"refusal": why})
    figures = figures_of(pairs, n_bootstrap, seed)
    bins = calibration(pairs.score, pairs.performance)
    report = report.model_copy(
        update={**figures, "bins": () if bins is None else bins.bins, "notes": _notes(report)}
    )
    refusal = _refusal(report)
    learned = None if refusal else learn(pairs, judge, version)
    return report.model_copy(update={"refusal": refusal, "calibration": learned})


def store(log: RoutingLog, report: JudgeReport) -> None:
    """Store what a judge's scores are worth.

    Raises:
        StoreError: If the report has no calibration, or the log cannot be written.
    """
    if report.calibration is None:
        raise StoreError(f"there is no calibration to store: {report.refusal}")
    log.append_calibration(report.calibration)


def figures_of(pairs: Pairs, n_bootstrap: int, seed: int) -> dict[str, Figure]:
    """The figures of some answers, with intervals if there are at least ten queries."""
    measures = measures_of(pairs, out_of_fold(pairs))
    _, query = np.unique(pairs.query, return_inverse=True)
    once = np.ones(len(query))
    values = {name: measure(once) for name, measure in measures.items()}
    draws: dict[str, list[float]] = {name: [] for name in measures}
    rng = np.random.default_rng(seed)
    for _ in range(n_bootstrap if query.max() + 1 >= ENOUGH_QUERIES else 0):
        weights = _drawn(rng, query)
        for name, measure in measures.items():
            if not np.isnan(values[name]):
                draws[name].append(measure(weights))
    return {name: _figure(name, value, np.array(draws[name])) for name, value in values.items()}


def _drawn(rng: np.random.Generator, query: IntVector) -> FloatVector:
    """How often each answer is there when queries are drawn with replacement."""
    n = int(query.max()) + 1
    times = np.bincount(rng.integers(0, n, n), minlength=n)
    return times[query].astype(np.float64)


def _figure(name: str, value: float, draws: FloatVector) -> Figure:
    if np.isnan(value):
        return Figure()
    if not len(draws) or np.isnan(draws).all():
        return Figure(value=_rounded(value))
    if name in _ERRORS:
        draws = np.maximum(draws - (np.nanmean(draws) - value), 0.0)
    low, high = interval(draws)
    return Figure(value=_rounded(value), low=_rounded(low), high=_rounded(high))


def _rounded(value: float) -> float:
    """A nothing that is left of a calculation is nothing."""
    return round(float(value), 9) + 0.0


def _refusal(report: JudgeReport) -> str | None:
    if report.n < ENOUGH:
        return f"it needs at least {ENOUGH} answers with both score and performance, not {report.n}"
    auc = report.auc
    if auc.value is None:
        return "the measured answers are all right or all wrong, so nothing can be told apart"
    if auc.low is None:
        return f"it needs answers to at least {ENOUGH_QUERIES} queries, not {report.n_queries}"
    if auc.low <= 0.5:
        found = f"{auc.value:.2f} [{auc.low:.2f}, {auc.high:.2f}]"
        return f"the scores do not tell right from wrong: AUC {found}"
    return None


def _notes(report: JudgeReport) -> tuple[str, ...]:
    notes = []
    if report.n_queries < ENOUGH_QUERIES:
        notes.append(f"intervals need {ENOUGH_QUERIES} queries: there are {report.n_queries}")
    if not report.n_own_family:
        notes.append("self-preference is not known: no answer of the judge's own family was judged")
    return tuple(notes)
