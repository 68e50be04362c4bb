"""Thought templates as files of JSON lines."""

import gzip
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from fusion_agents.errors import DataError
from fusion_agents.stores.formats.writing import replacing
from fusion_agents.stores.importing import SHOWN_REFUSALS, RefusedRow
from fusion_agents.stores.log_writing import Refusal
from fusion_agents.types import Noun, ThoughtTemplate


class TemplateImport(Noun):
    """What came of a file of templates."""

    rows: int
    """Lines that hold something."""
    stored: int
    """Templates that are new; those that look suspicious are among them, in quarantine."""
    duplicates: int
    """Templates that were there already, or twice in the file."""
    refused: int
    refusals: tuple[RefusedRow, ...] = ()
    """The first refused lines."""


class _Add(Protocol):
    """The method of the store."""

    def __call__(
        self,
        templates: Iterable[ThoughtTemplate],
        *,
        on_refused: Callable[[Refusal], None] | None = None,
    ) -> int: ...


def export_templates(templates: Iterable[ThoughtTemplate], path: Path) -> int:
    """Write templates, one a line; the file appears at once, complete and with mode 600."""
    count = 0
    with replacing(path) as file:
        for template in templates:
            file.write(f"{template.model_dump_json(exclude_defaults=True)}\n".encode())
            count += 1
    return count


def import_templates(
    add: _Add, path: Path, *, source: str | None, tenant: str | None
) -> TemplateImport:
    """Add the templates of a file."""
    taken: list[int] = []
    unread: list[RefusedRow] = []
    refused: list[RefusedRow] = []

    def readable() -> Iterator[ThoughtTemplate]:
        for number, line in _lines(path):
            template = _read(line, source, tenant)
            if isinstance(template, ThoughtTemplate):
                taken.append(number)
                yield template
            else:
                unread.append(RefusedRow(line=number, reason=template))

    def refuse(refusal: Refusal) -> None:
        refused.append(RefusedRow(line=taken[refusal.position], reason=str(refusal.error)))

    stored = add(readable(), on_refused=refuse)
    refusals = sorted([*unread, *refused], key=lambda one: one.line)
    return TemplateImport(
        rows=len(taken) + len(unread),
        stored=stored,
        duplicates=len(taken) - stored - len(refused),
        refused=len(refusals),
        refusals=tuple(refusals[:SHOWN_REFUSALS]),
    )


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason}") from error


def _read(line: bytes, source: str | None, tenant: str | None) -> ThoughtTemplate | str:
    """A template, or what is wrong with the line."""
    try:
        template = ThoughtTemplate.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return f"{where}: {first['msg'].lower()}" if where else first["msg"].lower()
    changes = {"source": source or template.source, "tenant": tenant or template.tenant}
    if changes["tenant"] != template.tenant:
        return ThoughtTemplate(**template.model_dump(exclude={"id", *changes}), **changes)
    return template.model_copy(update=changes)
