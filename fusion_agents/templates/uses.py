"""What became of answers with thought templates in front of them, beside answers without."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from fusion_agents.types import LogEntry

_MOST = 20.0
"""An answer that was unlikely to be asked for counts at most as so many."""
_PRIOR = 5.0
"""Answers of other tasks that a task's mean is shrunk by."""
_FEW = 10
"""With fewer answers without templates, a model's mean says nothing."""


class Use(NamedTuple):
    """One answer with templates, and how much better it is than answers without."""

    query_id: str
    task: str | None
    model: str
    templates: tuple[str, ...]
    lift: float
    """Performance less that of the same model without templates, in [-1, 1]."""
    weight: float
    paired: bool
    """Whether the model answered the same query without templates, too."""


class Uses(NamedTuple):
    """All uses, and how many there are that nothing can be compared with."""

    uses: list[Use]
    incomparable: int


_Key = tuple[str, str | None]


def read_uses(entries: Iterable[LogEntry], *, without: str = "direct") -> Uses:
    """Compare answers with templates to answers without, of the same model.

    Where the model answered the same query without, the difference is paired. Otherwise the
    answer is compared with what the model earns without templates on queries of that task (all
    queries where no task is known), where an answer counts by one over the probability with which
    its arm was chosen, at most twenty times; such a difference also depends on which queries got
    the template, and weighs less by as much as it scatters more. Answers that failed, and those
    whose performance was not measured, say nothing.

    Only what the strategy `thought` showed counts, not what a study tried under other names.

    Args:
        entries: A log's, in any order.
        without: Strategy of the answers without templates; a `thought` answer for which no
            template was found is one of them, too.
    """
    shown: list[LogEntry] = []
    bare: dict[tuple[str, str], list[float]] = defaultdict(list)
    baseline = _Baseline()
    for entry in entries:
        if entry.performance is None:
            continue
        if entry.template_ids and entry.arm.strategy == "thought":
            shown.append(entry.model_copy(update={"response": None}))
        elif entry.arm.strategy in (without, "thought"):
            bare[entry.arm.model, entry.query.id].append(entry.performance)
            baseline.add(entry)
    uses = [_use(entry, bare, baseline) for entry in shown]
    known = [use for use in uses if use is not None]
    return Uses(_weighed(known), len(uses) - len(known))


class _Baseline:
    """Weighted means of answers without templates."""

    def __init__(self) -> None:
        self._sums: dict[_Key, list[float]] = defaultdict(lambda: [0.0, 0.0])
        self._counts: dict[str, int] = defaultdict(int)

    def add(self, entry: LogEntry) -> None:
        weight = min(1 / entry.propensity, _MOST)
        model = entry.arm.model
        self._counts[model] += 1
        for key in {(model, None), (model, entry.query.task)}:
            self._sums[key][0] += weight * (entry.performance or 0.0)
            self._sums[key][1] += weight

    def mean(self, model: str, task: str | None) -> float | None:
        """What a model earns on a task; none if that is not known."""
        if self._counts[model] < _FEW:
            return None
        total, weight = self._sums[model, None]
        overall = total / weight
        total, weight = self._sums[model, task] if task else (0.0, 0.0)
        return (total + _PRIOR * overall) / (weight + _PRIOR)


def _use(
    entry: LogEntry, bare: dict[tuple[str, str], list[float]], baseline: _Baseline
) -> Use | None:
    query, model = entry.query, entry.arm.model
    same = bare.get((model, query.id))
    other = float(np.mean(same)) if same else baseline.mean(model, query.task)
    if other is None or entry.performance is None:
        return None
    weight = 1.0 if same else min(1 / entry.propensity, _MOST)
    templates = tuple(dict.fromkeys(entry.template_ids))
    lift = entry.performance - other
    return Use(query.id, query.task, model, templates, lift, weight, same is not None)


def _weighed(uses: Sequence[Use]) -> list[Use]:
    """Let unpaired uses weigh one on the mean, and less by as much as they scatter more."""
    unpaired = [use for use in uses if not use.paired]
    if not unpaired:
        return list(uses)
    share = min(1.0, _scatter([u for u in uses if u.paired]) / max(_scatter(unpaired), 1e-9))
    mean = float(np.mean([use.weight for use in unpaired]))
    return [use if use.paired else use._replace(weight=use.weight / mean * share) for use in uses]


def _scatter(uses: Sequence[Use]) -> float:
    """Variance of the lifts; a cautious one where there are too few to tell."""
    return float(np.var([use.lift for use in uses])) + 0.01 if len(uses) >= _FEW else 0.25
