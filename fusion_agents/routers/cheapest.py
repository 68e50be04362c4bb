"""The cheapest arm, whatever it achieves."""

from dataclasses import dataclass

import numpy as np

from fusion_agents.errors import ObjectiveError
from fusion_agents.objective import Objective
from fusion_agents.routers.base import Router
from fusion_agents.routers.best import ConstantModel
from fusion_agents.routers.interfaces import Batch, Forecast, Sample, Utilities


@dataclass(kw_only=True)
class CheapestRouter(Router):
    """Always the arm with the lowest mean cost in the log.

    It follows no objective but its caps. Arms of unknown cost are never chosen. Forecasts are the
    arms' means.
    """

    name = "cheapest"
    needs_vectors = False
    model = ConstantModel

    def learn(self, sample: Sample) -> ConstantModel:
        """Average each arm's scores."""
        return ConstantModel.fit(sample.scores)

    def utilities(self, batch: Batch, forecast: Forecast, objective: Objective) -> Utilities:
        """Prefer lower cost.

        Raises:
            ObjectiveError: If the log knows no arm's cost.
        """
        if np.isnan(self.fitted.cost.means).all():
            raise ObjectiveError(
                "router 'cheapest' needs costs, which this log does not have: "
                "import a log that has them, or choose another router"
            )
        return Utilities(-forecast.cost, ("lowest expected cost",) * len(batch.queries))
