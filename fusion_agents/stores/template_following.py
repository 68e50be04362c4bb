"""Bringing an index up to date with the ledger, whatever has become of it meanwhile."""

import sqlite3
import threading
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from fusion_agents.stores.sqlite_file import SQLiteFile
from fusion_agents.stores.template_encoders import EncoderShelf, KeptEncoder
from fusion_agents.stores.template_indexes.base import (
    BrokenIndexError,
    Mark,
    TemplateIndex,
)
from fusion_agents.stores.template_reading import (
    State,
    count_templates,
    read_changes,
    read_state,
    read_unencoded,
)
from fusion_agents.stores.template_writing import insert_vectors
from fusion_agents.types import content_key

_PAGE = 1_000

T = TypeVar("T")


class Place(NamedTuple):
    """Where the templates of a tenant are searched."""

    collection: str
    kept: KeptEncoder


class Follower:
    """Keeps an index as the ledger is.

    What is out of date is brought up to date, change by change; what is wrong (damaged, missing,
    of another ledger, with another number of vectors) is thrown away and filled again.

    Args:
        file: Where the ledger is.
        index: What follows it.
        shelf: Gives the encoder.
    """

    def __init__(self, file: SQLiteFile, index: TemplateIndex, shelf: EncoderShelf) -> None:
        self._file = file
        self._index = index
        self._shelf = shelf
        self._lock = threading.RLock()
        self._followed: dict[str, tuple[State, Place]] = {}
        self._encoded: tuple[State, int] | None = None
        self._swept: str | None = None

    def place(self, tenant: str) -> Place | None:
        """Bring the index up to date for a tenant; none if there is no template at all.

        Raises:
            StoreError: If the index cannot be filled, even from nothing.
            EncoderError: If a question cannot be encoded.
        """
        return self._mended(lambda: self._place(tenant))

    def search(self, tenant: str, search: Callable[[Place, sqlite3.Connection], T]) -> T | None:
        """Search the index of a tenant; none if there is no template at all."""

        def attempt() -> T | None:
            with self._file.reading() as connection:
                if place := self._known(tenant, connection):
                    return search(place, connection)
            if (place := self._place(tenant)) is None:
                return None
            with self._file.reading() as connection:
                return search(place, connection)

        return self._mended(attempt)

    def encode(self) -> bool:
        """Give every template its vector, and say whether there is any template."""
        with self._lock:
            with self._file.reading() as connection:
                state = read_state(connection)
                if not count_templates(connection, None, None):
                    return False
            kept = self._shelf.ready()
            if self._encoded != (state, kept.row):
                self._encode(kept)
                self._encoded = (state, kept.row)
            return True

    def forget(self) -> None:
        """Drop everything that the index holds, so that it is filled again when it is needed."""
        with self._lock:
            self._followed.clear()
            self._encoded = None
            self._index.drop()

    def _place(self, tenant: str) -> Place | None:
        with self._lock:
            with self._file.reading() as connection:
                if place := self._known(tenant, connection):
                    return place
            return self._follow(tenant) if self.encode() else None

    def _known(self, tenant: str, connection: sqlite3.Connection) -> Place | None:
        """Where to search, if nothing has changed since the index was brought up to date."""
        state, place = self._followed.get(tenant, (None, None))
        if place is None or state != read_state(connection):
            return None
        return place if self._shelf.current(connection) == place.kept else None

    def _encode(self, kept: KeptEncoder) -> None:
        with self._file.reading() as connection:
            rows = read_unencoded(connection, kept.row)
        for start in range(0, len(rows), _PAGE):
            page = rows[start : start + _PAGE]
            vectors = kept.encoder.encode([question for _, question in page])
            with self._file.writing() as connection:
                numbers = (number for number, _ in page)
                insert_vectors(connection, kept.row, zip(numbers, vectors, strict=True))

    def _mended(self, work: Callable[[], T]) -> T:
        """Do something with the index; if it is broken, throw it away and try once more."""
        try:
            return work()
        except BrokenIndexError:
            self.forget()
            return work()

    def _follow(self, tenant: str) -> Place:
        kept = self._shelf.ready()
        with self._file.reading() as connection:
            state = read_state(connection)
        self._sweep(state)
        collection = f"{_prefix(state)}{content_key(tenant, kept.encoder.identity)}"
        mark = self._index.mark(collection)
        if mark is None or mark.generation > state.generation:
            self._index.drop(collection)
            mark = None
        if self._catch_up(tenant, collection, kept, mark) != self._index.mark(collection):
            self._index.drop(collection)
            if self._catch_up(tenant, collection, kept, None) != self._index.mark(collection):
                raise BrokenIndexError("the index of the templates does not keep what it is given")
        place = Place(collection, kept)
        before = self._followed.get(tenant)
        if before is not None and before[1].collection != collection:
            self._index.drop(before[1].collection)
        self._followed[tenant] = (state, place)
        return place

    def _sweep(self, state: State) -> None:
        """Drop what the index holds of this ledger from before something was forgotten."""
        if self._swept != _prefix(state):
            self._index.sweep(f"{state.ledger}-", _prefix(state))
            self._swept = _prefix(state)

    def _catch_up(self, tenant: str, collection: str, kept: KeptEncoder, mark: Mark | None) -> Mark:
        """Take up what changed since a mark, and say what the mark should be then."""
        with self._file.reading() as connection:
            connection.execute("BEGIN")
            generation = read_state(connection).generation
            should = Mark(generation, count_templates(connection, tenant, "active"))
            if mark == should:
                return should
            since = -1 if mark is None else mark.generation
            for change in read_changes(connection, tenant, kept.row, since):
                if change.ids:
                    self._index.upsert(collection, change.ids, change.vectors)
                if change.gone and mark is not None:
                    self._index.delete(collection, change.gone)
        self._index.seal(collection, generation)
        return should


def _prefix(state: State) -> str:
    return f"{state.ledger}-{state.epoch}-"
