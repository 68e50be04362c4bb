"""Who knows the outcomes: the bound that no router can pass."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fusion_agents.errors import ConfigError, RouteError
from fusion_agents.outcomes import FloatMatrix, IntVector, Outcomes
from fusion_agents.routers.base import Router
from fusion_agents.routers.best import ConstantModel
from fusion_agents.routers.interfaces import Batch, Encoding, Forecast, Sample
from fusion_agents.types import ModelCard


@dataclass(kw_only=True)
class OracleRouter(Router):
    """Forecasts exactly what happened, so that its utility bounds every router's.

    It is built with the outcomes of the queries that it will be asked about, and recognises them
    by id, else by text. Cells that are not known are NaN, and such arms are not chosen. Only
    evaluation may use it; part of its distance to real routers is luck of single answers, which
    nothing can learn. Standard errors are zero.

    Args:
        outcomes: Of the held-out queries.
    """

    name = "oracle"
    needs_vectors = False
    evaluation_only = True
    model = ConstantModel

    outcomes: Outcomes | None = None

    def fit(
        self,
        outcomes: Outcomes,
        encoding: Encoding | None = None,
        *,
        cards: Iterable[ModelCard] = (),
    ) -> "OracleRouter":
        """Learn arms and normalisation constants from the training log, like any router.

        Raises:
            ConfigError: If it was built without held-out outcomes.
            EmptyLogError: If no query has a performance or a judge score.
        """
        if self.outcomes is None:
            raise ConfigError(
                "router 'oracle' must be given what it is asked about: "
                "OracleRouter(outcomes=split.test)"
            )
        return super().fit(outcomes, encoding, cards=cards)

    def learn(self, sample: Sample) -> ConstantModel:
        """Average each arm's scores; no forecast uses them."""
        return ConstantModel.fit(sample.scores)

    def _forecast(self, batch: Batch) -> Forecast:
        forecast = super()._forecast(batch)
        truth = self.outcomes
        if truth is None:
            return forecast
        rows = self._rows(batch, truth)
        columns = {str(arm): column for column, arm in enumerate(truth.arms)}
        there = np.array([columns.get(name, -1) for name in self.fitted.arms])

        def looked_up(values: FloatMatrix) -> FloatMatrix:
            return np.where(there < 0, np.nan, values[rows][:, there])

        performance, judge = looked_up(truth.performance), looked_up(truth.judge)
        return Forecast(
            arms=forecast.arms,
            performance=performance,
            performance_std=0.0 * performance,
            judge=judge,
            judge_std=0.0 * judge,
            cost=looked_up(truth.cost),
            latency=looked_up(truth.latency),
        )

    def _rows(self, batch: Batch, truth: Outcomes) -> IntVector:
        by_text = {query.text: row for row, query in enumerate(truth.queries)}
        by_id = {query.id: row for row, query in enumerate(truth.queries)}
        found = [by_id.get(query.id, by_text.get(query.text)) for query in batch.queries]
        if None in found:
            query = batch.queries[found.index(None)]
            raise RouteError(
                f"router 'oracle' does not know the outcomes of query {query.id!r} "
                f"({query.text[:40]!r}): ask it only about the queries it was built with"
            )
        return np.array(found, dtype=np.int64)
