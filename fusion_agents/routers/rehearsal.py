"""A saved router's first query: what does not fit together is found before an app relies on it."""

import numpy as np

from fusion_agents.encoders.artefact import PROBE
from fusion_agents.encoders.base import NoEncoder, Vectors
from fusion_agents.errors import ArtefactError, ObjectiveError, RouteError
from fusion_agents.objective import Objective
from fusion_agents.routers.base import Router
from fusion_agents.routers.interfaces import Fitted, Forecast
from fusion_agents.types import Query

_WEIGHED = ("performance", "judge", "cost", "latency")


def rehearse(router: Router) -> None:
    """Route one query, so that what does not fit together is found now and not in an app."""
    query = Query(text=PROBE)
    vectors = _probe_vectors(router)
    forecast = router.forecast([query], vectors)
    _check_forecast(forecast, router.fitted)
    objective = Objective(
        **{name: float(np.isfinite(getattr(forecast, name)).any()) for name in _WEIGHED}
    )
    try:
        decisions = router.decide([query], objective, vectors)
    except (ObjectiveError, RouteError):
        return  # the log may know no arm's cost, or no arm's everything
    if decisions.utilities.shape != forecast.cost.shape:
        raise ArtefactError(f"the utilities of a query have shape {decisions.utilities.shape}")


def _probe_vectors(router: Router) -> Vectors:
    """The probe's vector; zeros from encoders that might have to ask a network for it."""
    if not router.needs_vectors:
        return NoEncoder().encode([""])
    encoder = router.encoder_.portable
    if encoder.saveable and getattr(encoder, "state_", None) is not None:
        return encoder.encode([PROBE])
    return np.zeros((1, encoder.encode([]).shape[1]), dtype=np.float32)


def _check_forecast(forecast: Forecast, fitted: Fitted) -> None:
    known = {
        "performance": fitted.mean_performance,
        "performance_std": fitted.mean_performance,
        "judge": fitted.mean_judge,
        "judge_std": fitted.mean_judge,
        "cost": fitted.cost.means,
        "latency": fitted.latency.means,
    }
    for name, means in known.items():
        values = getattr(forecast, name)
        if values.shape != (1, len(fitted.arms)):
            raise ArtefactError(
                f"the forecast of {name} has shape {values.shape} for one query and "
                f"{len(fitted.arms)} arms"
            )
        if (~np.isnan(means) & ~np.isfinite(values[0])).any():
            raise ArtefactError(f"the forecast of {name} is no number for an arm that has answers")
