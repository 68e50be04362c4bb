"""Notes for the ledger, many in one transaction: what comes while one is written waits."""

import asyncio

from fusion_agents.errors import FusionError
from fusion_agents.stores.ledger import Intent, Ledger, Outcome, Scoring

Note = Intent | Outcome | Scoring


class LedgerWriter:
    """Writes to the ledger for tasks of one event loop.

    Args:
        ledger: Where to.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: list[tuple[Note, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    def note(self, note: Note) -> asyncio.Future[None]:
        """Write a note, after those that were given before or together with them.

        Returns:
            Done when the note is on the disk; a `DataError` if this one cannot be stored, a
            `StoreError` if the ledger cannot be written. Cancelling it does not keep the note
            from being written.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((note, written))
        if self._task is None:
            self._task = asyncio.create_task(self._write_all())
        return written

    async def close(self) -> None:
        """Wait until everything is written, or could not be."""
        while self._task is not None:
            await asyncio.shield(self._task)

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._write(batch)
        finally:
            self._task = None

    async def _write(self, batch: list[tuple[Note, asyncio.Future[None]]]) -> None:
        try:
            refused = await asyncio.to_thread(self._stored, [note for note, _ in batch])
        except FusionError as error:
            for _, written in batch:
                if not written.done():
                    written.set_exception(error)
            return
        for note, written in batch:
            reason = None if isinstance(note, Scoring) else refused.get(note.key)
            if written.done():
                continue
            if reason is None:
                written.set_result(None)
            else:
                written.set_exception(reason)

    def _stored(self, notes: list[Note]) -> dict[str, FusionError]:
        outcomes = [note for note in notes if isinstance(note, Outcome)]
        intents = [note for note in notes if isinstance(note, Intent)]
        scorings = [note for note in notes if isinstance(note, Scoring)]
        refused = {}
        if outcomes or intents:
            refused = self._ledger.write(outcomes, intents)
        if scorings:
            self._ledger.score(scorings)
        return refused
