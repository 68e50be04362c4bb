"""The route and what came of it, as plain JSON for the metadata of messages and runs."""

from dataclasses import replace

from pydantic import JsonValue

from fusion_agents.answering.nouns import Answer
from fusion_agents.steps.turn import Turn
from fusion_agents.types import Attempt, Route


def evidence(turn: Turn, route: Route, answer: Answer | None = None) -> dict[str, JsonValue]:
    """The route and what came of it, as plain JSON for metadata.

    Keys: `arm` (chosen), `objective`, `utility`, `propensity`, `router`, `router_version`,
    `reason`, `forecast` (one dict an arm, best first), `turn`, `tenant`; after an answer also
    `answered_by`, `attempts`, `cost` and `latency`.
    """
    found: dict[str, JsonValue] = {
        "arm": str(route.arm),
        "objective": route.objective,
        "utility": _short(route.utility),
        "propensity": route.propensity,
        "router": route.router,
        "router_version": route.router_version,
        "reason": route.reason,
        "forecast": [
            {
                "arm": str(forecast.arm),
                "performance": _short(forecast.performance),
                "performance_std": _short(forecast.performance_std),
                "judge": _short(forecast.judge),
                "cost": _short(forecast.cost),
                "latency": _short(forecast.latency),
                "utility": _short(forecast.utility),
            }
            for forecast in route.ranking
        ],
        "turn": turn.key,
        "tenant": turn.tenant,
    }
    if answer is not None:
        found |= {
            "answered_by": str(answer.arm),
            "attempts": [_attempt(attempt) for attempt in answer.attempts],
            "cost": answer.cost,
            "latency": _short(answer.latency),
        }
    return found


def with_evidence(answer: Answer, turn: Turn, route: Route) -> Answer:
    """The same answer, whose message carries the evidence."""
    metadata = {**answer.message.response_metadata, "fusion": evidence(turn, route, answer)}
    message = answer.message.model_copy(update={"response_metadata": metadata})
    return replace(answer, message=message)


def _attempt(attempt: Attempt) -> dict[str, JsonValue]:
    return {
        "arm": str(attempt.arm),
        "error": attempt.error,
        "reason": attempt.reason,
        "seconds": _short(attempt.seconds),
        "waited": _short(attempt.waited),
        "cost": attempt.cost,
    }


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
