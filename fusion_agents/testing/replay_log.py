"""The answers of a log, in memory, and the errors that are raised for logged failures."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from fusion_agents.errors import StoreError
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.testing.replay_index import QueryIndex
from fusion_agents.types import LogEntry, Usage

_STATUS = {
    "rate_limit": 429,
    "server_error": 500,
    "auth": 401,
    "bad_request": 400,
    "content_filter": 400,
    "context_overflow": 400,
}


class ReplayedError(Exception):
    """A failure that the log recorded.

    Attributes:
        error: Its class as logged: `rate_limit`, `server_error`, ...
        status_code: The HTTP status that stands for it; none where it had none.
        code: OpenAI's code for it, where there is one.
    """

    def __init__(self, message: str, error: str) -> None:
        super().__init__(message)
        self.error = error
        self.status_code = _STATUS.get(error)
        self.code = {"context_overflow": "context_length_exceeded"}.get(error)


class ReplayedTimeoutError(ReplayedError, TimeoutError):
    """The log recorded a `timeout`."""


class ReplayedConnectionError(ReplayedError, ConnectionError):
    """The log recorded a `connection` failure."""


class ReplayedContentFilterError(ReplayedError):
    """The log recorded that a `content_filter` refused."""


class ReplayedContextOverflowError(ReplayedError):
    """The log recorded that the query was too long (`context_overflow`)."""


class ReplayedOutputParserError(ReplayedError):
    """The log recorded an answer that could not be read (`malformed`)."""


_CLASSES: dict[str, type[ReplayedError]] = {
    "timeout": ReplayedTimeoutError,
    "connection": ReplayedConnectionError,
    "content_filter": ReplayedContentFilterError,
    "context_overflow": ReplayedContextOverflowError,
    "malformed": ReplayedOutputParserError,
}


class Recorded(NamedTuple):
    """What a replay needs of a log entry."""

    key: str
    response: str | None
    error: str | None
    usage: Usage
    latency: float | None
    finish_reason: str | None
    model_version: str | None

    def check(self, arm: str) -> None:
        """Raise the failure that was logged, if it was one.

        Raises:
            ReplayedError: As the kind of the failure has it. An empty answer is none.
        """
        if self.error is None or self.error == "empty":
            return
        message = f"the log recorded {self.error!r} of {arm}"
        raise _CLASSES.get(self.error, ReplayedError)(message, self.error)


class Recording:
    """The last answer of each arm of some models to each query; the last failure if it has none.

    Args:
        log: A log, or where its file is.
        models: Only these; without it, all.

    Raises:
        StoreError: If there is no such file, or it has no entry of one of the models.
    """

    def __init__(self, log: RoutingLog | str | Path, models: tuple[str, ...] | None = None) -> None:
        self._answers: dict[tuple[str, str, str], Recorded] = {}
        self._strategies: dict[str, list[str]] = {}
        if isinstance(log, RoutingLog):
            self._read(log, models)
        else:
            if not Path(log).exists():
                raise StoreError(f"there is no log at {str(log)!r}")
            with RoutingLog(log, read_only=True) as opened:
                self._read(opened, models)
        self._index = QueryIndex({text for _, _, text in self._answers})

    def _read(self, log: RoutingLog, models: tuple[str, ...] | None) -> None:
        self._add(log.scan(LogFilter(models=models)))
        missing = [model for model in models or () if model not in self._strategies]
        if missing:
            known = ", ".join(sorted({e.arm.model for e in log.scan()})) or "no entry at all"
            raise StoreError(f"the log has no entry of model {missing[0]!r}; it has {known}")

    def _add(self, entries: Iterable[LogEntry]) -> None:
        for entry in entries:
            model, strategy = entry.arm.model, entry.arm.strategy
            strategies = self._strategies.setdefault(model, [])
            if strategy not in strategies:
                strategies.append(strategy)
            place = model, strategy, entry.query.text
            if entry.error is None or place not in self._answers or self._answers[place].error:
                self._answers[place] = _recorded(entry)

    @property
    def models(self) -> tuple[str, ...]:
        """Every model, in the order in which the log has them."""
        return tuple(self._strategies)

    def strategies(self, model: str) -> tuple[str, ...]:
        """How the model was prompted, in the order in which the log has it."""
        return tuple(self._strategies.get(model, ()))

    def query(self, prompt: str) -> str | None:
        """Text of the logged query that the prompt is, or was made of."""
        return self._index.find(prompt)

    def answer(self, model: str, strategy: str, query: str) -> Recorded | None:
        """What the arm answered; none if the log does not know."""
        return self._answers.get((model, strategy, query))


def _recorded(entry: LogEntry) -> Recorded:
    return Recorded(
        key=entry.key,
        response=entry.response,
        error=entry.error,
        usage=entry.usage,
        latency=entry.latency,
        finish_reason=entry.finish_reason,
        model_version=entry.model_version,
    )
