"""The queries of a file that a verb is given."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fusion_agents.errors import RowError
    from fusion_agents.types import Query


def numbered_queries(path: Path) -> "Iterator[tuple[int, Query | RowError]]":
    """The queries of a file with their lines; both readings go through the file in step."""
    from fusion_agents.stores.formats.queries import read_queries

    return zip(_line_numbers(path), read_queries(path), strict=True)


def _line_numbers(path: Path) -> Iterator[int]:
    from fusion_agents.errors import RowError
    from fusion_agents.stores.formats.head import look
    from fusion_agents.stores.formats.rows import rows

    head = look(path)
    if head.container in ("csv", "text"):  # as `read_queries` tells them apart
        has_header = any(map(head.has, ("query", "text", "prompt", "question")))
        head = replace(head, container="csv" if has_header else "text")
    for row in rows(head):
        yield row.line if isinstance(row, RowError) else row.number
