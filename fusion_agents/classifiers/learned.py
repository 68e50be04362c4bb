"""The classifier that learned from the log: a fitted router, held to the arms that can answer."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from langchain_core.runnables import RunnableConfig

from fusion_agents.classifiers.base import Classifier, Question
from fusion_agents.encoders.base import Encoder, NoEncoder
from fusion_agents.encoders.cache import CachedEncoder
from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.objective import Objective
from fusion_agents.routers.base import Router
from fusion_agents.routers.exploration import Exploration
from fusion_agents.types import Arm, ArmForecast, Route

MOST_AT_ONCE = 8
"""Questions that are routed without leaving the event loop: they take some milliseconds."""

QUICK = (LexicalEncoder, NoEncoder)
"""Encoders that need well below a millisecond for a text; others run a network or ask a server."""

Positions = list[int]


class LearnedClassifier(Classifier):
    """Routes with a fitted router.

    Questions that the same arms can answer are encoded and routed together. Arms that the router
    has not seen come last, in the given order, unless the objective has a cap that cannot be
    checked for them.

    With exploration, the arm of a question that has a key is drawn by that key, among the arms
    that may answer and that the router knows.

    Args:
        router: A fitted router.
        exploration: How often to try other arms than the best one; never by default.
    """

    def __init__(self, router: Router, exploration: Exploration | None = None) -> None:
        self.router = router
        self.exploration = exploration
        self.known = frozenset(router.fitted.arm_nouns)

    def routes(
        self,
        questions: Sequence[Question],
        objective: Objective,
        config: RunnableConfig | None = None,
    ) -> list[Route]:
        """Choose an arm for each question."""
        together: dict[tuple[tuple[Arm, ...], bool], Positions] = defaultdict(list)
        for position, question in enumerate(questions):
            explores = self.exploration is not None and bool(question.key)
            together[question.arms, explores].append(position)
        routes: dict[int, Route] = {}
        for (arms, explores), positions in together.items():
            group = [questions[position] for position in positions]
            found = self._routes(group, arms, objective, self.exploration if explores else None)
            routes.update(zip(positions, found, strict=True))
        return [routes[position] for position in range(len(questions))]

    async def aroutes(
        self,
        questions: Sequence[Question],
        objective: Objective,
        config: RunnableConfig | None = None,
    ) -> list[Route]:
        """The same for an event loop: what takes longer than some milliseconds uses a thread."""
        if len(questions) <= MOST_AT_ONCE and is_quick(self.router.encoder_):
            return self.routes(questions, objective, config)
        return await asyncio.to_thread(self.routes, questions, objective, config)

    def _routes(
        self,
        questions: Sequence[Question],
        arms: tuple[Arm, ...],
        objective: Objective,
        exploration: Exploration | None,
    ) -> list[Route]:
        learned = {arm for arm in arms if arm in self.known}
        capped = objective.max_cost is not None or objective.max_latency is not None
        others = tuple(ArmForecast(arm=arm) for arm in arms if arm not in learned)
        if not learned:
            return [self._first(others, objective, capped)] * len(questions)
        only = None if learned == self.known else tuple(map(str, sorted(learned, key=str)))
        held = objective.model_copy(update={"arms": only})
        decisions = self.router.decide([question.query for question in questions], held)
        if exploration is not None:
            keys = [question.key for question in questions]
            decisions = exploration.explore(decisions, keys, held)
        routes = self.router.routes_of(decisions, held)
        if only is None and not others:
            return routes
        return [
            route.model_copy(
                update={
                    "ranking": tuple(f for f in route.ranking if f.arm in learned)
                    + (() if capped else others)
                }
            )
            for route in routes
        ]

    def _first(self, ranking: tuple[ArmForecast, ...], objective: Objective, capped: bool) -> Route:
        unchecked = "; what it costs and takes is not known, so no cap was checked"
        return Route(
            arm=ranking[0].arm,
            ranking=ranking,
            objective=objective.name,
            router=self.router.name,
            router_version=self.router.version,
            reason="the log knows none of the arms that can answer; this is the first of the pool"
            + (unchecked if capped else ""),
        )


def is_quick(encoder: Encoder) -> bool:
    """Whether it encodes a text in well below a millisecond, also if its cache has it not."""
    inner = encoder.encoder if isinstance(encoder, CachedEncoder) else encoder
    return isinstance(inner, QUICK)
