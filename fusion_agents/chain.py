"""`FusionRouterChain`: query-level fusion as a LangChain `Runnable`."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from langchain_core.callbacks import (
    AsyncCallbackManagerForChainRun,
    CallbackManagerForChainRun,
)
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import get_config_list
from langchain_core.runnables.utils import ConfigurableFieldSpec
from typing_extensions import Unpack

from fusion_agents.answering.nouns import Answer, Bindings
from fusion_agents.conversation import ChainInput
from fusion_agents.judges.feedback import Feedback
from fusion_agents.objective import Objective
from fusion_agents.pool.matching import Coverage
from fusion_agents.pool.pool import Pool
from fusion_agents.routers.base import Router
from fusion_agents.steps.building import (
    Models,
    steps_from_log,
    steps_from_models,
    steps_from_router,
)
from fusion_agents.steps.configuring import choices_of, config_specs, described
from fusion_agents.steps.feedback import USUAL, Named, feedback_from
from fusion_agents.steps.options import LogOptions, ModelsOptions, RouterOptions
from fusion_agents.steps.preparing import Ready, aready, prepare_ahead, ready
from fusion_agents.steps.query_steps import QuerySteps
from fusion_agents.steps.responding import (
    arespond,
    astream_response,
    once,
    respond,
    stream_response,
)
from fusion_agents.steps.turn import Choices
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Judgement, Route

if TYPE_CHECKING:
    from fusion_agents.chat_model import ChatFusion


class FusionRouterChain(Runnable[ChainInput, AIMessage]):
    """Answers each query with the arm that a router learned to be best for it.

    Takes a text, messages, a prompt value, or a dict with `input`, `messages`, `question` or
    `query`; gives an `AIMessage`. The decision is in `response_metadata["fusion"]`, in the run's
    metadata and tags, and `usage_metadata` counts every call once, failed attempts included. A
    failing arm falls back along the route's ranking within one deadline.

    A call chooses an `objective`, a `model`, an `arm` or a `tenant` by configuration:
    `chain.invoke(query, {"configurable": {"objective": "balance"}})`. Where other runnables of an
    app use these names too, give a `config_prefix`: with `"fusion"`, the keys are
    `fusion_objective`, `fusion_model`, and so on.

    Args:
        steps: Classify, answer, record.
        config_prefix: Of the configurable keys.
    """

    def __init__(self, steps: QuerySteps, *, config_prefix: str = "") -> None:
        self.steps = steps
        self.config_prefix = config_prefix
        self.name = "FusionRouterChain"

    # -- making one ---------------------------------------------------------------------------

    @classmethod
    def from_log(
        cls,
        log: RoutingLog | str | Path,
        *,
        models: Models,
        config_prefix: str = "",
        **options: Unpack[LogOptions],
    ) -> Self:
        """Learn from a log, for the arms that both the log and the pool have.

        Fitting takes from a second to some twenty (6,000 queries and 40 arms): where a process
        starts often, fit once, `save_router`, and use `from_router`.

        Args:
            log: An open log, or the path of a database or of log files.
            models: Named as in the log: chat models or `init_chat_model` strings by name, a
                `Pool`, or the path of a `models.toml`.
            config_prefix: Of the configurable keys.
            **options: `objective`, `router`, `encoder`, `policy`, `record`, `judge`, `explore`,
                `templates` and `seed`, as `fusion_agents.steps.options.LogOptions` describes them.

        Raises:
            ConfigError: If the log and the pool have no arm in common.
            ObjectiveError: If the objective weighs what the log does not have.
            EmptyLogError: If the log has nothing to learn from.
        """
        return cls(steps_from_log(log, models=models, **options), config_prefix=config_prefix)

    @classmethod
    def from_router(
        cls,
        router: Router | str | Path,
        *,
        models: Models,
        config_prefix: str = "",
        **options: Unpack[RouterOptions],
    ) -> Self:
        """Use a fitted router, or the directory of a saved one.

        Args:
            router: The router or its directory.
            models: Named as in the log that the router learned from; as in `from_log`.
            config_prefix: Of the configurable keys.
            **options: `objective`, `log`, `encoder`, `policy`, `record`, `judge`, `explore` and
                `templates`, as `fusion_agents.steps.options.RouterOptions` describes them.

        Raises:
            ArtefactError: If the saved router is damaged.
            ConfigError: If the router and the pool have no arm in common.
        """
        steps = steps_from_router(router, models=models, **options)
        return cls(steps, config_prefix=config_prefix)

    @classmethod
    def from_models(
        cls, models: Models, *, config_prefix: str = "", **options: Unpack[ModelsOptions]
    ) -> Self:
        """Begin without a log: a model reads the models' cards and picks.

        Args:
            models: As in `from_log`.
            config_prefix: Of the configurable keys.
            **options: `classifier`, `objective`, `policy`, `record`, `judge` and `templates`, as
                `fusion_agents.steps.options.ModelsOptions` describes them.
        """
        return cls(steps_from_models(models, **options), config_prefix=config_prefix)

    # -- looking at it ------------------------------------------------------------------------

    @property
    def pool(self) -> Pool:
        """The models."""
        return self.steps.pool

    @property
    def objective(self) -> Objective:
        """The usual objective."""
        return self.steps.objective

    @property
    def coverage(self) -> Coverage | None:
        """Which arms the log and the pool have in common; none without a log."""
        return self.steps.coverage

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """What a call may choose."""
        return config_specs(self.config_prefix)

    def as_chat_model(self) -> "ChatFusion":
        """The same as a chat model, for agents and wherever else one is asked for."""
        from fusion_agents.chat_model import ChatFusion  # noqa: PLC0415 - made of this class

        return ChatFusion(chain=self)

    def __repr__(self) -> str:
        arms = ", ".join(map(str, self.steps.arms))
        return f"FusionRouterChain(objective={self.objective.name!r}, arms=[{arms}])"

    # -- deciding -----------------------------------------------------------------------------

    def route(self, value: ChainInput, config: RunnableConfig | None = None) -> Route:
        """Decide without calling a model (unless the classifier is one).

        Raises:
            DataError: If the input holds no messages.
            RouteError: If no arm may be chosen or is able to answer.
        """
        turn = self.steps.turn(value, self._choices(config))
        return self.steps.classify([turn], config)[0]

    async def aroute(self, value: ChainInput, config: RunnableConfig | None = None) -> Route:
        """Decide, in an event loop."""
        prepared = await aready(self.steps, value, self._choices(config), None)
        return (await prepared.arouted(self.steps, config or RunnableConfig()))[1]

    def _choices(self, config: RunnableConfig | None) -> Choices:
        return choices_of(config, self.config_prefix)

    # -- hearing back -------------------------------------------------------------------------

    def feedback(
        self,
        run_id: Feedback | Mapping[str, Any] | Named,
        score: Any = None,
        *,
        value: Any = None,
        comment: str | None = None,
        source: str = "user",
        key: str = USUAL,
    ) -> Judgement:
        """Keep what a user says of an answer that was recorded; the newest word counts.

        Args:
            run_id: Id of the chain's run; or the answer's message, or the `turn` in its metadata;
                or all of the feedback as LangSmith has it (`run_id`, `key`, `score`, ...).
            score: A truth value, a thumb, a number in [0, 1], or a rating such as `"4 of 5"`.
            value: The same, where there is no score.
            comment: In words.
            source: Who says it: trust is given and taken by it.
            key: What the user was asked; each is a signal of its own.

        Raises:
            ConfigError: If nothing is recorded.
            DataError: If the log has no such run, or what is said is no score.
        """
        said = feedback_from(run_id, score, value=value, comment=comment, key=key)
        return self.steps.recorder.feedback(said, source)

    async def afeedback(
        self,
        run_id: Feedback | Mapping[str, Any] | Named,
        score: Any = None,
        *,
        source: str = "user",
        **said: Any,
    ) -> Judgement:
        """The same for an event loop, with the same arguments."""
        return await self.steps.recorder.afeedback(feedback_from(run_id, score, **said), source)

    # -- answering ----------------------------------------------------------------------------

    def invoke(
        self,
        input: ChainInput | Ready,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Answer; further arguments, such as `stop`, go to the chosen model.

        Raises:
            AnswerError: If no arm answers.
            DataError: If the input holds no messages.
            RouteError: If no arm may be chosen or is able to answer.
        """
        return self.answer(input, config, Bindings(options=kwargs)).message

    async def ainvoke(
        self,
        input: ChainInput | Ready,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Answer, in an event loop."""
        return (await self.aanswer(input, config, Bindings(options=kwargs))).message

    def answer(
        self,
        value: ChainInput | Ready,
        config: RunnableConfig | None = None,
        bindings: Bindings | None = None,
    ) -> Answer:
        """Answer with tools, a schema or options bound to whichever model is chosen.

        Returns:
            The message with its attempts, and what a bound schema made of it.
        """
        prepared = ready(self.steps, value, self._choices(config), bindings)
        answers: list[Answer] = []

        def run(
            _: ChainInput, run_manager: CallbackManagerForChainRun, config: RunnableConfig
        ) -> AIMessage:
            answers.append(respond(self.steps, prepared, config))
            return answers[0].message

        self._call_with_config(run, prepared.value, described(config, prepared))
        return answers[0]

    async def aanswer(
        self,
        value: ChainInput | Ready,
        config: RunnableConfig | None = None,
        bindings: Bindings | None = None,
    ) -> Answer:
        """Answer, in an event loop."""
        prepared = await aready(self.steps, value, self._choices(config), bindings)
        answers: list[Answer] = []

        async def run(
            _: ChainInput, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig
        ) -> AIMessage:
            answers.append(await arespond(self.steps, prepared, config))
            return answers[0].message

        await self._acall_with_config(run, prepared.value, described(config, prepared))
        return answers[0]

    def batch(
        self,
        inputs: list[ChainInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """Answer many; their queries are encoded and routed together."""
        with self._ahead(inputs, config, kwargs) as (pending, configs):
            return super().batch(pending, configs, return_exceptions=return_exceptions)

    async def abatch(
        self,
        inputs: list[ChainInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """Answer many, in an event loop; their queries are encoded and routed together."""
        with self._ahead(inputs, config, kwargs) as (pending, configs):
            return await super().abatch(pending, configs, return_exceptions=return_exceptions)

    @contextmanager
    def _ahead(
        self,
        inputs: list[ChainInput],
        config: RunnableConfig | list[RunnableConfig] | None,
        options: dict[str, Any],
    ) -> Iterator[tuple[list[ChainInput], list[RunnableConfig]]]:
        configs = get_config_list(config, len(inputs)) if inputs else []
        choices = map(self._choices, configs)
        with prepare_ahead(self.steps, inputs, choices, Bindings(options=options)) as pending:
            yield cast("list[ChainInput]", pending), configs

    # -- streaming ----------------------------------------------------------------------------

    def stream(
        self, input: ChainInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[AIMessage]:
        """Answer in chunks as they come, once each; the last one carries the evidence."""
        yield from self.stream_answer(input, config, Bindings(options=kwargs))

    async def astream(
        self, input: ChainInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessage]:
        """Answer in chunks, in an event loop."""
        async for chunk in self.astream_answer(input, config, Bindings(options=kwargs)):
            yield chunk

    def stream_answer(
        self,
        value: ChainInput,
        config: RunnableConfig | None = None,
        bindings: Bindings | None = None,
        answers: list[Answer] | None = None,
    ) -> Iterator[AIMessageChunk]:
        """Answer in chunks with something bound; the whole answer is added to `answers`."""
        prepared = ready(self.steps, value, self._choices(config), bindings)

        def run(
            _: Iterator[ChainInput],
            run_manager: CallbackManagerForChainRun,
            config: RunnableConfig,
        ) -> Iterator[AIMessage]:
            return stream_response(self.steps, prepared, config, answers)

        chunks = self._transform_stream_with_config(
            iter([prepared.value]), run, described(config, prepared)
        )
        yield from cast("Iterator[AIMessageChunk]", chunks)

    async def astream_answer(
        self,
        value: ChainInput,
        config: RunnableConfig | None = None,
        bindings: Bindings | None = None,
        answers: list[Answer] | None = None,
    ) -> AsyncIterator[AIMessageChunk]:
        """Answer in chunks, in an event loop."""
        prepared = await aready(self.steps, value, self._choices(config), bindings)

        def run(
            _: AsyncIterator[ChainInput],
            run_manager: AsyncCallbackManagerForChainRun,
            config: RunnableConfig,
        ) -> AsyncIterator[AIMessage]:
            return astream_response(self.steps, prepared, config, answers)

        async for chunk in self._atransform_stream_with_config(
            once(prepared.value), run, described(config, prepared)
        ):
            yield cast("AIMessageChunk", chunk)
