"""Which part of the log is meant."""

from typing import Annotated, NamedTuple

from pydantic import AwareDatetime, Field

from fusion_agents.stores.log_rows import microseconds
from fusion_agents.types import Noun

Names = tuple[str, ...]

_OF_ENTRIES = {"models": "model", "sources": "source", "tenants": "tenant"}
_OF_QUERIES = {"tasks": "task", "splits": "split", "query_ids": "query_id"}


class Condition(NamedTuple):
    """An SQL condition on `entries AS e`, and the values of its placeholders in order."""

    sql: str
    values: list[str | int]


class LogFilter(Noun):
    """Picks log entries: those that satisfy every field that is given.

    Within a field any of its values will do; an empty field (`()`) picks nothing.

    >>> LogFilter(models=("small",), errors=False).condition()
    Condition(sql='e.model IN (?) AND e.error IS NULL', values=['small'])
    """

    tasks: Names | None = None
    models: Names | None = None
    arms: Names | None = None
    """As `model@strategy`, or `model` for all its strategies."""
    sources: Names | None = None
    tenants: Names | None = None
    splits: Names | None = None
    query_ids: Annotated[Names, Field(max_length=30_000)] | None = None
    """At most as many as SQLite takes placeholders."""
    since: AwareDatetime | None = None
    """This moment or later; entries without a time do not count."""
    until: AwareDatetime | None = None
    """Before this moment; entries without a time do not count."""
    errors: bool | None = None
    """Only the failed attempts, or only the others."""

    def condition(self) -> Condition:
        """Translate to SQL; only placeholders stand for values."""
        terms = ["TRUE"]
        values: list[str | int] = []

        def add(term: str, *given: str | int) -> None:
            terms.append(term)
            values.extend(given)

        for field, column in _OF_ENTRIES.items():
            if (names := getattr(self, field)) is not None:
                add(f"e.{column} IN ({_marks(names)})", *names)
        for field, column in _OF_QUERIES.items():
            if (names := getattr(self, field)) is not None:
                add(
                    f"e.query IN (SELECT id FROM queries WHERE {column} IN ({_marks(names)}))",
                    *names,
                )
        if self.arms is not None:
            marks = _marks(self.arms)
            arm = f"e.model || '@' || e.strategy IN ({marks})"
            add(f"({arm} OR e.model IN ({marks}))", *self.arms, *self.arms)
        if self.since is not None:
            add("e.time >= ?", microseconds(self.since))
        if self.until is not None:
            add("e.time < ?", microseconds(self.until))
        if self.errors is not None:
            add(f"e.error IS {'NOT ' if self.errors else ''}NULL")
        return Condition(" AND ".join(terms[1:] or terms), values)


def _marks(names: Names) -> str:
    return ", ".join("?" * len(names))
