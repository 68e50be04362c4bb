"""A multi-LLM log of SIMULATED models, in which routing pays and costs differ."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from fusion_agents.simulation.models import ARMS, PROFILES, attempt
from fusion_agents.simulation.questions import FAMILIES, Question, generate_questions
from fusion_agents.simulation.responses import exact_match, write_response
from fusion_agents.types import Arm, LogEntry, Query, Usage

SOURCE = "simulated"
"""Source of every simulated log entry."""

TIMEOUT = 60.0
"""Seconds after which a simulated call is given up."""

_START = datetime(2026, 1, 1, tzinfo=UTC)
_PROMPT_TOKENS = {"direct": 18, "think": 42, "thought": 420}


def simulate_log(
    n_questions: int = 1_500,
    seed: int = 0,
    arms: Sequence[Arm] = ARMS,
    families: Sequence[str] = FAMILIES,
) -> Iterator[LogEntry]:
    """Let every simulated arm answer every generated question once.

    Responses are written as text and then scored by exact match, so the performance is measured,
    not copied from the simulation. Costs follow from tokens and invented prices. The same seed
    gives the same log. With `THOUGHT_ARMS`, one model answers without and with thought templates.
    """
    for number, question in enumerate(generate_questions(n_questions, seed, families)):
        query, time = to_query(question), _START + timedelta(seconds=number)
        for arm in arms:
            yield _entry(question, query, arm, seed, time)


def to_query(question: Question) -> Query:
    """The question as it stands in a log."""
    return Query(
        text=question.text,
        task=question.family,
        ground_truth=question.answer,
        metric="exact_match",
    )


def _entry(question: Question, query: Query, arm: Arm, seed: int, time: datetime) -> LogEntry:
    tried = attempt(question, arm, seed)
    common = {
        "query": query,
        "arm": arm,
        "model_version": f"{arm.model}-1",
        "source": SOURCE,
        "time": time,
    }
    if tried.timed_out:
        return LogEntry.model_validate({**common, "error": "timeout", "latency": TIMEOUT})
    thinks = arm.strategy == "think"
    response = write_response(question, right=tried.right, thinks=thinks, rng=tried.rng)
    usage = Usage(
        input_tokens=_PROMPT_TOKENS[arm.strategy] + _count_tokens(question.text),
        output_tokens=tried.reasoning_tokens + _count_tokens(response),
        reasoning_tokens=tried.reasoning_tokens,
    )
    return LogEntry.model_validate(
        {
            **common,
            "response": response,
            "usage": usage,
            "cost": _cost(arm, usage),
            "input_price": PROFILES[arm.model].input_price,
            "output_price": PROFILES[arm.model].output_price,
            "latency": tried.latency,
            "finish_reason": "stop",
            "performance": exact_match(response, question.answer),
        }
    )


def _count_tokens(text: str) -> int:
    """About four characters a token, as providers count."""
    return len(text) // 4 + 1


def _cost(arm: Arm, usage: Usage) -> float:
    """Dollars, from tokens and dollars per million tokens."""
    profile = PROFILES[arm.model]
    dollars = (usage.input_tokens or 0) * profile.input_price
    dollars += (usage.output_tokens or 0) * profile.output_price
    return round(dollars / 1e6, 9)
