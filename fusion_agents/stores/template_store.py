"""Thought templates: their rows in the ledger, their vectors in an index that follows."""

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np

from fusion_agents.encoders.base import Encoder
from fusion_agents.errors import ConfigError
from fusion_agents.quarantine import suspicion
from fusion_agents.stores.forgetting import Forgotten
from fusion_agents.stores.log_writing import Refusal
from fusion_agents.stores.minings import MiningLedger
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.stores.template_encoders import EncoderShelf
from fusion_agents.stores.template_files import TemplateImport, export_templates, import_templates
from fusion_agents.stores.template_following import Follower, Place
from fusion_agents.stores.template_indexes.base import TemplateIndex
from fusion_agents.stores.template_indexes.exact import ExactIndex
from fusion_agents.stores.template_reading import (
    TemplateStats,
    Wanted,
    count_templates,
    find_templates,
    read_excluded,
    read_hits,
    read_origins,
    read_state,
    read_template_stats,
    read_templates,
    read_tenants,
)
from fusion_agents.stores.template_rows import Hit, Origin, Status, StoredTemplate, Vector, unit
from fusion_agents.stores.template_writing import (
    Doomed,
    Examined,
    forget_templates,
    insert_templates,
    mark_templates,
    merge_templates,
    set_status,
)
from fusion_agents.stores.training import Trust
from fusion_agents.stores.training_reading import read_trust
from fusion_agents.types import ThoughtTemplate

_BATCH = 500
_SPARE = 8
"""Candidates beyond those that were asked for, in case the ledger turns some down."""
_WIDER = 4


class TemplateStore:
    """Keeps thought templates and finds those whose question resembles a query.

    Rows and vectors lie in the file of the log: what `add` has returned for is on the disk. An
    index only makes the search fast; it is brought up to date when it is searched, and filled
    again from the rows when it is damaged, missing or of another file. What it finds is compared
    with the rows, so that nobody gets a template of another tenant, or one that is not active.

    Without an `encoder` the store fits the lexical one on its questions and the log's queries and
    keeps it. Each encoder has vectors of its own; changing it encodes the questions once.

    Any number of threads and, with the exact index, of processes may share a store.

    Args:
        log: Where the rows are; it is not closed with the store.
        index: Where vectors are searched; none compares with all of them, in memory.
        encoder: Turns questions into vectors.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, RoutingLog(f"{folder}/log.db") as log:
    ...     store = TemplateStore(log)
    ...     template = ThoughtTemplate(
    ...         problem="Add the numbers.", question="What is 2 plus 2?", query_id="sum"
    ...     )
    ...     store.add([template]), store.search("What is 3 plus 2?", 1)[0].template.problem
    (1, 'Add the numbers.')
    """

    def __init__(
        self,
        log: RoutingLog,
        index: TemplateIndex | None = None,
        *,
        encoder: Encoder | None = None,
    ) -> None:
        self._file = log.file
        self._index = index or ExactIndex()
        self._shelf = EncoderShelf(self._file, encoder)
        self._follower = Follower(self._file, self._index, self._shelf)

    @property
    def path(self) -> Path:
        """The file of the log."""
        return self._file.path

    @property
    def minings(self) -> MiningLedger:
        """The account of what was paid for templates."""
        return MiningLedger(self._file)

    def add(
        self,
        templates: Iterable[ThoughtTemplate],
        *,
        on_refused: Callable[[Refusal], None] | None = None,
    ) -> int:
        """Store templates, and count those whose id is new.

        What looks like an attempt to command its reader is stored as `quarantined`, with the
        reason, and never found. A template that cannot be stored does not keep the others from
        being stored. The rows are on the disk before their questions are encoded: if that fails,
        it is made up for at the next search.

        Args:
            templates: Empty input stores nothing.
            on_refused: Called with each template that was refused, instead of an error at the end.

        Raises:
            DataError: If templates were refused; it names the first. The others are stored.
            EncoderError: If the questions cannot be encoded; the templates are stored.
            StoreError: If the file cannot be written; batches before that are stored.
        """
        unheard: list[Refusal] = []
        listener = on_refused or unheard.append
        stored = position = 0
        waiting = iter(templates)
        while batch := [Examined(one, suspicion(one)) for one in islice(waiting, _BATCH)]:
            with self._file.writing() as connection:
                new, refused = insert_templates(connection, batch, position)
            stored += new
            position += len(batch)
            for refusal in refused:
                listener(refusal)
        self._follower.encode()
        if unheard:
            _, key, error = unheard[0]
            more = f" ({len(unheard) - 1} more were refused)" if len(unheard) > 1 else ""
            raise type(error)(f"template {key!r}: {error}; the rest is stored{more}") from error
        return stored

    def search(
        self,
        text: str | Vector,
        k: int = 3,
        *,
        tenant: str = "default",
        min_similarity: float = 0.0,
        exclude_queries: Collection[str] = (),
        also: Collection[str] = (),
    ) -> list[Hit]:
        """Find active templates of a tenant, those with the most similar question first.

        Args:
            text: A query, or its vector by this store's encoder.
            k: How many at most, at least 1.
            tenant: Whose.
            min_similarity: Smallest cosine similarity.
            exclude_queries: Ids of queries; no template comes that was distilled from one of them,
                or that such a template was merged into.
            also: Ids of templates to compare with, beside the `k` nearest.

        Raises:
            ConfigError: If `k` is less than 1.
            EncoderError: If the text cannot be encoded.
            StoreError: If the ledger cannot be read, or the index cannot be filled.
        """
        if k < 1:
            raise ConfigError(f"k must be at least 1, not {k}")

        def look(place: Place, connection: sqlite3.Connection) -> list[Hit]:
            vector = unit(place.kept.encoder.encode([text])[0] if isinstance(text, str) else text)
            excluded = read_excluded(connection, tuple(exclude_queries))
            most = k + len(also)
            wanted = Wanted(vector, most, min_similarity, tenant, place.kept.row, excluded, also)
            return self._near(place, connection, wanted)

        return self._follower.search(tenant, look) or []

    async def aadd(
        self,
        templates: Iterable[ThoughtTemplate],
        *,
        on_refused: Callable[[Refusal], None] | None = None,
    ) -> int:
        """Like `add`, in a thread."""
        return await asyncio.to_thread(self.add, templates, on_refused=on_refused)

    async def asearch(
        self,
        text: str | Vector,
        k: int = 3,
        *,
        tenant: str = "default",
        min_similarity: float = 0.0,
        exclude_queries: Collection[str] = (),
    ) -> list[Hit]:
        """Like `search`, in a thread."""
        return await asyncio.to_thread(
            self.search,
            text,
            k,
            tenant=tenant,
            min_similarity=min_similarity,
            exclude_queries=exclude_queries,
        )

    def encode(self, texts: Sequence[str]) -> np.typing.NDArray[np.float32]:
        """Turn texts into vectors as the store's questions are, shape (n_texts, n_dims).

        Raises:
            EncoderError: If there is nothing yet that an encoder could learn from.
        """
        return self._shelf.ready().encoder.encode(texts)

    def get(self, template_id: str) -> ThoughtTemplate | None:
        """The template with this id, whatever its status."""
        found = self.find([template_id])
        return found[0].template if found else None

    def find(self, ids: Sequence[str]) -> list[StoredTemplate]:
        """Those of these ids that exist, with their status, in the order as stored."""
        with self._file.reading() as connection:
            return find_templates(connection, ids)

    def scan(
        self, tenant: str | None = None, status: Status | None = "active"
    ) -> Iterator[ThoughtTemplate]:
        """Yield templates in the order in which they were stored.

        Args:
            tenant: Only this tenant's; without it, everybody's.
            status: Only those with this status; none for all.
        """
        for stored in self.records(tenant, status):
            yield stored.template

    def records(
        self, tenant: str | None = None, status: Status | None = None
    ) -> Iterator[StoredTemplate]:
        """Yield templates with their status, in the order in which they were stored."""
        with self._file.reading() as connection:
            yield from read_templates(connection, tenant, status)

    def count(self, tenant: str | None = None, status: Status | None = "active") -> int:
        """Count templates, of one tenant or of all, of one status or (none) of all."""
        with self._file.reading() as connection:
            return count_templates(connection, tenant, status)

    def origins(self, ids: Sequence[str]) -> dict[str, list[Origin]]:
        """The questions behind templates: their own first, then those of what was merged in."""
        with self._file.reading() as connection:
            return read_origins(connection, ids)

    def generation(self) -> int:
        """Number of changes of the templates so far."""
        with self._file.reading() as connection:
            return read_state(connection).generation

    def trust(self) -> Trust:
        """How far sources and tenants are trusted, as `RoutingLog.set_trust` said."""
        with self._file.reading() as connection:
            return read_trust(connection)

    def stats(self) -> TemplateStats:
        """Sum up what is in the store."""
        with self._file.reading() as connection:
            return read_template_stats(connection)

    def retire(self, ids: Sequence[str], reason: str) -> int:
        """Take templates out of use, and count those that were not retired before.

        Raises:
            DataError: If there is no such template; then nothing is changed.
        """
        with self._file.writing() as connection:
            return set_status(connection, ids, "retired", reason)

    def restore(self, ids: Sequence[str]) -> int:
        """Bring templates back into use, quarantined and merged ones too, and count them.

        Raises:
            DataError: If there is no such template; then nothing is changed.
        """
        with self._file.writing() as connection:
            return set_status(connection, ids, "active", None)

    def merge(self, kept: str, merged: Sequence[str]) -> int:
        """Let one template stand for others, whose questions and entries stay on record.

        Raises:
            DataError: If one does not exist or is of another tenant; then nothing is changed.
        """
        with self._file.writing() as connection:
            return merge_templates(connection, kept, merged)

    def forget(
        self,
        *,
        sources: Collection[str] = (),
        tenants: Collection[str] = (),
        query_ids: Collection[str] = (),
        entry_keys: Collection[str] = (),
        dry_run: bool = False,
    ) -> Forgotten:
        """Delete for good what comes from sources, tenants, queries or log entries.

        (The log's own `forget` does this, too; then the index follows at the next search.) A
        template goes also if one of the answers that it was distilled from is theirs, or if
        nobody else has asked its question. The index and the encoder, which have learned from
        them, are made anew when they are next needed.

        Args:
            sources: Of templates and of entries.
            tenants: Of templates and of entries.
            query_ids: Queries whose templates go.
            entry_keys: Entries; what was distilled from one of them goes.
            dry_run: Only count what would go.

        Raises:
            StoreError: If the file or the index cannot be written, or others kept the file from
                being cleaned: the rows are gone then, but their text may still be in the file;
                call it again.
        """
        doomed = Doomed(tuple(sources), tuple(tenants), tuple(query_ids), tuple(entry_keys))
        if dry_run:
            with self._file.reading() as connection:
                return Forgotten(templates=mark_templates(connection, doomed))
        with self._file.writing() as connection:
            deleted = forget_templates(connection, doomed)
        self._follower.forget()
        self._file.scrub()
        return Forgotten(templates=deleted)

    def rebuild(self, *, refit: bool = False) -> int:
        """Fill the index again from the rows, and count the templates in it.

        Args:
            refit: Let the encoder learn anew, from the questions and queries that there are now.
        """
        if refit:
            self._shelf.refit()
        self._follower.forget()
        with self._file.reading() as connection:
            tenants = read_tenants(connection)
        for tenant in tenants:
            self._follower.place(tenant)
        return self.count()

    def export(
        self, path: str | Path, *, tenant: str | None = None, status: Status | None = "active"
    ) -> int:
        """Write templates to a file of JSON lines (`.jsonl`, `.jsonl.gz`), and count them.

        Raises:
            StoreError: If the file cannot be written; an older one is untouched.
        """
        return export_templates(self.scan(tenant, status), Path(path))

    def import_(
        self, path: str | Path, *, source: str | None = None, tenant: str | None = None
    ) -> TemplateImport:
        """Add the templates of a file of JSON lines; bad lines do not keep good ones out.

        Args:
            path: `.jsonl` or `.jsonl.gz`.
            source: Where they come from; none keeps what they say themselves.
            tenant: Whose they shall be; none keeps what they say themselves.

        Raises:
            DataError: If the file cannot be read.
            StoreError: If the store cannot be written.
        """
        return import_templates(self.add, Path(path), source=source, tenant=tenant)

    def close(self) -> None:
        """Close the index; a second call does nothing. The log stays open."""
        self._index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _near(self, place: Place, connection: sqlite3.Connection, wanted: Wanted) -> list[Hit]:
        """Ask the index for more and more, until the ledger confirms enough of it."""
        n = wanted.k + _SPARE + min(len(wanted.excluded), wanted.k)
        while True:
            found = self._index.query(place.collection, wanted.vector, n)
            hits = read_hits(connection, [key for key, _ in found], wanted)
            if len(hits) >= wanted.k or len(found) < n or found[-1][1] < wanted.floor:
                return [hit for hit in hits if hit.similarity >= wanted.floor]
            n *= _WIDER
