"""Log files of any known format into the routing log."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pydantic import computed_field

from fusion_agents.errors import DataError, RowError
from fusion_agents.stores.formats.base import Format, Origin, Record, format_of
from fusion_agents.stores.formats.head import Head
from fusion_agents.stores.log_writing import Refusal
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Noun

SHOWN_REFUSALS = 20
"""How many refused rows a summary spells out; all are counted."""

_BATCH = 2_000
_SUFFIXES = (".csv", ".json", ".jsonl", ".ndjson", ".parquet", ".gz")


class RefusedRow(Noun):
    """A row that was not imported."""

    line: int
    """Number of the row in its file, counted from 1; a CSV header is row 1."""
    reason: str


class FileSummary(Noun):
    """What came of one file. Counts are of answers; a wide row holds several."""

    path: str
    format: str
    rows: int = 0
    """Everything that was found: stored, duplicates, excluded and refused."""
    stored: int = 0
    duplicates: int = 0
    """Answers that were in the log already, or twice in the file."""
    excluded: int = 0
    """Answers to tasks that the caller left out."""
    refused: int = 0
    judgements: int = 0
    """Judgements that were stored."""
    refusals: tuple[RefusedRow, ...] = ()
    """The first refused rows."""
    warnings: tuple[str, ...] = ()


class ImportSummary(Noun):
    """What came of an import, file by file and in all."""

    files: tuple[FileSummary, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def rows(self) -> int:
        """Answers found in all files."""
        return sum(file.rows for file in self.files)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def stored(self) -> int:
        """Answers that are new in the log."""
        return sum(file.stored for file in self.files)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def duplicates(self) -> int:
        """Answers that were there already."""
        return sum(file.duplicates for file in self.files)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def excluded(self) -> int:
        """Answers to tasks that were left out."""
        return sum(file.excluded for file in self.files)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def refused(self) -> int:
        """Rows that could not be imported."""
        return sum(file.refused for file in self.files)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know about the data before trusting it."""
        return tuple(f"{file.path}: {one}" for file in self.files for one in file.warnings)


def import_files(
    paths: str | Path | Iterable[str | Path],
    log: RoutingLog,
    *,
    source: str | None = None,
    tenant: str = "default",
    exclude_tasks: Collection[str] = (),
    on_progress: Callable[[FileSummary], None] | None = None,
) -> ImportSummary:
    """Import log files; what is in the log already is not stored again.

    Every file's format is recognised by its content before anything is stored. Rows are streamed;
    memory does not grow with the files. Rows that cannot be used are refused with their number and
    reason, and the others are stored.

    Args:
        paths: Files, or folders, whose log files are taken in the order of their names.
        log: Where to.
        source: Where the rows came from, for those that do not say so themselves; a file's name by
            default. It is part of what makes an answer the same answer.
        tenant: Whose rows these are, for those that do not say so themselves.
        exclude_tasks: Tasks to leave out.
        on_progress: Called after every few thousand rows with what came of the current file so far.

    Raises:
        DataError: If there is no such file, or a file is damaged; rows before the damage are
            stored.
        UnknownFormatError: If no format recognises a file; nothing is stored.
        StoreError: If the log cannot be written.
    """
    found = [(path, *format_of(path)) for path in _files(paths)]
    done = []
    for path, format_, head in found:
        run = _FileImport(format_, head, log, frozenset(exclude_tasks), on_progress)
        done.append(run.finish(Origin(source or path.name, tenant)))
    return ImportSummary(files=tuple(done))


def _files(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    found = [file for path in given for file in _files_in(Path(path))]
    if not found:
        raise DataError("no file to import was named")
    return found


def _files_in(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES)
    if not found:
        raise DataError(f"{path}: the folder holds no log file ({', '.join(_SUFFIXES)})")
    return found


@dataclass
class _FileImport:
    """One file on its way into the log."""

    format: Format
    head: Head
    log: RoutingLog
    exclude_tasks: frozenset[str]
    on_progress: Callable[[FileSummary], None] | None
    counts: Counter[str] = field(default_factory=Counter)
    refusals: list[RefusedRow] = field(default_factory=list)
    doubtful: Counter[str] = field(default_factory=Counter)

    def finish(self, origin: Origin) -> FileSummary:
        """Import the file to its end."""
        found = self.format.read(self.head, origin)
        while batch := list(islice(found, _BATCH)):
            self.counts["rows"] += len(batch)
            self._store(list(self._wanted(batch)))
            if self.on_progress:
                self.on_progress(self.summary())
        return self.summary()

    def summary(self) -> FileSummary:
        """What came of the file so far."""
        return FileSummary(
            path=str(self.head.path),
            format=self.format.name,
            refusals=tuple(self.refusals),
            warnings=tuple(self._warnings()),
            **self.counts,
        )

    def _wanted(self, batch: Iterable[Record | RowError]) -> Iterator[Record]:
        for found in batch:
            if isinstance(found, RowError):
                self._refuse(found.line, found.reason)
            elif found.entry.query.task in self.exclude_tasks:
                self.counts["excluded"] += 1
            else:
                yield found

    def _store(self, batch: list[Record]) -> None:
        refused: set[str] = set()

        def refuse(refusal: Refusal) -> None:
            refused.add(refusal.key)
            self._refuse(batch[refusal.position].row, str(refusal.error))

        before = self.counts["refused"]
        stored = self.log.append((record.entry for record in batch), on_refused=refuse)
        self.counts["stored"] += stored
        self.counts["duplicates"] += len(batch) - stored - (self.counts["refused"] - before)
        kept = [record for record in batch if record.entry.key not in refused]
        self._tally(kept)
        self.counts["judgements"] += self.log.append_judgements(
            judgement for record in kept for judgement in record.judgements
        )

    def _refuse(self, line: int, reason: str) -> None:
        self.counts["refused"] += 1
        if len(self.refusals) < SHOWN_REFUSALS:
            self.refusals.append(RefusedRow(line=line, reason=reason))

    def _tally(self, records: Iterable[Record]) -> None:
        """Count what is worth a warning."""
        for record in records:
            task = record.entry.query.task or ""
            if task in self.format.doubtful_tasks:
                self.doubtful[f"task {task!r}: {self.format.doubtful_tasks[task]}"] += 1
            if record.entry.performance == 1 and any(one.score == 0 for one in record.judgements):
                self.doubtful["judged 0 although fully right, as if the judge had failed"] += 1

    def _warnings(self) -> Iterator[str]:
        for what, number in self.doubtful.items():
            yield f"{number} answers with doubtful labels ({what})"
