"""Which arm takes a call of an agent, and who takes over if it fails."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from langchain.agents.middleware.types import ModelRequest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig

from fusion_agents.answering.nouns import Call
from fusion_agents.classifiers.learned import LearnedClassifier
from fusion_agents.conversation import Needs, estimated_tokens, in_tool_loop
from fusion_agents.errors import RouteError
from fusion_agents.middleware.abilities import conversation, needs_of_request, unable
from fusion_agents.middleware.handover import provider_named
from fusion_agents.middleware.memory import Pin, question_key, recall
from fusion_agents.middleware.switching import Held, Price, SwitchRule
from fusion_agents.objective import Scale
from fusion_agents.steps.configuring import choices_of
from fusion_agents.steps.query_steps import QuerySteps, ranked
from fusion_agents.steps.turn import Turn
from fusion_agents.types import Arm, Route

Per = Literal["run", "call"]


class Situation(NamedTuple):
    """A call of an agent, before it is decided who takes it."""

    turn: Turn
    question: str
    """Key of the question that the run answers."""
    last: Pin | None
    """Who answered last in this conversation."""
    goes_on: bool
    """Whether that arm is able to go on."""
    hindrance: str | None
    """Why it is not."""
    in_loop: bool
    """Whether a model waits for the results of its tool calls."""
    read: int
    """Tokens of the conversation before the question."""
    has_history: bool

    @property
    def pin(self) -> Pin | None:
        """Who answered last, if that arm is able to go on."""
        return self.last if self.goes_on else None

    @property
    def bound(self) -> Arm | None:
        """Whose provider must go on if it can: that of the model whose tool loop it is."""
        return self.last.arm if self.in_loop and self.last else None


class Decision(NamedTuple):
    """Who takes the call."""

    route: Route
    """With the arm that was chosen, which need not be the best ranked one."""
    step: str
    """`routed`, `pinned`, `kept`, `switched` or `moved`; see `memory.record`."""
    arms: tuple[Arm, ...]
    """That arm, then the fallbacks."""

    def call(self, turn: Turn) -> Call:
        """What the answering step is asked."""
        return Call(
            query=turn.query,
            messages=turn.messages,
            arms=self.arms,
            occasion=turn.occasion,
            metadata={"fusion_turn": turn.key},
        )


class Chooser:
    """Decides who takes a call.

    Args:
        steps: For routing.
        per: Whether a question is routed once (`run`) or anew at each call (`call`).
        rule: When a new question of a conversation may go to another model.
        prefix: Of the configurable keys.
    """

    def __init__(self, steps: QuerySteps, per: Per, rule: SwitchRule, prefix: str = "") -> None:
        self._steps = steps
        self._per = per
        self._rule = rule
        self._providers: dict[str, str] = {}
        self._prefix = prefix

    def situation(self, request: ModelRequest[Any], config: RunnableConfig) -> Situation:
        """Look at a call.

        Raises:
            ConfigError: If the config names an objective, model or arm that does not exist.
            RouteError: If no arm is able to answer.
        """
        choices = choices_of(config, self._prefix)._replace(turn=None)  # a run has many calls
        asked = self._steps.turn(conversation(request), choices)
        needs = needs_of_request(request)
        in_loop = in_tool_loop(request.messages)
        pin = recall(request.state, request.messages)
        reasons = {arm: unable(self._steps.pool, arm, needs) for arm in asked.arms}
        able = tuple(arm for arm, reason in reasons.items() if reason is None)
        hindrance = None if pin is None or pin.arm in able else self._hindrance(pin.arm, needs)
        goes_on = hindrance is None and (in_loop or pin is None or pin.arm in able)
        if not able and not (pin and goes_on):
            words = "; ".join(f"{arm}: {reason}" for arm, reason in reasons.items())
            raise RouteError(f"no arm is able to answer: {words}")
        has_history = any(isinstance(message, AIMessage) for message in request.messages)
        arms = able or (pin.arm,) if pin else able
        return Situation(
            turn=replace(asked, arms=arms, explores=not has_history),
            question=question_key(request.messages),
            last=pin,
            goes_on=pin is not None and goes_on,
            hindrance=hindrance,
            in_loop=in_loop,
            read=_tokens_before_question(request),
            has_history=has_history,
        )

    def _hindrance(self, arm: Arm, needs: tuple[Needs, ...]) -> str | None:
        """Why an arm cannot go on; none if it can."""
        if arm not in {*self._steps.arms, *self._steps.pool.arms}:
            return f"{arm} is not in the pool"
        return unable(self._steps.pool, arm, needs)

    def remembered(self, now: Situation) -> Decision | None:
        """Who takes the call, where that needs no new route."""
        pin = now.pin
        if pin is None or pin.route is None or not self._goes_on(now, pin):
            return None
        return self._decision(now, _gone_on(pin.route, pin.arm), "pinned")

    def decide(self, now: Situation, route: Route) -> Decision:
        """Who takes the call, after its question was routed."""
        pin = now.pin
        if pin is None:
            return self._moved(now, route) if now.bound else self._decision(now, route, "routed")
        if self._goes_on(now, pin):
            return self._decision(now, _gone_on(route, pin.arm), "pinned")
        if not now.has_history:
            return self._decision(now, route, "routed")
        verdict = self._rule.judge(
            route, Held(pin.arm, now.read), now.turn.objective, self._prices(), self._scale()
        )
        step = "switched" if verdict.switched else "kept"
        return self._decision(now, _chosen(route, verdict.arm, verdict.reason), step)

    def changed_provider(self, now: Situation, answered_by: Arm) -> bool:
        """Whether a tool loop had to go on with another provider's model."""
        bound = now.bound
        return bound is not None and self._provider(answered_by) != self._provider(bound)

    def _goes_on(self, now: Situation, pin: Pin) -> bool:
        same = bool(now.question) and pin.question == now.question
        return now.in_loop or (self._per == "run" and same)

    def _moved(self, now: Situation, route: Route) -> Decision:
        first = self._by_provider(now, ranked(now.turn, route))[0]
        reason = f"{now.bound} cannot go on: {now.hindrance}"
        return self._decision(now, _chosen(route, first, reason), "moved")

    def _decision(self, now: Situation, route: Route, step: str) -> Decision:
        first, *others = ranked(now.turn, route)
        return Decision(route, step, (first, *self._by_provider(now, others)))

    def _by_provider(self, now: Situation, arms: Sequence[Arm]) -> list[Arm]:
        """Those of the provider that a tool loop is with come first."""
        bound = now.bound
        if bound is None or bound.model not in self._steps.pool.models:
            return list(arms)
        provider = self._provider(bound)
        return sorted(arms, key=lambda arm: self._provider(arm) != provider)

    def _provider(self, arm: Arm) -> str:
        if arm.model not in self._providers and arm.model in self._steps.pool.models:
            self._providers[arm.model] = provider_named(self._steps.pool, arm.model)
        return self._providers.get(arm.model, "")

    def _prices(self) -> dict[str, Price]:
        return {
            name: Price(member.card.input_price, member.cached_input_price)
            for name, member in self._steps.pool.models.items()
        }

    def _scale(self) -> Scale | None:
        classifier = self._steps.classifier
        if not isinstance(classifier, LearnedClassifier):
            return None
        return classifier.router.fitted.scales.cost


def _tokens_before_question(request: ModelRequest[Any]) -> int:
    messages = conversation(request)
    asked = [i for i, message in enumerate(messages) if isinstance(message, HumanMessage)]
    return estimated_tokens(messages[: asked[-1]]) if asked else 0


def _chosen(route: Route, arm: Arm, reason: str) -> Route:
    """The same route with another arm, and why."""
    utility = next((f.utility for f in route.ranking if f.arm == arm), None)
    changes: dict[str, object] = {"arm": arm, "utility": utility, "reason": reason}
    if arm != route.arm:
        changes["propensity"] = 1.0
    return route.model_copy(update=changes)


def _gone_on(route: Route, arm: Arm) -> Route:
    """The route of a run, with the arm that has the run."""
    if arm == route.arm:
        return route
    return _chosen(route, arm, f"{arm} goes on with the run that {route.arm} did not answer")
