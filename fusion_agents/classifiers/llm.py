"""A model reads the arms' cards and picks: routing before there is a log."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import get_executor_for_config

from fusion_agents.answering.answerer import Answerer
from fusion_agents.answering.nouns import NOT_STREAMED, Answer, Bindings, Call
from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.answering.replies import usage_of
from fusion_agents.classifiers.base import Classifier, Question
from fusion_agents.classifiers.descriptions import (
    allowed_arms,
    describe_arms,
    describe_objective,
    describe_query,
)
from fusion_agents.errors import AnswerError
from fusion_agents.objective import Objective
from fusion_agents.pool.matching import model_id
from fusion_agents.pool.pool import Pool
from fusion_agents.types import Arm, ArmForecast, ModelCard, Query, Route, Usage, content_key

POLICY = AnswerPolicy(deadline=30.0, attempt_timeout=15.0, max_attempts=2, attempts_per_arm=2)

_PROMPT = Path(__file__).with_suffix(".md")
_CHOOSER = Arm(model="classifier")
_AT_ONCE = 8


class _Picked(NamedTuple):
    arm: Arm
    utility: float
    reason: str
    usage: Usage = Usage()
    cost: float | None = None


class LLMClassifier(Classifier):
    """Lets a model choose by what is known about the arms, when there is no log yet.

    The model is shown the cards of the models, what their strategies do, the objective and the
    query, and answers by structured output. The query is passed as data between lines with a
    marker that its author cannot know, and only its first and last part if it is very long. A
    model that fails, or names no arm of the question, costs no query: then the first arm in the
    pool's order is chosen, and the route's reason says so.

    It forecasts nothing: in the ranking, the chosen arm is followed by the others in the pool's
    order, all without a forecast. A route's utility is the model's own confidence, in [0, 1], that
    no other arm serves better (0.5 if it gave none, 1 if there was no choice, 0 if the pool's
    order decided); it may not be compared with a learned router's. A cap on cost is held against
    an estimate from the cards' prices (four characters a token, 500 tokens of answer); where there
    are no prices, and for a cap on latency, the reason says that it was not checked.

    Args:
        chat_model: The model that chooses; a string is one for `init_chat_model`.
        cards: What is known about the models of the arms. A model without one is listed by name.
        strategies: What strategies do, in a sentence each; those that come with the package are
            known already.
        policy: How hard to try before the pool's order decides.
    """

    name: ClassVar[str] = "llm"
    calls_models: ClassVar[bool] = True

    def __init__(
        self,
        chat_model: BaseChatModel | str,
        cards: Mapping[str, ModelCard] | Iterable[ModelCard],
        *,
        strategies: Mapping[str, str] | None = None,
        policy: AnswerPolicy = POLICY,
    ) -> None:
        listed = cards.values() if isinstance(cards, Mapping) else cards
        self.chat_model = chat_model
        self.cards = {card.model: card for card in listed}
        self.strategies = dict(strategies or {})
        self._answerer = Answerer(Pool({_CHOOSER.model: chat_model}), policy)

    @cached_property
    def version(self) -> str:
        """Changes with the model, the prompt, the cards and the words for strategies."""
        cards = [card.model_dump(mode="json") for _, card in sorted(self.cards.items())]
        content = content_key(_prompt(), cards, dict(sorted(self.strategies.items())))
        return f"{self.name}-{model_id(self.chat_model)}-{content[:12]}"

    def routes(
        self,
        questions: Sequence[Question],
        objective: Objective,
        config: RunnableConfig | None = None,
    ) -> list[Route]:
        """Ask the model about each question, several at once.

        Raises:
            RouteError: If the objective leaves no arm for some question.
        """
        with get_executor_for_config(_limited(config)) as executor:
            return list(
                executor.map(lambda question: self._route(question, objective, config), questions)
            )

    async def aroutes(
        self,
        questions: Sequence[Question],
        objective: Objective,
        config: RunnableConfig | None = None,
    ) -> list[Route]:
        """The same without blocking the event loop."""
        gate = asyncio.Semaphore(_limited(config)["max_concurrency"] or _AT_ONCE)

        async def one(question: Question) -> Route:
            async with gate:
                return await self._aroute(question, objective, config)

        return list(await asyncio.gather(*map(one, questions)))

    def _route(
        self, question: Question, objective: Objective, config: RunnableConfig | None
    ) -> Route:
        arms, unchecked = allowed_arms(question, objective, self.cards)
        if len(arms) == 1:
            return self._as_route(_only(arms), arms, objective, unchecked)
        try:
            answer = self._answerer.answer(self._call(question.query, arms, objective), config)
        except AnswerError as error:
            return self._as_route(_by_order(arms, error), arms, objective, unchecked)
        return self._as_route(_read(answer, arms), arms, objective, unchecked)

    async def _aroute(
        self, question: Question, objective: Objective, config: RunnableConfig | None
    ) -> Route:
        arms, unchecked = allowed_arms(question, objective, self.cards)
        if len(arms) == 1:
            return self._as_route(_only(arms), arms, objective, unchecked)
        call = self._call(question.query, arms, objective)
        try:
            answer = await self._answerer.aanswer(call, config)
        except AnswerError as error:
            return self._as_route(_by_order(arms, error), arms, objective, unchecked)
        return self._as_route(_read(answer, arms), arms, objective, unchecked)

    def _call(self, query: Query, arms: tuple[Arm, ...], objective: Objective) -> Call:
        listing = describe_arms(arms, self.cards, self.strategies)
        wanted = describe_objective(objective)
        return Call(
            query=query,
            messages=[
                SystemMessage(f"{_prompt()}\n\n{listing}\n\n{wanted}"),
                HumanMessage(describe_query(query.text)),
            ],
            arms=(_CHOOSER,),
            bindings=Bindings(schema=_schema(arms)),
            tags=(NOT_STREAMED, "fusion:classify"),
        )

    def _as_route(
        self, picked: _Picked, arms: tuple[Arm, ...], objective: Objective, unchecked: str
    ) -> Route:
        others = (arm for arm in arms if arm != picked.arm)
        return Route(
            arm=picked.arm,
            ranking=tuple(ArmForecast(arm=arm) for arm in (picked.arm, *others)),
            utility=picked.utility,
            objective=objective.name,
            router=self.name,
            router_version=self.version,
            reason=f"{picked.reason}{unchecked}",
            usage=picked.usage,
            cost=picked.cost,
        )


@cache
def _prompt() -> str:
    return _PROMPT.read_text(encoding="utf-8").strip()


def _schema(arms: Sequence[Arm]) -> dict[str, Any]:
    """What the model has to give: as JSON schema, which every provider's binding takes alike."""
    properties = {
        "reason": {"type": "string", "description": "One short sentence: why which arm."},
        "arm": {
            "type": "string",
            "enum": [str(arm) for arm in arms],
            "description": "The chosen arm, exactly as in the list.",
        },
        "confidence": {
            "type": "number",
            "description": "How sure you are, from 0 to 1, that no other arm is better.",
        },
    }
    return {
        "title": "Choice",
        "description": "The arm that should answer the query.",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _limited(config: RunnableConfig | None) -> RunnableConfig:
    return {"max_concurrency": (config or {}).get("max_concurrency") or _AT_ONCE}


def _only(arms: tuple[Arm, ...]) -> _Picked:
    return _Picked(arms[0], 1.0, "the only arm that may be chosen")


def _by_order(arms: tuple[Arm, ...], error: AnswerError) -> _Picked:
    return _Picked(
        arms[0], 0.0, f"the first in the pool's order: the choosing model failed: {error}"
    )


def _read(answer: Answer, arms: tuple[Arm, ...]) -> _Picked:
    said = answer.parsed if isinstance(answer.parsed, Mapping) else {}
    name = str(said.get("arm", "nothing"))
    arm = _named(name, arms)
    if arm is None:
        words = f"{name[:100]!r}, which is no arm of the question"
        said_so = f"the first in the pool's order: the model chose {words}"
        return _Picked(arms[0], 0.0, said_so, usage_of(answer.message), answer.cost)
    reason = " ".join(str(said.get("reason") or "chosen by the model").split())
    confidence = _confidence(said.get("confidence"))
    return _Picked(arm, confidence, reason[:300], usage_of(answer.message), answer.cost)


def _confidence(said: object) -> float:
    """A number in [0, 1], whatever was said; one half if nothing was."""
    if not isinstance(said, int | float) or not isfinite(said):
        return 0.5
    return min(max(float(said), 0.0), 1.0)


def _named(name: str, arms: tuple[Arm, ...]) -> Arm | None:
    """The arm that is meant: by its name, or by its model if that has only one arm."""
    wanted = name.strip().strip("`'\"").casefold()
    meant = [arm for arm in arms if str(arm).casefold() == wanted]
    meant = meant or [arm for arm in arms if arm.model.casefold() == wanted]
    return meant[0] if len(meant) == 1 else None
