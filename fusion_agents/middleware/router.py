"""`FusionRouterMiddleware`: the model of each call of an agent, chosen by a router."""

from collections.abc import Awaitable, Callable
from functools import cached_property
from pathlib import Path
from typing import Self, cast

from langchain.agents.middleware.types import (
    AgentMiddleware,
    ContextT,
    ExtendedModelResponse,
    ModelRequest,
    ModelResponse,
    ResponseT,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import ensure_config
from langgraph.types import Command
from typing_extensions import Unpack

from fusion_agents.answering.answerer import Answerer
from fusion_agents.answering.nouns import Answer
from fusion_agents.errors import AnswerError, ConfigError
from fusion_agents.middleware.calls import AgentCall, HandledPool
from fusion_agents.middleware.choosing import Chooser, Decision, Per, Situation
from fusion_agents.middleware.memory import FusionState, record, record_for_message
from fusion_agents.middleware.switching import SwitchRule
from fusion_agents.pool.pool import Pool
from fusion_agents.routers.base import Router
from fusion_agents.steps.building import (
    Models,
    steps_from_log,
    steps_from_models,
    steps_from_router,
)
from fusion_agents.steps.options import LogOptions, ModelsOptions, RouterOptions
from fusion_agents.steps.query_steps import QuerySteps
from fusion_agents.steps.responding import akeep, keep
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Judgement


class FusionRouterMiddleware(AgentMiddleware[FusionState, ContextT, ResponseT]):
    """Gives each run of an agent the model, and the way of prompting it, that suits its question.

    A run is what follows a human message. Its first call is routed by that message; all others
    go to the same arm. Between a model's tool call and its next words to the human, the arm never
    changes, unless it fails for good or the conversation has outgrown it: then another arm of the
    same provider takes over, and one of another provider only if there is no other. Only arms
    whose models can do what the call needs (tools, pictures, structured output, room for the
    conversation) take part.

    A conversation goes on with the model that has it in its prompt cache unless another one is
    expected to be so much better at the new question that it pays for reading the conversation
    anew; `SwitchRule` has the formula. Who had the conversation is read from the agent's state
    or, without a checkpointer, from the messages.

    A failing arm is replaced along the route's ranking, with the retries, deadline and errors of
    `AnswerPolicy`; give the agent no retry or fallback middleware beside it. A model that fails
    while its words are being streamed is replaced too, so a reader of the stream may see the
    beginning of a message that is not in the result; its id tells it apart. Each call's decision
    is in the state under `fusion_route`, which an agent also returns, and in the message's
    `response_metadata["fusion"]`.

    A run chooses by configuration, as calls of the chain do: `fusion_objective`, `fusion_model`,
    `fusion_arm` and `fusion_tenant` in `config["configurable"]`.

    Put middleware that is made for one provider, such as one for its prompt cache, after this one
    in the list: it then sees the chosen model.

    Args:
        steps: Classify, answer, record; see also the `from_...` constructors.
        per: Whether a question is routed once (`run`) or anew at each call outside of tool loops
            (`call`).
        switching: When a new question may go to another model.
        config_prefix: Of the configurable keys; the underscore is added.

    Raises:
        ConfigError: When made, if `per` is something else.
        AnswerError: When the agent runs, if no arm answers.
        RouteError: When the agent runs, if no arm may be chosen or is able to answer.

    Example:
        ```python
        router = FusionRouterMiddleware.from_log(
            "routing.db", models={"small": "openai:gpt-5-mini", "large": "openai:gpt-5"}
        )
        agent = create_agent(router.first_model, tools=[search], middleware=[router])
        ```
    """

    state_schema = FusionState

    def __init__(
        self,
        steps: QuerySteps,
        *,
        per: Per = "run",
        switching: SwitchRule | None = None,
        config_prefix: str = "fusion",
    ) -> None:
        super().__init__()
        if per not in ("run", "call"):
            raise ConfigError(f"per must be 'run' or 'call', not {per!r}")
        self.steps = steps
        self.per = per
        self.switching = switching or SwitchRule()
        self._chooser = Chooser(steps, per, self.switching, config_prefix)

    # -- making one ---------------------------------------------------------------------------

    @classmethod
    def from_log(
        cls,
        log: RoutingLog | str | Path,
        *,
        models: Models,
        per: Per = "run",
        switching: SwitchRule | None = None,
        config_prefix: str = "fusion",
        **options: Unpack[LogOptions],
    ) -> Self:
        """Learn from a log.

        The arguments are those of `FusionRouterChain.from_log` and those of this class.

        Raises:
            ConfigError: If the log and the pool have no arm in common.
            EmptyLogError: If the log has nothing to learn from.
        """
        steps = steps_from_log(log, models=models, **options)
        return cls(steps, per=per, switching=switching, config_prefix=config_prefix)

    @classmethod
    def from_router(
        cls,
        router: Router | str | Path,
        *,
        models: Models,
        per: Per = "run",
        switching: SwitchRule | None = None,
        config_prefix: str = "fusion",
        **options: Unpack[RouterOptions],
    ) -> Self:
        """Use a fitted router, or the directory of a saved one.

        The arguments are those of `FusionRouterChain.from_router` and those of this class.

        Raises:
            ArtefactError: If the saved router is damaged.
            ConfigError: If the router and the pool have no arm in common.
        """
        steps = steps_from_router(router, models=models, **options)
        return cls(steps, per=per, switching=switching, config_prefix=config_prefix)

    @classmethod
    def from_models(
        cls,
        models: Models,
        *,
        per: Per = "run",
        switching: SwitchRule | None = None,
        config_prefix: str = "fusion",
        **options: Unpack[ModelsOptions],
    ) -> Self:
        """Begin without a log: a model, or any classifier, picks.

        The arguments are those of `FusionRouterChain.from_models` and those of this class.
        """
        steps = steps_from_models(models, **options)
        return cls(steps, per=per, switching=switching, config_prefix=config_prefix)

    @property
    def pool(self) -> Pool:
        """The models."""
        return self.steps.pool

    @property
    def first_model(self) -> BaseChatModel:
        """The pool's first model: `create_agent` wants one, though it is never asked as such."""
        return self.pool.chat_model(next(iter(self.pool.models)))

    # -- what the agent calls -----------------------------------------------------------------

    def wrap_model_call(
        self,
        request: ModelRequest[ContextT],
        handler: Callable[[ModelRequest[ContextT]], ModelResponse[ResponseT]],
    ) -> ExtendedModelResponse[ResponseT]:
        """Have the call answered by the arm that suits it."""
        config = ensure_config()
        now = self._chooser.situation(request, config)
        decision = self._chooser.remembered(now)
        if decision is None:
            route = self.steps.classify([now.turn], config)[0]
            decision = self._chooser.decide(now, route)
        asked = AgentCall(request=request, handler=handler)
        try:
            with asked.current():
                answer = self._answerer.answer(decision.call(now.turn), config)
        except AnswerError as error:
            self.steps.recorder.keep(now.turn, decision.route, error)
            raise
        judgement = keep(self.steps, now.turn, decision.route, answer, config)
        return self._response(asked, now, decision, answer, judgement)

    async def awrap_model_call(
        self,
        request: ModelRequest[ContextT],
        handler: Callable[[ModelRequest[ContextT]], Awaitable[ModelResponse[ResponseT]]],
    ) -> ExtendedModelResponse[ResponseT]:
        """The same for an event loop."""
        config = ensure_config()
        await self.steps.know_models()
        now = self._chooser.situation(request, config)
        decision = self._chooser.remembered(now)
        if decision is None:
            route = (await self.steps.aclassify([now.turn], config))[0]
            decision = self._chooser.decide(now, route)
        asked = AgentCall(request=request, async_handler=handler)
        try:
            with asked.current():
                answer = await self._answerer.aanswer(decision.call(now.turn), config)
        except AnswerError as error:
            await self.steps.recorder.akeep(now.turn, decision.route, error)
            raise
        judgement = await akeep(self.steps, now.turn, decision.route, answer, config)
        return self._response(asked, now, decision, answer, judgement)

    @cached_property
    def _answerer(self) -> Answerer:
        """Calls models as agents do; what is known of failing ones is shared with the steps."""
        return Answerer(
            cast("Pool", HandledPool(self.pool)),
            self.steps.policy,
            cooldowns=self.steps.answerer.cooldowns,
        )

    def _response(
        self,
        asked: AgentCall,
        now: Situation,
        decision: Decision,
        answer: Answer,
        judgement: Judgement | None,
    ) -> ExtendedModelResponse[ResponseT]:
        kept = record(now.turn, decision.route, answer, now.question, decision.step, judgement)
        kept["left_provider"] = self._chooser.changed_provider(now, answer.arm)
        said, response = asked.response(answer.message)
        metadata = {**answer.message.response_metadata, "fusion": record_for_message(kept)}
        message = answer.message.model_copy(update={"response_metadata": metadata})
        result = [message if given is said else given for given in response.result]
        return ExtendedModelResponse(
            ModelResponse(result, response.structured_response),
            Command(update={"fusion_route": kept}),
        )
