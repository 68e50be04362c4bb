"""Any arm, each as likely as the others."""

import hashlib
from dataclasses import dataclass

import numpy as np

from fusion_agents.objective import Objective
from fusion_agents.routers.base import Router
from fusion_agents.routers.best import ConstantModel
from fusion_agents.routers.interfaces import Batch, Forecast, Sample, Utilities


@dataclass(kw_only=True)
class RandomRouter(Router):
    """An arm drawn uniformly from those that the objective allows.

    The draw is a hash of seed, query text and arm, so it repeats, does not depend on the batch,
    and stays the same for the remaining arms when one is forbidden. The arm enters by its place in
    the canonical order, not by its name. The propensity is 1 over the number of allowed arms; a
    log that was collected with this router can be evaluated without bias. Forecasts are the arms'
    means.
    """

    name = "random"
    needs_vectors = False
    model = ConstantModel

    def learn(self, sample: Sample) -> ConstantModel:
        """Average each arm's scores."""
        return ConstantModel.fit(sample.scores)

    def utilities(self, batch: Batch, forecast: Forecast, objective: Objective) -> Utilities:
        """Draw a number for each query and arm; the highest decides."""
        n_arms = len(forecast.arms)
        draws = [self._draw(query.text, n_arms) for query in batch.queries]
        values = np.array(draws).reshape(len(draws), n_arms)
        reasons = ("drawn at random",) * len(draws)
        return Utilities(values, reasons, np.ones(values.shape))

    def _draw(self, text: str, n_arms: int) -> list[float]:
        seeded = hashlib.blake2b(f"{self.seed}\n{text}".encode("utf-8", "surrogatepass"))
        draws = []
        for arm in range(n_arms):
            digest = seeded.copy()
            digest.update(f"\n{arm}".encode())
            draws.append(int.from_bytes(digest.digest()[:6], "big") / 2**48)
        return draws
