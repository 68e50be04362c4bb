"""The encoder of the template store, kept in the ledger: the same for every process."""

import json
import sqlite3
from typing import NamedTuple

from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from fusion_agents.encoders.artefact import encoder_from_json, encoder_to_json
from fusion_agents.encoders.base import Encoder
from fusion_agents.encoders.lexical import LexicalEncoder
from fusion_agents.errors import ArtefactError, EncoderError, StoreError
from fusion_agents.packing import Arrays
from fusion_agents.stores.sqlite_file import SQLiteFile

_FEW = 500
"""With fewer texts to learn from, each counts three times, so that no word is too rare."""
_MANY = 2_000
"""An encoder that has learned from so many texts need not learn from more."""
_ENOUGH = 20_000
"""It learns from no more: evenly spaced in alphabetical order."""
_GROWTH = 2


class KeptEncoder(NamedTuple):
    """A fitted encoder and the number of its row in the ledger."""

    row: int
    encoder: Encoder


class EncoderShelf:
    """Finds the encoder that a store searches with.

    An encoder that comes trained, or was fitted before, is used as it is. One that has to learn is
    fitted on the questions of the templates and the queries of the log, kept in the ledger, and
    fitted again while there are few texts and their number has doubled.

    Args:
        file: Where the ledger is.
        encoder: A fitted or an unfitted one; none means what the ledger has, at first the lexical
            encoder.
    """

    def __init__(self, file: SQLiteFile, encoder: Encoder | None) -> None:
        self._file = file
        self._given = encoder or LexicalEncoder()
        self._fitted_before = _is_fitted(self._given)
        self._like = None if encoder is None or self._fitted_before else encoder.portable
        self._current: KeptEncoder | None = None

    def current(self, connection: sqlite3.Connection) -> KeptEncoder | None:
        """The encoder as the ledger has it now; none if it has none with these options yet."""
        row = connection.execute(*self._which("id")).fetchone()
        if row is None:
            return None
        if self._current is None or self._current.row != row[0]:
            self._current = KeptEncoder(int(row[0]), self._load(connection, int(row[0])))
        return self._current if self._like in (None, self._current.encoder) else None

    def ready(self) -> KeptEncoder:
        """The encoder, fitted and kept if it was not yet.

        Raises:
            EncoderError: If there is nothing to learn from, or it cannot be used.
            StoreError: If the ledger cannot be written.
        """
        with self._file.reading() as connection:
            current = self.current(connection)
            outgrown = not self._fitted_before and _has_outgrown(connection)
        if current and not outgrown:
            return current
        return self.refit()

    def refit(self) -> KeptEncoder:
        """Let the encoder learn from what there is now; one that comes trained stays as it is."""
        if self._fitted_before:
            return self._keep(None, self._given)
        with self._file.reading() as connection:
            number, texts = _number_of_texts(connection), _texts(connection)
            kind = self._kind(connection)
        few = len(texts) < _FEW
        fitted = kind.unfitted().fit([*texts] * 3 if few else texts)
        return self._keep(number, fitted.portable)

    def _kind(self, connection: sqlite3.Connection) -> Encoder:
        """What to fit: the given one, or whatever the store has."""
        if self._like is not None:
            return self._given
        try:
            kept = self.current(connection)
        except StoreError:  # damaged: begin anew
            return self._given
        return self._given if kept is None else kept.encoder

    def _keep(self, learned_from: int | None, encoder: Encoder) -> KeptEncoder:
        """Put an encoder into the ledger; its own earlier one and the vectors of that go."""
        described, arrays = (None, None) if learned_from is None else _described(encoder)
        with self._file.writing() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO template_encoders "
                "(identity, learned_from, description, arrays) VALUES (?, ?, ?, ?)",
                (encoder.identity, learned_from, described, arrays),
            )
            sql = "SELECT id FROM template_encoders WHERE identity = ?"
            row = int(connection.execute(sql, (encoder.identity,)).fetchone()[0])
            if learned_from is not None:
                sql = "DELETE FROM template_encoders WHERE learned_from NOTNULL AND id != ?"
                connection.execute(sql, (row,))
        self._current = KeptEncoder(row, encoder)
        return self._current

    def _which(self, column: str) -> tuple[str, tuple[str, ...]]:
        if self._fitted_before:
            sql = f"SELECT {column} FROM template_encoders WHERE identity = ?"
            return sql, (self._given.identity,)
        return f"SELECT {column} FROM template_encoders WHERE learned_from NOTNULL", ()

    def _load(self, connection: sqlite3.Connection, row: int) -> Encoder:
        if self._fitted_before:
            return self._given
        sql = "SELECT description, arrays FROM template_encoders WHERE id = ?"
        described, arrays = connection.execute(sql, (row,)).fetchone()
        try:
            return encoder_from_json(json.loads(described), load_tensors(arrays), None)
        except (ArtefactError, SafetensorError, ValueError, TypeError) as error:
            raise StoreError(
                f"the encoder of the templates in {str(self._file.path)!r} is damaged: {error}; "
                "run `fusion-agents templates rebuild --refit`"
            ) from error


def _is_fitted(encoder: Encoder) -> bool:
    try:
        return bool(encoder.identity)
    except EncoderError:
        return False


def _described(encoder: Encoder) -> tuple[str, bytes]:
    arrays: Arrays = {}
    described = encoder_to_json(encoder, arrays)
    return json.dumps(described), save_tensors(arrays)


def _has_outgrown(connection: sqlite3.Connection) -> bool:
    sql = "SELECT learned_from FROM template_encoders WHERE learned_from NOTNULL"
    row = connection.execute(sql).fetchone()
    if row is None or row[0] >= _MANY:
        return row is None
    return _number_of_texts(connection) >= _GROWTH * int(row[0])


def _number_of_texts(connection: sqlite3.Connection) -> int:
    sql = "SELECT (SELECT count(*) FROM templates) + (SELECT count(*) FROM queries)"
    return int(connection.execute(sql).fetchone()[0])


def _texts(connection: sqlite3.Connection) -> list[str]:
    sql = "SELECT question FROM templates UNION SELECT text FROM queries ORDER BY 1"
    texts = [text for (text,) in connection.execute(sql)]
    return texts[:: 1 + len(texts) // _ENOUGH]
