"""What a router is: fit on outcomes, forecast each arm, route under an objective."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from fusion_agents.encoders.base import Encoder, NoEncoder, Vectors
from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.errors import ConfigError, EmptyLogError, ObjectiveError, RouteError
from fusion_agents.objective import Objective
from fusion_agents.outcomes import FloatMatrix, Outcomes
from fusion_agents.routers.canonical import canonical_order
from fusion_agents.routers.evidence import (
    held_out_rows,
    hold_out,
    out_of_fold,
    query_numbers,
)
from fusion_agents.routers.interfaces import (
    Batch,
    Decisions,
    Encoding,
    Estimate,
    Fitted,
    Forecast,
    Learned,
    Sample,
    ScoreModel,
    Utilities,
)
from fusion_agents.routers.quantity import QuantityModel
from fusion_agents.routers.ranking import collector_paused, named, order_arms, rankings
from fusion_agents.routers.shrinkage import ArmPrior
from fusion_agents.threads import one_thread
from fusion_agents.types import LogEntry, ModelCard, Query, Route


@dataclass(kw_only=True)
class Router(ABC):
    """Forecasts what each arm would achieve at a query, and picks the best one.

    `fit` learns from outcomes and forgets earlier fits; the objective is given when routing. The
    order of queries and arms in the log and the names of arms change no decision: `fit` puts both
    into an order that follows from the content. Queries that nobody answered are left out.

    A concrete router is a keyword-only dataclass of hyper-parameters that implements `learn`. Its
    module's name, with hyphens, is its name in configuration and on the command line.

    Args:
        encoder: Turns query text into vectors; fitted on the log's queries.
        seed: For whatever the router draws at random.

    Attributes:
        fitted_: What was learned; None before `fit`.
        encoder_: The fitted encoder.
    """

    name: ClassVar[str]
    needs_vectors: ClassVar[bool] = True
    """Whether the router looks at query text at all."""
    evaluation_only: ClassVar[bool] = False
    """Whether it may only be evaluated, because it sees held-out outcomes."""
    model: ClassVar[type[ScoreModel]]
    """Class of the model that `learn` returns; saved routers are read back as this class."""

    encoder: Encoder = field(default_factory=LexicalEncoder)
    seed: int = 0

    fitted_: Fitted | None = field(default=None, init=False, repr=False, compare=False)
    encoder_: Encoder = field(default_factory=NoEncoder, init=False, repr=False, compare=False)

    @abstractmethod
    def learn(self, sample: Sample) -> ScoreModel:
        """Fit a model of one score, in [0, 1], with missing cells."""

    def learn_and_forecast(self, sample: Sample) -> Learned:
        """Fit a model; routers that cross-validate anyway add their out-of-fold forecasts."""
        return Learned(self.learn(sample))

    def utilities(self, batch: Batch, forecast: Forecast, objective: Objective) -> Utilities:
        """Turn forecasts into what decides. A router that follows another rule overrides this."""
        return Utilities(self.expected_utility(forecast, objective))

    # -- learning ---------------------------------------------------------------------------

    def fit(
        self,
        outcomes: Outcomes,
        encoding: Encoding | None = None,
        *,
        cards: Iterable[ModelCard] = (),
    ) -> Self:
        """Learn from the log.

        Args:
            outcomes: Training queries only.
            encoding: A fitted encoder and the vectors of `outcomes.queries`, if they are at hand.
            cards: Of models in the log, for what routers expect of an arm with few answers; what
                they say ends up in what is learned, and is saved with it.

        Raises:
            EmptyLogError: If no query has a performance or a judge score.
        """
        with one_thread():
            return self._fit(outcomes, encoding, {card.model: card for card in cards})

    def _fit(
        self, outcomes: Outcomes, encoding: Encoding | None, cards: Mapping[str, ModelCard]
    ) -> Self:
        rows, columns = canonical_order(outcomes)
        if not len(rows):
            raise EmptyLogError(
                "no query of the log has a performance or a judge score: "
                "score the entries first, or import a log that has scores"
            )
        vectors = self._encode_log(outcomes, encoding)
        ordered = outcomes.take(rows).take_arms(columns.tolist())
        sample = Sample(
            queries=ordered.queries,
            vectors=vectors[rows],
            scores=ordered.performance,
            arms=ordered.arms,
            folds=ordered.folds(5, seed=self.seed),
            seed=self.seed,
            cards=tuple(cards.get(arm.model) for arm in ordered.arms) if cards else (),
        )
        costs = QuantityModel.fit(sample.queries, sample.vectors, ordered.cost)
        latencies = QuantityModel.fit(sample.queries, sample.vectors, ordered.latency)
        performance = self._learn_score(sample, ordered.performance)
        judge = self._learn_score(sample, ordered.judge)
        self.fitted_ = Fitted(
            arms=tuple(map(str, ordered.arms)),
            mean_performance=ArmPrior.fit(ordered.performance).mean,
            mean_judge=ArmPrior.fit(ordered.judge).mean,
            n_answers=ordered.answered.sum(axis=0),
            cost=costs,
            latency=latencies,
            scales=outcomes.scales(),
            n_queries=ordered.n_queries,
            fingerprint=outcomes.fingerprint,
            performance=performance.model,
            judge=judge.model,
            held_out=hold_out(sample, ordered, performance.out_of_fold, judge.out_of_fold),
            logged=query_numbers(ordered.queries),
        )
        return self

    def _encode_log(self, outcomes: Outcomes, encoding: Encoding | None) -> Vectors:
        if not self.needs_vectors:
            self.encoder_ = NoEncoder()
            return self.encoder_.encode([""] * outcomes.n_queries)
        if encoding is not None:
            self.encoder_ = encoding.encoder
            return encoding.vectors
        texts = [query.text for query in outcomes.queries]
        self.encoder_ = self.encoder.unfitted().fit(sorted(texts))
        return self.encoder_.encode(texts)

    def _learn_score(self, sample: Sample, scores: FloatMatrix) -> Learned:
        known = np.asarray((~np.isnan(scores)).any(axis=1))
        if not known.any():
            return Learned(None)
        learned = self.learn_and_forecast(replace(sample, scores=scores).take(known))
        if learned.out_of_fold is None:
            return learned
        everywhere = np.full(scores.shape, np.nan)
        everywhere[known] = learned.out_of_fold
        return Learned(learned.model, everywhere)

    def update(self, news: LogEntry | Outcomes, vectors: Vectors | None = None) -> Self:
        """Learn from new answers without forgetting; routers that can override this.

        Raises:
            ConfigError: If the router can only be fitted anew.
        """
        raise ConfigError(
            f"router {self.name!r} cannot learn from single answers: fit it again on the whole "
            "log, or use 'bandit'"
        )

    # -- forecasting and routing ------------------------------------------------------------

    @property
    def fitted(self) -> Fitted:
        """What was learned.

        Raises:
            ConfigError: If the router was not fitted.
        """
        if self.fitted_ is None:
            raise ConfigError(f"router {self.name!r} is not fitted: call fit or load first")
        return self.fitted_

    @property
    def version(self) -> str:
        """Short name of this fit: the router and the log that it learned from."""
        return f"{self.name}-{self.fitted.fingerprint[:12]}"

    def forecast(self, queries: Sequence[str | Query], vectors: Vectors | None = None) -> Forecast:
        """Expect what each arm would achieve.

        Args:
            queries: Texts or queries; empty input gives arrays of shape (0, n_arms).
            vectors: Their vectors from the router's own encoder, if they are at hand.
        """
        return self._forecast(self._batch(queries, vectors))

    def decide(
        self,
        queries: Sequence[str | Query],
        objective: str | Objective = "performance-first",
        vectors: Vectors | None = None,
        *,
        forecast: Forecast | None = None,
    ) -> Decisions:
        """Choose an arm for each query, as arrays; `route` says the same in words.

        Utilities within 1e-9 of the best one are ties. Ties go to the arm that is cheaper for the
        query, then to the one with the higher mean performance.

        Args:
            queries: Texts or queries.
            objective: What to weigh.
            vectors: Their vectors from the router's own encoder, if they are at hand.
            forecast: What to decide by in place of the router's own forecast, such as its
                forecasts of training queries by models that had not seen them.

        Raises:
            RouteError: If the objective leaves no arm to choose for some query.
            ObjectiveError: If it weighs something that the log knows of no arm.
        """
        objective = Objective.parse(objective)
        batch = self._batch(queries, vectors)
        forecast = self._forecast(batch) if forecast is None else forecast
        utilities = self.utilities(batch, forecast, objective)
        values = self._masked(utilities.values, forecast, objective)
        order = order_arms(values, forecast.cost, self.fitted.mean_performance)
        choice = order[:, 0]
        propensity, propensities = np.ones(len(choice)), None
        if utilities.propensity is not None:
            allowed = np.where(np.isnan(values), 0.0, utilities.propensity)
            propensities = allowed / allowed.sum(axis=1, keepdims=True)
            propensity = propensities[np.arange(len(choice)), choice]
        reasons = utilities.reasons or (f"highest utility under {objective.name}",) * len(choice)
        return Decisions(forecast, values, order, propensity, tuple(reasons), propensities)

    def route(
        self,
        queries: Sequence[str | Query],
        objective: str | Objective = "performance-first",
        vectors: Vectors | None = None,
    ) -> list[Route]:
        """Choose an arm for each query, with the evidence.

        Raises:
            RouteError: If the objective leaves no arm to choose for some query.
            ObjectiveError: If it weighs something that the log knows of no arm.
        """
        objective = Objective.parse(objective)
        return self.routes_of(self.decide(queries, objective, vectors), objective)

    def routes_of(self, decisions: Decisions, objective: Objective) -> list[Route]:
        """Say decisions in words, whether taken as they were made or explored from."""
        with collector_paused():
            return [
                Route.model_construct(
                    arm=ranking[0].arm,
                    ranking=ranking,
                    utility=float(decisions.utilities[row, decisions.order[row, 0]]),
                    propensity=propensity,
                    objective=objective.name,
                    router=self.name,
                    router_version=self.version,
                    reason=reason,
                )
                for row, (ranking, propensity, reason) in enumerate(
                    zip(
                        rankings(decisions),
                        decisions.propensity.tolist(),
                        decisions.reasons,
                        strict=True,
                    )
                )
            ]

    def expected_utility(self, forecast: Forecast, objective: Objective) -> FloatMatrix:
        """Weigh a forecast with the normalisation constants of the training log.

        Raises:
            ObjectiveError: If the objective weighs something that the log knows of no arm.
        """
        for name in ("performance", "judge", "cost", "latency"):
            if getattr(objective, name) and np.isnan(getattr(forecast, name)).all():
                if not len(getattr(forecast, name)):
                    continue
                raise ObjectiveError(
                    f"objective {objective.name!r} weighs {name}, which this log does not have: "
                    "choose another objective, or import a log that has it"
                )
        return objective.utility(
            self.fitted.scales,
            performance=forecast.performance,
            judge=forecast.judge,
            cost=forecast.cost,
            latency=forecast.latency,
        )

    def _batch(self, queries: Sequence[str | Query], vectors: Vectors | None) -> Batch:
        nouns = [query if isinstance(query, Query) else Query(text=query) for query in queries]
        if not self.needs_vectors:
            vectors = NoEncoder().encode([""] * len(nouns))
        elif vectors is None:
            vectors = self.encoder_.encode([query.text for query in nouns])
        return Batch(nouns, vectors)

    def _forecast(self, batch: Batch) -> Forecast:
        fitted = self.fitted
        nothing = np.full((len(batch.queries), len(fitted.arms)), np.nan)
        unknown = Estimate(nothing, nothing)
        performance = fitted.performance.predict(batch) if fitted.performance else unknown
        judge = fitted.judge.predict(batch) if fitted.judge else unknown
        return Forecast(
            arms=fitted.arm_nouns,
            performance=performance.mean,
            performance_std=performance.std,
            judge=judge.mean,
            judge_std=judge.std,
            cost=fitted.cost.predict(batch.queries, batch.vectors),
            latency=fitted.latency.predict(batch.queries, batch.vectors),
        )

    def allowed(self, objective: Objective) -> NDArray[np.bool_]:
        """Which arms the objective names, shape (n_arms,).

        Raises:
            ObjectiveError: If it names one that the router does not know.
        """
        if objective.arms is None:
            return np.full(len(self.fitted.arms), True)
        return named(self.fitted.arm_nouns, objective.arms)

    def affordable(self, forecast: Forecast, objective: Objective) -> NDArray[np.bool_]:
        """Where the objective's caps allow an arm, shape (n_queries, n_arms)."""
        allowed = np.broadcast_to(self.allowed(objective), forecast.cost.shape)
        if objective.max_cost is not None:
            allowed = allowed & (forecast.cost <= objective.max_cost)
        if objective.max_latency is not None:
            allowed = allowed & (forecast.latency <= objective.max_latency)
        return allowed

    def out_of_fold(self, outcomes: Outcomes) -> Forecast | None:
        """Forecast training queries by models that had not seen them.

        Returns:
            A row for each query of `outcomes`; none if the router does not cross-validate, if the
            log has too many queries to keep, or if `outcomes` has others than `fit` was given.
        """
        rows = held_out_rows(self.fitted, outcomes.queries)
        return None if (rows < 0).any() else out_of_fold(self.fitted, rows)

    def unseen_forecast(
        self, queries: Sequence[Query], vectors: Vectors | None = None
    ) -> Forecast | None:
        """Forecast each query by models that had not seen it, whether it was learned from or not.

        Queries that the router learned from get their out-of-fold forecasts, NaN where none were
        kept; the others get the router's own.

        Returns:
            None for a router that does not remember what it learned from.
        """
        if self.fitted.logged is None:
            return None
        fresh = np.flatnonzero(~np.isin(query_numbers(queries), self.fitted.logged))
        kept = out_of_fold(self.fitted, held_out_rows(self.fitted, queries))
        asked = [queries[row] for row in fresh.tolist()]
        own = self._forecast(self._batch(asked, None if vectors is None else vectors[fresh]))
        mixed = {}
        for name in ("performance", "performance_std", "judge", "judge_std", "cost", "latency"):
            mixed[name] = getattr(kept, name).copy()
            mixed[name][fresh] = getattr(own, name)
        return Forecast(arms=self.fitted.arm_nouns, **mixed)

    def _masked(
        self, utilities: FloatMatrix, forecast: Forecast, objective: Objective
    ) -> FloatMatrix:
        """Set utilities to NaN where the objective's caps forbid the arm."""
        allowed = ~np.isnan(utilities) & self.affordable(forecast, objective)
        stuck = np.flatnonzero(~allowed.any(axis=1))
        if len(stuck):
            raise RouteError(
                f"objective {objective.name!r} leaves no arm for {len(stuck)} of {len(allowed)} "
                f"queries: raise max_cost or max_latency, or allow more of "
                f"{', '.join(map(str, forecast.arms))}"
            )
        return np.where(allowed, utilities, np.nan)
