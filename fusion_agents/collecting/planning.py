"""Which calls there are to make: worked out a few at a time, and named by what they ask."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from math import ceil
from typing import Any, NamedTuple

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage
from pydantic import BaseModel

from fusion_agents.pool.keys import names_a_secret
from fusion_agents.pool.member import PoolModel
from fusion_agents.pool.pool import Pool
from fusion_agents.stores.ledger import Ledger
from fusion_agents.types import Arm, Query, content_key

logger = logging.getLogger(__name__)

CODE_VERSION = "1"
"""Changes whenever the same call would be sent differently."""

CHUNK = 128
"""Calls that are planned together."""

_ADDRESSES = ("base_url", "api_base", "endpoint", "host", "url")
_WITHOUT_EFFECT = frozenset(
    {
        "cache", "callbacks", "custom_get_token_ids", "disable_streaming", "max_retries",
        "metadata", "name", "profile", "rate_limiter", "request_timeout", "streaming",
        "stream_usage", "stream_chunk_timeout", "tags", "timeout", "verbose",
    }
)  # fmt: skip


class PlannedCall(NamedTuple):
    """One call that may have to be made."""

    key: str
    """The same for the same question to the same model in the same words."""
    query: Query
    arm: Arm
    sample: int
    prompt_tokens: int
    """An estimate."""
    errors: int = 0
    """How often it ended in an error."""


class Chunk(NamedTuple):
    """A few planned calls, and how many of them need not be made."""

    calls: list[PlannedCall]
    answered: int = 0
    kept_errors: int = 0
    """Ended in an error that is not to be tried again."""
    repeated: int = 0
    """Are in the chunk twice."""


class Planner:
    """Works out the calls of one model after the other's, or side by side.

    Args:
        pool: Has the models and strategies.
        ledger: Knows what was answered.
        queries: Gone through once for each model.
        samples: How often each arm is asked each query.
        retry_errors: Whether calls that ended in an error are made again.
    """

    def __init__(
        self,
        pool: Pool,
        ledger: Ledger,
        queries: Iterable[Query],
        *,
        samples: int = 1,
        retry_errors: bool = True,
    ) -> None:
        self._pool = pool
        self._ledger = ledger
        self._queries = queries
        self._samples = samples
        self._retry_errors = retry_errors

    def chunks(self, arms: Sequence[Arm]) -> Iterator[Chunk]:
        """Plan the calls of one model's arms: each query, each arm, each sample, in this order.

        Does not hold more than a chunk. It may block: a strategy may wait.
        """
        calls = self.calls(arms)
        while planned := list(islice(calls, CHUNK)):
            yield self._left({call.key: call for call in planned}, len(planned))

    def _left(self, planned: Mapping[str, PlannedCall], number: int) -> Chunk:
        known = self._ledger.known(list(planned))
        self._complete([call.query for key, call in planned.items() if key in known])
        calls: list[PlannedCall] = []
        answered = kept = 0
        for call in planned.values():
            found = known.get(call.key)
            if found is None:
                calls.append(call)
            elif found.state == "done":
                answered += 1
            elif found.state == "error" and not self._retry_errors:
                kept += 1
            else:
                calls.append(call._replace(errors=found.errors))
        return Chunk(calls, answered, kept, number - len(planned))

    def _complete(self, queries: Sequence[Query]) -> None:
        """Tell the log what it may not know of queries that were asked before: how to score them.

        What it knows otherwise stands; then a warning says so.
        """
        named = {query.id: query for query in queries if query.ground_truth is not None}
        if not named:
            return
        stored = self._ledger.queries(list(named))
        new = [named[known.id] for known in stored if _tells_more(named[known.id], known)]
        if new:
            self._ledger.complete(new)
            stored = self._ledger.queries(list(named))
        for known in stored:
            query = named[known.id]
            if (known.ground_truth, known.metric) != (query.ground_truth, query.metric):
                logger.warning(
                    "query %r has another ground truth or metric in the log: that one stands; "
                    "give the query another id to have it scored anew",
                    known.id,
                )

    def calls(self, arms: Sequence[Arm]) -> Iterator[PlannedCall]:
        """Every call of one model's arms, whether it was made or not. It may block."""
        model = model_identity(self._pool.models[arms[0].model])
        for query in self._queries:
            for arm in arms:
                yield from self._samples_of(arm, query, model)

    def _samples_of(self, arm: Arm, query: Query, model: str) -> Iterator[PlannedCall]:
        strategy = self._pool.strategy(arm.strategy)
        prompt = strategy.prompt([HumanMessage(query.text)], query)
        sent: list[Any] = [[message.type, message.content] for message in prompt.messages]
        depends: Any = strategy.version or sent
        about = content_key(CODE_VERSION, query.id, model, arm.strategy, depends)
        shown: list[Any] = [] if strategy.version else list(prompt.template_ids)
        tokens = count_tokens("".join(str(content) for _, content in sent))
        for sample in range(self._samples):
            key = content_key("call", about, shown, sample)
            yield PlannedCall(key, query, arm, sample, tokens)


def _tells_more(query: Query, known: Query) -> bool:
    return any(value is None and getattr(query, name) is not None for name, value in known)


def count_tokens(text: str) -> int:
    """Estimate the tokens of a text: one for four bytes.

    >>> count_tokens("What is 2 + 2?")
    4
    """
    return ceil(len(text.encode("utf-8", "replace")) / 4)


def model_identity(member: PoolModel) -> str:
    """Name a model by all that shapes its answers; neither its address nor its key does."""
    if isinstance(member.spec, str):
        return content_key(member.name, member.spec, _plain(member.options))
    fields = {
        name: value
        for name, field in type(member.spec).model_fields.items()
        if (value := getattr(member.spec, name)) is not field.default and value != field.default
    }  # a default that a later version of its class adds is no other model
    return content_key(member.name, type(member.spec).__name__, _plain(fields))


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that shape answers, without keys, clients and callbacks."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name in _WITHOUT_EFFECT or names_a_secret(name) or name.endswith(_ADDRESSES):
            continue
        if isinstance(value, BaseChatModel):
            continue
        if isinstance(value, BaseModel):
            value = value.model_dump(mode="json")
        if isinstance(value, Mapping):
            found[str(name)] = _plain(value)
        elif isinstance(value, str | int | float | bool | None):
            found[str(name)] = value
        elif isinstance(value, list | tuple):
            found[str(name)] = [item for item in value if isinstance(item, str | int | float)]
    return found
