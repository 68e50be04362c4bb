"""Writes for many tasks, each batch in one transaction: what comes while one is written waits."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from fusion_agents.errors import FusionError
from fusion_agents.stores.ledger import Intent, Ledger, Outcome, Scoring
from fusion_agents.stores.log_writing import Refusal
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Judgement

T = TypeVar("T")
Note = Intent | Outcome | Scoring


class BatchWriter(Generic[T]):
    """Writes for tasks of one event loop.

    Args:
        store: Puts a batch on the disk, in a thread. Gives by position, counted from 0, what is
            wrong with those that cannot be stored; raises if nothing can be.
    """

    def __init__(self, store: Callable[[Sequence[T]], Mapping[int, FusionError]]) -> None:
        self._store = store
        self._waiting: list[tuple[T, asyncio.Future[FusionError | None]]] = []
        self._task: asyncio.Task[None] | None = None

    def write(self, item: T) -> asyncio.Future[FusionError | None]:
        """Write something, after what was given before or together with it.

        Returns:
            Done when it is on the disk, with none; or with the reason why this one cannot be
            stored. A `StoreError` if nothing can be written. Cancelling it does not keep the item
            from being written.
        """
        written: asyncio.Future[FusionError | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, written))
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

    async def _write(self, batch: list[tuple[T, asyncio.Future[FusionError | None]]]) -> None:
        try:
            refused = await asyncio.to_thread(self._store, [item for item, _ in batch])
        except Exception as error:  # noqa: BLE001  nobody who waits may wait for ever
            for _, written in batch:
                if not written.done():
                    written.set_exception(error)
            return
        for position, (_, written) in enumerate(batch):
            if not written.done():
                written.set_result(refused.get(position))


def note_writer(ledger: Ledger) -> BatchWriter[Note]:
    """Writes what is done and scored to a ledger."""

    def store(notes: Sequence[Note]) -> dict[int, FusionError]:
        outcomes = [note for note in notes if isinstance(note, Outcome)]
        intents = [note for note in notes if isinstance(note, Intent)]
        scorings = [note for note in notes if isinstance(note, Scoring)]
        refused = ledger.write(outcomes, intents) if outcomes or intents else {}
        if scorings:
            ledger.score(scorings)
        return {
            position: refused[note.key]
            for position, note in enumerate(notes)
            if not isinstance(note, Scoring) and note.key in refused
        }

    return BatchWriter(store)


def judgement_writer(log: RoutingLog) -> BatchWriter[Judgement]:
    """Writes judgements to a log; one is refused, for example, if its entry was forgotten."""

    def store(judgements: Sequence[Judgement]) -> dict[int, FusionError]:
        refused: dict[int, FusionError] = {}

        def refuse(refusal: Refusal) -> None:
            refused[refusal.position] = refusal.error

        log.append_judgements(judgements, on_refused=refuse)
        return refused

    return BatchWriter(store)
