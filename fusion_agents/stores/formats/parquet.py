"""Our own parquet: every field of an entry in a column, its judgements as JSON."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from pydantic import TypeAdapter

from fusion_agents.errors import RowError
from fusion_agents.stores.formats.base import Format, Origin, Record, Writer, read_rows
from fusion_agents.stores.formats.fields import BadValue, Fields
from fusion_agents.stores.formats.head import Head
from fusion_agents.stores.formats.writing import write_parquet
from fusion_agents.types import Arm, Judgement, LogEntry, Query, Usage

_JUDGEMENTS = TypeAdapter(tuple[Judgement, ...])
_TEXTS = TypeAdapter(tuple[str, ...])
_TRUTH = TypeAdapter[str | tuple[str, ...] | None](str | tuple[str, ...] | None)

_USAGE = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
_PLAIN = {
    "key": "string",
    "model_version": "string",
    "response": "string",
    "cost": "float64",
    "input_price": "float64",
    "output_price": "float64",
    "latency": "float64",
    "finish_reason": "string",
    "error": "string",
    "performance": "float64",
    "propensity": "float64",
    "sample": "int64",
    "source": "string",
    "tenant": "string",
}
_OF_QUERY = {
    "query_id": "id",
    "query_text": "text",
    "task": "task",
    "metric": "metric",
    "split": "split",
}
_LATER = {"cost_estimated": "bool"}
"""Columns that older files lack."""
_TYPES = (
    _PLAIN
    | dict.fromkeys(_OF_QUERY, "string")
    | dict.fromkeys(_USAGE, "int64")
    | {"ground_truth": "string", "model": "string", "strategy": "string"}
    | {"template_ids": "string", "time": "timestamp[us]", "judgements": "string"}
    | _LATER
)


class Parquet(Format):
    """Reads what `ParquetWriter` writes."""

    def detect(self, head: Head) -> bool:
        """It is parquet and has all of our columns."""
        return head.container == "parquet" and head.has(*(_TYPES.keys() - _LATER))

    def read(self, head: Head, origin: Origin) -> Iterator[Record | RowError]:
        """Stream the records; source and tenant are those of the row."""
        yield from read_rows(head, _record, only=_TYPES)


def _record(row: Fields) -> Record:
    time = row.raw("time")
    if time is not None and not isinstance(time, datetime):
        raise BadValue("time is no timestamp")
    entry = LogEntry(
        query=Query(
            ground_truth=_TRUTH.validate_json(row.text("ground_truth") or "null"),
            **{field: row.text(name) for name, field in _OF_QUERY.items()},
        ),
        arm=Arm(model=row.required("model"), strategy=row.required("strategy")),
        usage=Usage(**{name: row.count(name) for name in _USAGE}),
        template_ids=_TEXTS.validate_json(row.text("template_ids") or "[]"),
        time=None if time is None else time.replace(tzinfo=UTC),
        cost_estimated=row.raw("cost_estimated") or False,
        **{name: row.raw(name) for name in _PLAIN},
    )
    judgements = _JUDGEMENTS.validate_json(row.text("judgements") or "[]")
    if any(judgement.entry_key != entry.key for judgement in judgements):
        raise BadValue("a judgement belongs to another entry")
    return Record(entry, judgements)


class ParquetWriter(Writer):
    """Writes all fields; times in UTC to the microsecond."""

    extensions: ClassVar[tuple[str, ...]] = (".parquet",)

    def write(self, records: Iterable[Record], path: Path) -> int:
        """Write one row a record."""
        return write_parquet(path, _TYPES, map(_table_row, records))


def _table_row(record: Record) -> dict[str, Any]:
    entry = record.entry
    time = entry.time
    return {
        **{name: getattr(entry, name) for name in _PLAIN},
        **{name: getattr(entry.query, field) for name, field in _OF_QUERY.items()},
        **{name: getattr(entry.usage, name) for name in _USAGE},
        "cost_estimated": entry.cost_estimated,
        "ground_truth": json.dumps(entry.query.ground_truth, ensure_ascii=False),
        "model": entry.arm.model,
        "strategy": entry.arm.strategy,
        "template_ids": json.dumps(entry.template_ids, ensure_ascii=False),
        "time": None if time is None else time.astimezone(UTC).replace(tzinfo=None),
        "judgements": _JUDGEMENTS.dump_json(record.judgements).decode(),
    }
