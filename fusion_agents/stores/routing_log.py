"""The log: what every arm answered, how well and at what price, and what judges said."""

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from fusion_agents.outcomes import Outcomes
from fusion_agents.stores.consent import (
    Asker,
    Consents,
    read_askers,
    read_consents,
    write_consent,
)
from fusion_agents.stores.forgetting import Forgotten, count_forgotten, delete_forgotten
from fusion_agents.stores.ledger import Ledger
from fusion_agents.stores.log_filter import LogFilter
from fusion_agents.stores.log_reading import (
    count_entries,
    read_calibrations,
    read_entries,
    read_entries_of_keys,
    read_judgements,
    read_outcomes,
    read_queries,
    read_turn,
    read_unjudged,
)
from fusion_agents.stores.log_stats import LogStats, read_stats
from fusion_agents.stores.log_writing import (
    Refusal,
    append_batches,
    insert_calibration,
    insert_entries,
    insert_judgements,
    write_trust,
)
from fusion_agents.stores.migrations import MIGRATIONS
from fusion_agents.stores.sqlite_file import SQLiteFile
from fusion_agents.stores.training import Level, TrainingPolicy, TrainingSet, Trust, Trustee
from fusion_agents.stores.training_reading import read_training, read_trust
from fusion_agents.types import Calibration, Judgement, LogEntry, Query


class RoutingLog:
    """Keeps log entries and judgements in one SQLite file.

    What `append` has returned for is on the disk: neither a killed process nor a power cut loses
    it, and writing it again stores nothing twice. Any number of threads and processes may use
    one file at once; nobody who reads waits for a writer. Do not carry an open log through a
    fork. The file and its companions (`-wal`, `-shm`) have mode 600.

    One query id stands for one text. Of a query's other fields the log keeps what it learns
    first, and fills in later what it did not know.

    Args:
        path: Made if it is missing, migrated if it is older; its folder must exist.
        read_only: Write nothing; the file must exist.

    Raises:
        StoreError: If the file cannot be opened or is no routing log; nothing is changed.
        SchemaTooNewError: If a newer version made the file; nothing is changed.

    >>> import tempfile
    >>> from fusion_agents.types import Arm
    >>> with tempfile.TemporaryDirectory() as folder, RoutingLog(f"{folder}/log.db") as log:
    ...     entry = LogEntry(query=Query(text="2 + 2?"), arm=Arm(model="small"), performance=1)
    ...     log.append([entry]), log.append([entry]), log.count()
    (1, 0, 1)
    """

    def __init__(self, path: str | Path, *, read_only: bool = False) -> None:
        self._file = SQLiteFile(path, MIGRATIONS, read_only=read_only)

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._file.path

    @property
    def file(self) -> SQLiteFile:
        """The file itself, for what else this package keeps in it."""
        return self._file

    @property
    def ledger(self) -> Ledger:
        """The account of the calls that were paid to fill this log."""
        return Ledger(self._file)

    def append(
        self,
        entries: Iterable[LogEntry],
        *,
        on_refused: Callable[[Refusal], None] | None = None,
    ) -> int:
        """Store entries, in batches as they come, and count those that were new.

        An entry whose key is in the log is left alone. An entry that cannot be stored (its query
        id stands for another text, a text is not valid Unicode, a number has more than 64 bits)
        does not keep the others from being stored. If `entries` itself raises, what it gave
        before is stored.

        Args:
            entries: Empty input stores nothing.
            on_refused: Called with each entry that was refused, instead of an error at the end.

        Raises:
            DataError: If entries were refused; it names the first. The others are stored.
            StoreError: If the file cannot be written; batches before that are stored.
        """
        return append_batches(self._file, entries, insert_entries, on_refused)

    def append_judgements(
        self,
        judgements: Iterable[Judgement],
        *,
        on_refused: Callable[[Refusal], None] | None = None,
    ) -> int:
        """Store judgements beside earlier ones, and count those that were new.

        Otherwise like `append`.

        Raises:
            StoreError: If the log lacks an entry that was judged; it names the first. The others
                are stored.
            DataError: If a judgement holds what cannot be stored.
        """
        return append_batches(self._file, judgements, insert_judgements, on_refused)

    def scan(self, where: LogFilter | None = None) -> Iterator[LogEntry]:
        """Yield entries in the order in which they were stored.

        Gives what was in the log when the first entry was asked for; appending meanwhile is fine.
        Holds a few hundred entries, and eight bytes for each one that is to come.
        """
        with self._file.reading() as connection:
            yield from read_entries(connection, where or LogFilter())

    def judgements(
        self, where: LogFilter | None = None, judge: str | None = None
    ) -> Iterator[Judgement]:
        """Yield judgements in the order in which they were stored.

        Args:
            where: Which entries' judgements; without it, all.
            judge: Only this judge's, in all its versions.
        """
        with self._file.reading() as connection:
            yield from read_judgements(connection, where or LogFilter(), judge)

    def unjudged(
        self, judge: str, version: str, where: LogFilter | None = None
    ) -> Iterator[LogEntry]:
        """Yield answers that this version of a judge has not scored, in the order as stored.

        Failed attempts and entries without a response are left out; what the judge tried and
        failed to score comes again. Like `scan` it gives what was there when it began.
        """
        with self._file.reading() as connection:
            yield from read_unjudged(connection, where or LogFilter(), judge, version)

    def append_calibration(self, calibration: Calibration) -> None:
        """Store what a judge's scores are worth; earlier calibrations are kept, this one counts.

        Raises:
            StoreError: If the file cannot be written.
        """
        with self._file.writing() as connection:
            insert_calibration(connection, calibration)

    def calibrations(self, judge: str | None = None) -> list[Calibration]:
        """The newest calibration of each version of a judge, in the order of their names.

        Args:
            judge: Only this judge's; without it, all.
        """
        with self._file.reading() as connection:
            return read_calibrations(connection, judge)

    def queries(self, where: LogFilter | None = None) -> Iterator[Query]:
        """Yield each query that has an entry, in the order in which they were first stored."""
        with self._file.reading() as connection:
            yield from read_queries(connection, where or LogFilter())

    def count(self, where: LogFilter | None = None) -> int:
        """Count entries."""
        with self._file.reading() as connection:
            return count_entries(connection, where or LogFilter())

    def stats(self) -> LogStats:
        """Sum up what is in the log."""
        with self._file.reading() as connection:
            return read_stats(connection)

    def outcomes(self, where: LogFilter | None = None, *, judge: str | None = None) -> Outcomes:
        """Read the log as arrays, without its responses.

        An entry's judge score is that of its newest judgement (the one that was stored last) that
        has a score. An empty log gives empty arrays.

        Args:
            where: Which entries; without it, all.
            judge: Only this judge's scores count, in all its versions.
        """
        with self._file.reading() as connection:
            return read_outcomes(connection, where or LogFilter(), judge)

    def training_outcomes(
        self, policy: TrainingPolicy | None = None, where: LogFilter | None = None
    ) -> TrainingSet:
        """Read as arrays what a router may learn from, and say what that is made of.

        A measured performance always counts. An answer without one gets what the newest score of
        a calibrated judge is worth; a trusted source's score goes before a limited one's. What a
        suspended source or tenant gave is left out, and of what a limited one gave as much as is
        above its share. In a log without calibrations, feedback, levels of trust and tenants,
        the outcomes are those of `outcomes`.

        Args:
            policy: Which scores count; without it, the usual ones.
            where: Which entries; without it, all.
        """
        with self._file.reading() as connection:
            return read_training(connection, where or LogFilter(), policy or TrainingPolicy())

    def set_trust(self, kind: Trustee, name: str, level: Level) -> None:
        """Say how far a source or a tenant is trusted when routers learn.

        Args:
            kind: `source` or `tenant`.
            name: It need not have written anything yet.
            level: `trusted`; `limited` to a share of all scores; or `suspended`.

        Raises:
            ConfigError: If there is no such kind or level.
            StoreError: If the file cannot be written.
        """
        with self._file.writing() as connection:
            write_trust(connection, kind, name, level)

    def trust(self) -> Trust:
        """The levels that were set, by kind and name; others have the usual ones."""
        with self._file.reading() as connection:
            return read_trust(connection)

    def set_consent(self, kind: Trustee, name: str, allowed: bool) -> None:
        """Say whether students may be trained on what a source or a tenant gave and will give.

        Args:
            kind: `source` or `tenant`.
            name: It need not have written anything yet.
            allowed: True for a consent, false for a refusal; an earlier one is replaced.

        Raises:
            ConfigError: If there is no such kind, or no name.
            StoreError: If the file cannot be written.
        """
        with self._file.writing() as connection:
            write_consent(connection, kind, name, allowed)

    def consents(self) -> Consents:
        """What was said about training, by kind and name; `stores.consent` says what follows."""
        with self._file.reading() as connection:
            return read_consents(connection)

    def entries(self, keys: Iterable[str]) -> Iterator[LogEntry]:
        """Yield the entries that have these keys; keys that the log does not have are left out.

        Args:
            keys: In any order, which is not the order of what comes.
        """
        with self._file.reading() as connection:
            yield from read_entries_of_keys(connection, keys)

    def entries_of_turn(self, turn: str) -> list[LogEntry]:
        """The attempts of a recorded turn, in their order; none if it is not in the log.

        Args:
            turn: The turn's key, which an answer has in its metadata.
        """
        with self._file.reading() as connection:
            return read_turn(connection, turn)

    def askers(self) -> Iterator[Asker]:
        """Yield who asked which query, each once."""
        with self._file.reading() as connection:
            yield from read_askers(connection)

    def forget(
        self, *, sources: Collection[str] = (), tenants: Collection[str] = (), dry_run: bool = False
    ) -> Forgotten:
        """Delete for good what sources and tenants gave; nothing of it stays in the file.

        Their entries go, with all judgements, calls and scorings of them; the sources'
        judgements of others' entries; calibrations of the judges whose judgements went, as they
        were learned with them; and queries that nothing is left of. A query that others asked
        too stays. Thought templates that were distilled from any of it go as well. Copies
        elsewhere (backups, exports, fitted routers, trained students, an index of templates) are
        not touched. A level of trust that was set stays, and so does a refusal to train students;
        a consent to it goes: whoever comes back is asked again.

        Args:
            sources: Of entries and judgements.
            tenants: Of entries.
            dry_run: Only count what would go.

        Raises:
            StoreError: If the file cannot be written, or others kept it from being cleaned: the
                rows are gone then, but their text may still be in the file; call it again.
        """
        if dry_run:
            with self._file.reading() as connection:
                return count_forgotten(connection, sources, tenants)
        with self._file.writing() as connection:
            gone = delete_forgotten(connection, sources, tenants)
        self._file.scrub()
        return gone

    def backup(self, path: str | Path) -> None:
        """Copy the log as it is now to a new file of mode 600, while others go on writing.

        Raises:
            StoreError: If something is already there, or it cannot be written.
        """
        self._file.backup(path)

    def close(self) -> None:
        """Close the log; a second call does nothing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        read_only = ", read_only=True" if self._file.read_only else ""
        return f"{type(self).__name__}({str(self.path)!r}{read_only})"
