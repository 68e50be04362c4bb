"""What the tests of the graphs are made of."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from fusion_agents.answering.policy import AnswerPolicy
from fusion_agents.classifiers.llm import LLMClassifier
from fusion_agents.errors import FusionError, StoreError
from fusion_agents.pool.pool import Pool
from fusion_agents.steps.query_steps import QuerySteps
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.fake_chat import FakeChatModel
from fusion_agents.types import LogEntry, ModelCard

QUESTION = {"messages": [("user", "How many primes are below 100?")]}
HASTY = AnswerPolicy(attempts_per_arm=1, first_backoff=0, max_backoff=0)


def make_steps(
    log: RoutingLog | None = None, chooser: BaseChatModel | None = None, **models: BaseChatModel
) -> QuerySteps:
    """Steps whose classifier picks the arm that the query names, else the first."""
    pool = Pool(models or {name: FakeChatModel(model=name) for name in ("small", "large")})
    cards = [ModelCard(model=name) for name in pool.models]
    classifier = LLMClassifier(chooser or FakeChatModel(model="chooser"), cards)
    return QuerySteps(pool=pool, classifier=classifier, record_to=log, policy=HASTY)


class FlakyLog(RoutingLog):
    """Fails as it is told to, before or after it has stored the entries."""

    def __init__(
        self, path: Path, *, before: Iterable[FusionError] = (), after: Iterable[FusionError] = ()
    ) -> None:
        super().__init__(path)
        self.before = list(before)
        self.after = list(after)
        self.appended = 0

    def append(self, entries: Iterable[LogEntry], **options: Any) -> int:
        self.appended += 1
        if self.before:
            raise self.before.pop(0)
        stored = super().append(entries, **options)
        if self.after:
            raise self.after.pop(0)
        return stored


def busy() -> StoreError:
    return StoreError("the log is locked")
