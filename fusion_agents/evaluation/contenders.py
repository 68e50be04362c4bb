"""Routers that are fitted on the training queries and choose for the test queries."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from fusion_agents.encoders.base import Encoder, Vectors
from fusion_agents.errors import FusionError
from fusion_agents.evaluation.holdout import HeldOut
from fusion_agents.objective import Objective
from fusion_agents.outcomes import IntVector
from fusion_agents.routers.base import Router
from fusion_agents.routers.catalogue import make_router
from fusion_agents.routers.interfaces import Encoding, Forecast
from fusion_agents.types import Arm

_TIMED_QUERIES = 200
_TIMED_SECONDS = 2.0


@dataclass(frozen=True, eq=False)
class Encoded:
    """A fitted encoder with the vectors of all queries, shared by the routers that use it."""

    encoding: Encoding
    """Of the training queries."""
    test: Vectors
    fit_seconds: float
    """To fit the encoder and encode the training queries."""
    encode_ms: float
    """Median milliseconds to encode one query."""


@dataclass(frozen=True, eq=False)
class Contender:
    """A router with its choices, or with the reason why it has none."""

    name: str
    router: Router
    encoded: Encoded | None = None
    """None for routers that do not read the query's text."""
    choice: IntVector | None = None
    """Column of the chosen arm in the test outcomes, shape (n_test,)."""
    forecast: Forecast | None = None
    """For the test queries, arms in the router's own order."""
    learn_seconds: float = np.nan
    route_ms: float = np.nan
    failure: str | None = None


@dataclass(eq=False)
class Contest:
    """Fits encoders once each and routers on top of them."""

    held_out: HeldOut
    objective: Objective
    encodings: list[tuple[Encoder, Encoded]] = field(default_factory=list)

    def enter(self, name: str, router: Router) -> Contender:
        """Fit a router and let it choose; an error of ours becomes the contender's failure."""
        train, test = self.held_out.train, self.held_out.test
        try:
            encoded = self._encode(router.encoder) if router.needs_vectors else None
            start = time.perf_counter()
            router.fit(train, encoding=encoded.encoding if encoded else None)
            learn_seconds = time.perf_counter() - start
            vectors = encoded.test if encoded else None
            decisions = router.decide(test.queries, self.objective, vectors=vectors)
        except FusionError as error:
            return Contender(name, router, failure=f"{type(error).__name__}: {error}")
        columns = np.array([test.arms.index(arm) for arm in decisions.forecast.arms])
        return Contender(
            name=name,
            router=router,
            encoded=encoded,
            choice=columns[decisions.choice],
            forecast=decisions.forecast,
            learn_seconds=learn_seconds,
            route_ms=self._route_ms(router, vectors),
        )

    def _encode(self, encoder: Encoder) -> Encoded:
        for known, encoded in self.encodings:
            if known is encoder or known == encoder:
                return encoded
        texts = [query.text for query in self.held_out.train.queries]
        start = time.perf_counter()
        fitted = encoder.unfitted().fit(sorted(texts))
        vectors = fitted.encode(texts)
        seconds = time.perf_counter() - start
        test = [query.text for query in self.held_out.test.queries]
        encode_ms = median_ms(lambda i: fitted.encode([test[i]]), len(test))
        encoded = Encoded(Encoding(fitted, vectors), fitted.encode(test), seconds, encode_ms)
        self.encodings.append((encoder, encoded))
        return encoded

    def _route_ms(self, router: Router, vectors: Vectors | None) -> float:
        queries = self.held_out.test.queries

        def route(i: int) -> object:
            one = None if vectors is None else vectors[i : i + 1]
            return router.decide(queries[i : i + 1], self.objective, vectors=one)

        return median_ms(route, len(queries))


def named_routers(
    routers: Sequence[str | Router], encoder: Encoder, seed: int
) -> list[tuple[str, Router]]:
    """Make routers from specs, with names that are unique; `best` is always among them.

    Routers that are given as objects are copied unfitted. The oracle is left out: it needs no
    fitting, and the evaluation works it out from the held-out outcomes.
    """
    named: dict[str, Router] = {}
    for given in (*routers, "best"):
        if given in (*named, "oracle"):
            continue
        if isinstance(given, str):
            named[given] = make_router(given, encoder=encoder, seed=seed)
        elif not given.evaluation_only:
            named[_free_name(given.name, named)] = replace(given)
    return list(named.items())


def _free_name(name: str, taken: dict[str, Router]) -> str:
    if name not in taken:
        return name
    return next(f"{name}#{i}" for i in range(2, len(taken) + 3) if f"{name}#{i}" not in taken)


def in_order_of(arms: tuple[Arm, ...], forecast: Forecast) -> Forecast:
    """Put the columns of a forecast in this order of arms."""
    columns = [forecast.arms.index(arm) for arm in arms]
    return Forecast(
        arms=arms,
        performance=forecast.performance[:, columns],
        performance_std=forecast.performance_std[:, columns],
        judge=forecast.judge[:, columns],
        judge_std=forecast.judge_std[:, columns],
        cost=forecast.cost[:, columns],
        latency=forecast.latency[:, columns],
    )


def main_contender(contenders: Sequence[Contender]) -> Contender:
    """The router that the verdict is about: `auto`, else the first that reads the query."""
    ranked = sorted(
        contenders,
        key=lambda c: (c.choice is None, c.router.name != "auto", not c.router.needs_vectors),
    )
    return next((c for c in ranked if c.router.name != "best"), ranked[0])


def median_ms(call: Callable[[int], object], n: int) -> float:
    """Median milliseconds of `call(i)` over at most 200 items and two seconds; NaN for none."""
    took: list[float] = []
    for i in range(min(n, _TIMED_QUERIES)):
        start = time.perf_counter()
        call(i)
        took.append(time.perf_counter() - start)
        if sum(took) > _TIMED_SECONDS:
            break
    return float(np.median(took)) * 1000 if took else np.nan
