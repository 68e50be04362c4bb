"""Agents to try the middleware with: two providers, and a classifier that reads the question."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, tool

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.classifiers.base import Classifier, Question
from fusion_agents.middleware import FusionRouterMiddleware
from fusion_agents.objective import Objective
from fusion_agents.pool.pool import Pool
from fusion_agents.steps.query_steps import QuerySteps
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import Arm, ArmForecast, Route

QUICK = AnswerPolicy(first_backoff=0.0, max_backoff=0.0, deadline=20.0)


class OtherChatModel(FakeChatModel):
    """A model of another provider."""

    provider: str = "other"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = self.provider
        return params


class WordClassifier(Classifier):
    """Likes the arm that the question names by its model; then those that come first."""

    def __init__(self, utilities: Mapping[str, float] | None = None, std: float = 0.01) -> None:
        self.asked: list[str] = []
        self.utilities = dict(utilities or {})
        self.std = std

    def routes(
        self,
        questions: Sequence[Question],
        objective: Objective,
        config: RunnableConfig | None = None,
    ) -> list[Route]:
        return [self._route(question, objective) for question in questions]

    def _route(self, question: Question, objective: Objective) -> Route:
        self.asked.append(question.query.text)
        forecasts = [
            self._forecast(arm, question.query.text, place)
            for place, arm in enumerate(question.arms)
        ]
        ranking = tuple(sorted(forecasts, key=lambda forecast: -(forecast.utility or 0.0)))
        return Route(
            arm=ranking[0].arm,
            ranking=ranking,
            utility=ranking[0].utility,
            objective=objective.name,
            router="words",
            router_version="words-1",
            reason="the question names it",
        )

    def _forecast(self, arm: Arm, text: str, place: int) -> ArmForecast:
        liked = 0.9 if arm.model in text else self.utilities.get(arm.model, 0.5 - 0.1 * place)
        return ArmForecast(
            arm=arm,
            performance=liked,
            performance_std=self.std,
            cost=0.001 * (place + 1),
            utility=liked,
        )


@tool
def weather(city: str) -> str:
    """Say what the weather is like in a city."""
    return f"sunny in {city}"


def says(*replies: str | AIMessage) -> Callable[[Any], str | AIMessage]:
    """A model that gives these replies in turn, then the last one again."""
    left = list(replies)

    def reply(_: Any) -> str | AIMessage:
        return left.pop(0) if len(left) > 1 else left[0]

    return reply


def calls_weather(number: int = 1) -> AIMessage:
    call = {"name": "weather", "args": {"city": "Rome"}, "id": f"call-{number}"}
    return AIMessage("", tool_calls=[call])


def router(models: Mapping[str, Any], **options: Any) -> FusionRouterMiddleware[Any, Any]:
    """The middleware over these models, with a classifier that can be asked what it was asked."""
    classifier = options.pop("classifier", None) or WordClassifier()
    steps = QuerySteps(
        pool=Pool(models),
        classifier=classifier,
        objective=options.pop("objective", "performance-first"),
        policy=options.pop("policy", QUICK),
        record_to=options.pop("record_to", None),
    )
    return FusionRouterMiddleware(steps, **options)


def agent(
    middleware: FusionRouterMiddleware[Any, Any],
    *others: Any,
    tools: Sequence[BaseTool] = (),
    **options: Any,
) -> Any:
    """An agent whose own model must never be asked."""
    own = FakeChatModel(model="own", error=AssertionError("the agent's own model was asked"))
    return create_agent(own, list(tools), middleware=[middleware, *others], **options)


def ask(text: str, *before: Any) -> dict[str, Any]:
    return {"messages": [*before, HumanMessage(text)]}


def authors(result: Mapping[str, Any]) -> list[str]:
    """Who wrote the AI messages."""
    return [
        message.response_metadata["model_name"]
        for message in result["messages"]
        if isinstance(message, AIMessage)
    ]
