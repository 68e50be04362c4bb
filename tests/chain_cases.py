"""Two models and a log of what each of them is good at, for tests of the chain."""

import threading
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.chain import FusionRouterChain
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import Arm, LogEntry, Query

SUM = "what is the sum of these numbers"
KING = "which king won that battle"
QUICK = AnswerPolicy(deadline=20, first_backoff=0.01, max_backoff=0.01, attempts_per_arm=1)


def write_log(path: Path) -> RoutingLog:
    """`calculator` is right about sums and `historian` about kings; the first one is dearer."""
    log = RoutingLog(path)
    log.append(
        LogEntry(
            query=Query(text=f"{text} {number}"),
            arm=Arm(model=model),
            response="42",
            performance=float((text == SUM) == (model == "calculator")),
            cost=0.02 if model == "calculator" else 0.01,
            latency=1.0,
        )
        for number in range(12)
        for text in (SUM, KING)
        for model in ("calculator", "historian")
    )
    return log


def models(**changes: Any) -> dict[str, Any]:
    return {
        "calculator": FakeChatModel(model="calculator-1", answer="42"),
        "historian": FakeChatModel(model="historian-1", answer="Henry"),
        **changes,
    }


class Copied(FakeChatModel):
    """Says in which thread the pool makes its own copy of it."""

    threads: list[threading.Thread] = Field(default_factory=list)

    def model_copy(self, **options: Any) -> Self:
        self.threads.append(threading.current_thread())
        return super().model_copy(**options)


def models_that_say_where_they_are_made() -> tuple[dict[str, Any], list[threading.Thread]]:
    """The models, and the threads in which they were made so far."""
    threads: list[threading.Thread] = []
    made: dict[str, Any] = {}
    for name in ("calculator", "historian"):
        made[name] = Copied(model=name)
        made[name].threads = threads
    return made, threads


def make_chain(log: RoutingLog, **options: Any) -> FusionRouterChain:
    given = {"models": models(), "router": "knn", "policy": QUICK, **options}
    return FusionRouterChain.from_log(log, **given)
