"""The route and what came of it, as plain JSON for the metadata of messages and runs."""

from dataclasses import replace

from langchain_core.messages.ai import UsageMetadata, add_usage
from pydantic import JsonValue

from fusion_agents.answering.nouns import Answer
from fusion_agents.steps.turn import Turn
from fusion_agents.types import Attempt, Judgement, Route, Usage


def evidence(
    turn: Turn,
    route: Route,
    answer: Answer | None = None,
    judgement: Judgement | None = None,
) -> dict[str, JsonValue]:
    """The route and what came of it, as plain JSON for metadata.

    Keys: `arm` (chosen), `objective`, `utility`, `propensity`, `router`, `router_version`,
    `reason`, `forecast` (one dict an arm, best first), `turn`, `tenant`; after an answer also
    `answered_by`, `attempts`, `cost` and `latency` of the attempts, and `routing_cost`; with
    thought templates in the prompt also `template_ids`; if the answer was judged also `judgement`:
    `score`, `reason`, `judge`, `judge_version`, `cost`.
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
            "routing_cost": route.cost,
            "attempts": [_attempt(attempt) for attempt in answer.attempts],
            "cost": answer.cost,
            "latency": _short(answer.latency),
        }
    if answer is not None and answer.template_ids:
        found["template_ids"] = list(answer.template_ids)
    if judgement is not None:
        kept = {"score", "reason", "judge", "judge_version", "cost"}
        found["judgement"] = judgement.model_dump(mode="json", include=kept)
    return found


def with_evidence(
    answer: Answer, turn: Turn, route: Route, judgement: Judgement | None = None
) -> Answer:
    """The same answer, whose message carries the evidence."""
    found = evidence(turn, route, answer, judgement)
    metadata = {**answer.message.response_metadata, "fusion": found}
    update = {"response_metadata": metadata, "usage_metadata": counted(answer, route)}
    return replace(answer, message=answer.message.model_copy(update=update))


def counted(answer: Answer, route: Route) -> UsageMetadata | None:
    """What every call of the turn used: all attempts, and the model that chose if there was one."""
    chose = route.usage
    if chose == Usage():
        return answer.message.usage_metadata
    used_in, used_out = chose.input_tokens or 0, chose.output_tokens or 0
    spent = UsageMetadata(
        input_tokens=used_in, output_tokens=used_out, total_tokens=used_in + used_out
    )
    return add_usage(answer.message.usage_metadata, spent)


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
