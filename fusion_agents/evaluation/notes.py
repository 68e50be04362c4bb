"""What was assumed to get figures from a log with gaps, said openly."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from fusion_agents.evaluation.collection import Kind
from fusion_agents.evaluation.measures import Measure
from fusion_agents.evaluation.off_policy import Method
from fusion_agents.outcomes import Outcomes

_HOW: dict[Kind, str] = {
    "recorded": "{method} estimates from the recorded propensities",
    "at-random": (
        "{method} estimates, missing at random assumed: if arms were asked, failed or were scored "
        "more often for some kind of query, they are biased"
    ),
    "certain": "refused: one arm a query answered, and it was chosen for certain",
}


def collection_notes(measures: Mapping[str, Measure], test: Outcomes) -> list[str]:
    """Say which figures are estimates, and which are over fewer queries than the others."""
    estimated: defaultdict[tuple[Kind, Method], list[str]] = defaultdict(list)
    fewer = []
    for name, measure in measures.items():
        known = ~np.isnan(measure.values)
        scored = known.any(axis=1)
        if not scored.all():
            fewer.append(f"{name}: figures are over the {scored.sum()} test queries that have it")
        if lost := int(measure.collection.unusable.sum()):
            fewer.append(
                f"{name}: {lost} test queries were left out, because one arm answered them and was "
                "chosen for certain: nothing says what another arm would have done"
            )
        if measure.collection.kind != "complete":
            share = _percent(known[scored].mean())
            estimated[measure.collection.kind, measure.method].append(f"{name} ({share} known)")
    return [
        *(
            f"{', '.join(names)}: {_HOW[kind].format(method=method)}"
            for (kind, method), names in estimated.items()
        ),
        *fewer,
    ]


def _percent(share: float) -> str:
    """Round down, so that what is incomplete never reads as 100 %."""
    return f"{np.floor(share * 1000) / 10:g} %"
