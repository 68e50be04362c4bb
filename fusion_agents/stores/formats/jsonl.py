"""Our own JSON lines: every field of an entry and its judgements, nothing lost.

Each line is a `LogEntry` as JSON, without the fields that are null, with its judgements under
`judgements` and a checksum of everything else under `checksum`. A line that was changed is refused;
a line written by hand needs no checksum, no key, and of the rest only `query` and `arm`.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from pydantic import TypeAdapter

from fusion_agents.errors import RowError
from fusion_agents.stores.formats.base import Format, Origin, Record, Writer
from fusion_agents.stores.formats.fields import BadValue, reason
from fusion_agents.stores.formats.head import Head
from fusion_agents.stores.formats.rows import rows
from fusion_agents.stores.formats.writing import replacing
from fusion_agents.types import Judgement, LogEntry, content_key

_JUDGEMENTS = TypeAdapter(tuple[Judgement, ...])


class JSONLines(Format):
    """Reads what `JSONLinesWriter` writes."""

    def detect(self, head: Head) -> bool:
        """It has queries and arms, and the queries are objects."""
        return (
            head.container == "jsonl"
            and head.has("query", "arm")
            and isinstance(head.first.get("query", {}), dict)
        )

    def read(self, head: Head, origin: Origin) -> Iterator[Record | RowError]:
        """Stream the records; source and tenant are those of the line where it has them."""
        defaults = {"source": origin.source, "tenant": origin.tenant}
        for row in rows(head):
            if isinstance(row, RowError):
                yield row
                continue
            try:
                yield _record(row.values, defaults)._replace(row=row.number)
            except (ValueError, RecursionError) as error:
                why = reason(error) if isinstance(error, ValueError) else "nested too deeply"
                yield RowError(str(head.path), row.number, why)


def _record(values: dict[str, Any], defaults: dict[str, str]) -> Record:
    checksum = values.pop("checksum", None)
    if checksum is not None and checksum != content_key(values):
        raise BadValue("the checksum does not fit: the line was changed or damaged")
    judgements = values.pop("judgements", [])
    entry = LogEntry.model_validate_json(json.dumps(defaults | values), strict=True)
    return Record(entry, _checked(judgements, entry.key))


def _checked(judgements: object, key: str) -> tuple[Judgement, ...]:
    if not judgements:
        return ()
    found = _JUDGEMENTS.validate_json(json.dumps(judgements), strict=True)
    if any(judgement.entry_key != key for judgement in found):
        raise BadValue("a judgement belongs to another entry")
    return found


class JSONLinesWriter(Writer):
    """Writes JSON lines, compressed if the name ends in `.gz`."""

    extensions: ClassVar[tuple[str, ...]] = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")

    def write(self, records: Iterable[Record], path: Path) -> int:
        """Write one line a record."""
        n_lines = 0
        with replacing(path) as stream:
            for record in records:
                stream.write(_line(record).encode() + b"\n")
                n_lines += 1
        return n_lines


def _line(record: Record) -> str:
    values = record.entry.model_dump(mode="json", exclude_none=True)
    if not record.entry.cost_estimated:
        del values["cost_estimated"]
    if record.judgements:
        values["judgements"] = [one.model_dump(mode="json") for one in record.judgements]
    values["checksum"] = content_key(values)
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))
