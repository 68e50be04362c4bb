"""Classify, retrieve, answer, judge, record: each step is written once, here."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Generator, Sequence
from functools import cached_property

from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import RunnableConfig

from fusion_agents.answering.answerer import Answerer
from fusion_agents.answering.nouns import Answer, Bindings, Call
from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.classifiers.base import Classifier, Question
from fusion_agents.classifiers.learned import LearnedClassifier
from fusion_agents.conversation import ChainInput
from fusion_agents.errors import ConfigError, FusionError
from fusion_agents.objective import Objective
from fusion_agents.pool.matching import Coverage
from fusion_agents.pool.pool import Pool
from fusion_agents.routers.base import Router
from fusion_agents.steps.judging import JudgePolicy
from fusion_agents.steps.recording import Recorder
from fusion_agents.steps.turn import Choices, Turn, read_turn
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, ArmForecast, Judgement, Route, ThoughtTemplate


class QuerySteps:
    """Classify, retrieve, answer, judge, record.

    Args:
        pool: The models.
        classifier: Says which arm should answer.
        arms: Those to choose among, in the order of fallbacks about which nothing is known.
        objective: The usual one.
        policy: How hard to try for an answer.
        record_to: Log that every attempt is appended to; none keeps nothing.
        coverage: What the log and the pool have in common, for whoever asks.
        source: Written to the log as the source of what is recorded.
        judging: Which answers are judged, and by whom; none are by default.
    """

    def __init__(
        self,
        *,
        pool: Pool,
        classifier: Classifier,
        arms: Sequence[Arm] | None = None,
        objective: str | Objective = "performance-first",
        policy: AnswerPolicy | None = None,
        record_to: RoutingLog | None = None,
        coverage: Coverage | None = None,
        source: str = "fusion",
        judging: JudgePolicy | None = None,
    ) -> None:
        self.pool = pool
        self.classifier = classifier
        self.arms = tuple(pool.arms if arms is None else arms)
        self.objective = Objective.parse(objective)
        self.policy = policy or AnswerPolicy()
        self.coverage = coverage
        self.judging = judging
        self.recorder = Recorder(log=record_to, pool=pool, source=source)
        if not self.arms:
            raise ConfigError("there is no arm to choose: give the pool at least one model")

    @cached_property
    def answerer(self) -> Answerer:
        """The one retry loop; it remembers which arms are failing."""
        return Answerer(self.pool, self.policy)

    def use_router(self, router: Router) -> None:
        """Let another fitted router decide from the next call on; calls under way are not touched.

        What is explored stays as it is. Arms that the router does not know come last.

        Raises:
            ConfigError: If it knows none of the arms.
        """
        exploration = getattr(self.classifier, "exploration", None)
        classifier = LearnedClassifier(router, exploration)
        if classifier.known.isdisjoint(self.arms):
            known = ", ".join(sorted(map(str, classifier.known)))
            raise ConfigError(f"the router knows none of the arms in use; it knows {known}")
        self.classifier = classifier

    def __getstate__(self) -> dict[str, object]:
        """All but the answerer, which has threads: a copy learns itself which arms are failing."""
        return {name: part for name, part in vars(self).items() if name != "answerer"}

    def turn(
        self,
        value: ChainInput,
        choices: Choices | None = None,
        bindings: Bindings | None = None,
        key: str | None = None,
    ) -> Turn:
        """Read an input and find the arms that can answer it; errors as of `read_turn`."""
        return read_turn(
            value,
            choices or Choices(),
            bindings or Bindings(),
            pool=self.pool,
            arms=self.arms,
            objective=self.objective,
            key=key,
        )

    async def know_models(self) -> None:
        """Have models whose abilities are not known yet made in a thread, before a turn asks.

        Making clients takes up to seconds, in which an event loop would stand still.
        """
        if not self.pool.has_cards:
            await asyncio.to_thread(lambda: [self.pool.card(name) for name in self.pool.models])

    # -- classify -----------------------------------------------------------------------------

    def classify(self, turns: Sequence[Turn], config: RunnableConfig | None = None) -> list[Route]:
        """Choose an arm for each turn; turns with one objective are routed together.

        Raises:
            RouteError: If an objective leaves no arm for some turn.
            ObjectiveError: If it weighs something that the classifier knows of no arm.
        """
        routes: dict[int, Route] = {}
        for objective, positions in _by_objective(turns).items():
            questions = [_question(turns[position]) for position in positions]
            found = self.classifier.routes(questions, objective, config)
            routes.update(zip(positions, found, strict=True))
        return [routes[position] for position in range(len(turns))]

    async def aclassify(
        self, turns: Sequence[Turn], config: RunnableConfig | None = None
    ) -> list[Route]:
        """The same for an event loop."""
        routes: dict[int, Route] = {}
        for objective, positions in _by_objective(turns).items():
            questions = [_question(turns[position]) for position in positions]
            found = await self.classifier.aroutes(questions, objective, config)
            routes.update(zip(positions, found, strict=True))
        return [routes[position] for position in range(len(turns))]

    def classify_each(
        self, turns: Sequence[Turn], config: RunnableConfig | None = None
    ) -> list[Route | FusionError]:
        """Choose an arm for each turn; a turn that cannot be routed gives its error instead."""
        try:
            return list(self.classify(turns, config))
        except FusionError as error:
            if len(turns) == 1:
                return [error]
        middle = len(turns) // 2
        return [
            *self.classify_each(turns[:middle], config),
            *self.classify_each(turns[middle:], config),
        ]

    async def aclassify_each(
        self, turns: Sequence[Turn], config: RunnableConfig | None = None
    ) -> list[Route | FusionError]:
        """The same for an event loop."""
        try:
            return list(await self.aclassify(turns, config))
        except FusionError as error:
            if len(turns) == 1:
                return [error]
        middle = len(turns) // 2
        return [
            *await self.aclassify_each(turns[:middle], config),
            *await self.aclassify_each(turns[middle:], config),
        ]

    # -- retrieve -----------------------------------------------------------------------------

    def retrieve(self, turn: Turn, route: Route) -> tuple[ThoughtTemplate, ...] | None:
        """Look up the templates that the chosen arm will show; none if it shows no templates.

        Answering does so itself where nobody has done it before.
        """
        strategy = self.pool.strategy(route.arm.strategy)
        return strategy.on(turn.occasion).look_up(turn.query)

    # -- answer -------------------------------------------------------------------------------

    def call(self, turn: Turn, route: Route) -> Call:
        """What the answering step is asked: the route's arms, best first, and no other."""
        return Call(
            query=turn.query,
            messages=turn.messages,
            arms=ranked(turn, route),
            bindings=turn.bindings,
            occasion=turn.occasion,
            metadata={"fusion_turn": turn.key},
        )

    def answer(self, turn: Turn, route: Route, config: RunnableConfig | None = None) -> Answer:
        """Ask the chosen arm, then the others.

        Raises:
            AnswerError: If none answers.
        """
        return self.answerer.answer(self.call(turn, route), config)

    async def aanswer(
        self, turn: Turn, route: Route, config: RunnableConfig | None = None
    ) -> Answer:
        """The same for an event loop."""
        return await self.answerer.aanswer(self.call(turn, route), config)

    def stream(
        self, turn: Turn, route: Route, config: RunnableConfig | None = None
    ) -> Generator[AIMessageChunk, None, Answer]:
        """Give the answer in chunks; the generator returns it as a whole."""
        return self.answerer.stream(self.call(turn, route), config)

    def astream(
        self, turn: Turn, route: Route, config: RunnableConfig | None = None
    ) -> AsyncGenerator[AIMessageChunk | Answer]:
        """Give the answer in chunks; the last item is the answer as a whole."""
        return self.answerer.astream(self.call(turn, route), config)

    # -- judge --------------------------------------------------------------------------------

    def judge(
        self, turn: Turn, answer: Answer, config: RunnableConfig | None = None
    ) -> Judgement | None:
        """Judge the answer, if it is to be judged before it is given; never an error."""
        if self.judging is None:
            return None
        return self.judging.judge_answer(turn, answer, config, source=self.recorder.source)

    async def ajudge(
        self, turn: Turn, answer: Answer, config: RunnableConfig | None = None
    ) -> Judgement | None:
        """The same for an event loop."""
        if self.judging is None:
            return None
        return await self.judging.ajudge_answer(turn, answer, config, source=self.recorder.source)


def ranked(turn: Turn, route: Route) -> tuple[Arm, ...]:
    """The arms that may answer, best first: ranked ones that no cap forbids, then unknown ones."""
    able = frozenset(turn.arms)
    usable = [
        forecast.arm
        for forecast in route.ranking
        if forecast.arm in able and (forecast.utility is not None or _is_unknown(forecast))
    ]
    return tuple(dict.fromkeys((route.arm, *usable)))


def _is_unknown(forecast: ArmForecast) -> bool:
    return forecast.performance is forecast.judge is forecast.cost is forecast.latency is None


def _question(turn: Turn) -> Question:
    return Question(query=turn.query, arms=turn.arms, key=turn.key if turn.explores else "")


def _by_objective(turns: Sequence[Turn]) -> dict[Objective, list[int]]:
    together: dict[Objective, list[int]] = defaultdict(list)
    for position, turn in enumerate(turns):
        together[turn.objective].append(position)
    return together
