"""What thought templates are worth, as data; which of them should go."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_rows import Status, StoredTemplate
from fusion_agents.stores.template_store import TemplateStore
from fusion_agents.templates.crediting import Credit, credit
from fusion_agents.templates.uses import Use, read_uses
from fusion_agents.types import Noun

MIN_QUERIES = 20
"""Queries that a template is tried on before it can be called unhelpful."""
FALSE_DISCOVERIES = 0.05
"""Largest expected share of harmless templates among those that are called unhelpful."""

Verdict = Literal["helps", "unclear", "hurts", "new"]


class Lift(Noun):
    """A gain in performance, with its 95 % interval."""

    uses: int
    queries: int
    paired: int
    """Uses where the same model answered the same query without templates, too."""
    lift: float
    low: float
    high: float


class CellLift(Lift):
    """What templates are worth to a model on a task."""

    task: str | None
    model: str


class TemplateLift(Lift):
    """What one template is worth, on its own account."""

    id: str
    text: str
    task: str | None
    status: Status
    verdict: Verdict
    """`new` until it has been tried on enough queries; `helps` and `hurts` where the whole
    interval lies on one side of zero, and for `hurts` also the false discovery rate is held."""
    cells: tuple[CellLift, ...] = ()
    """Of each task and model that it was used for."""


class TemplateReport(Noun):
    """What the templates of a log are worth."""

    without: str
    """Strategy of the answers that they are compared with."""
    overall: Lift | None
    """Of all answers with templates; none if there is none to compare."""
    cells: tuple[CellLift, ...]
    """By task and model, in that order."""
    templates: tuple[TemplateLift, ...]
    """Those that were used, the worst first."""
    unused: int
    """Active templates that were never used."""
    incomparable: int
    """Answers with templates, of models of which nothing is known without."""

    @property
    def unhelpful(self) -> tuple[str, ...]:
        """Ids of the active templates that hurt."""
        hurting = (one for one in self.templates if one.verdict == "hurts")
        return tuple(one.id for one in hurting if one.status == "active")


def report_templates(
    log: RoutingLog,
    store: TemplateStore,
    *,
    without: str = "direct",
    tenant: str | None = None,
    min_queries: int = MIN_QUERIES,
    seed: int = 0,
) -> TemplateReport:
    """Say what templates are worth by the answers in a log.

    Args:
        log: Where answers are; those with a measured performance count.
        store: Where the templates are.
        without: Strategy of the answers without templates.
        tenant: Only this tenant's templates and answers.
        min_queries: Queries that a template is tried on before it can be called unhelpful.
        seed: Of the draws for the intervals.
    """
    where = LogFilter(errors=False, tenants=None if tenant is None else (tenant,))
    uses, incomparable = read_uses(log.scan(where), without=without)
    by_template = credit(uses, lambda use: use.templates, seed=seed)
    stored = {one.template.id: one for one in store.find(list(by_template))}
    hurting = discoveries(by_template, min_queries)
    cells = _cells_of_templates(uses, seed)
    lifts = [
        _template(stored[key], one, key in hurting, min_queries, cells.get(key, ()))
        for key, one in by_template.items()
        if key in stored
    ]
    active = sum(one.status == "active" for one in lifts)
    overall = credit(uses, lambda _: ("all",), seed=seed).get("all")
    return TemplateReport(
        without=without,
        overall=None if overall is None else Lift(**_figures(overall)),
        cells=tuple(_cells(credit(uses, lambda use: ((use.task, use.model),), seed=seed))),
        templates=tuple(sorted(lifts, key=lambda one: (one.lift, one.id))),
        unused=store.count(tenant) - active,
        incomparable=incomparable,
    )


def discoveries(credits: Mapping[str, Credit], min_queries: int) -> set[str]:
    """Find the templates that hurt, with the false discovery rate held.

    Those that were tried on too few queries are left alone, and not counted among the tests.
    Source: Benjamini and Hochberg (1995).
    """
    tried = {key: one for key, one in credits.items() if one.queries >= min_queries}
    ranked = sorted(tried, key=lambda key: tried[key].p_harmful)
    steps = FALSE_DISCOVERIES * np.arange(1, len(ranked) + 1) / max(len(ranked), 1)
    below = np.flatnonzero(np.array([tried[key].p_harmful for key in ranked]) <= steps)
    found = ranked[: below[-1] + 1] if len(below) else []
    return {key for key in found if tried[key].high < 0}


def _template(
    stored: StoredTemplate,
    found: Credit,
    hurts: bool,
    min_queries: int,
    cells: Sequence[CellLift],
) -> TemplateLift:
    verdict: Verdict = "unclear"
    if hurts:
        verdict = "hurts"
    elif found.queries < min_queries:
        verdict = "new"
    elif found.low > 0:
        verdict = "helps"
    template = stored.template
    return TemplateLift(
        id=template.id,
        text=template.text,
        task=template.task,
        status=stored.status,
        verdict=verdict,
        cells=tuple(cells),
        **_figures(found),
    )


def _cells_of_templates(uses: Sequence[Use], seed: int) -> dict[str, list[CellLift]]:
    found = credit(
        uses, lambda use: [(key, use.task, use.model) for key in use.templates], seed=seed
    )
    cells: dict[str, list[CellLift]] = {}
    for (key, task, model), one in found.items():
        cells.setdefault(key, []).append(CellLift(task=task, model=model, **_figures(one)))
    return cells


def _cells(credits: Mapping[tuple[str | None, str], Credit]) -> Iterator[CellLift]:
    for task, model in sorted(credits, key=lambda cell: (cell[0] or "", cell[1])):
        yield CellLift(task=task, model=model, **_figures(credits[task, model]))


def _figures(found: Credit) -> dict[str, float]:
    figures = found._asdict()
    del figures["p_harmful"]
    return figures
