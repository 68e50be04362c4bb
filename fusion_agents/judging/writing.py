"""Judgements for the log, many in one transaction: what comes while one is written waits."""

import asyncio

from fusion_agents.errors import FusionError
from fusion_agents.stores.log_writing import Refusal
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Judgement

_Waiting = tuple[Judgement, asyncio.Future[FusionError | None]]


class JudgementWriter:
    """Writes judgements for tasks of one event loop.

    Args:
        log: Where to.
    """

    def __init__(self, log: RoutingLog) -> None:
        self._log = log
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    def write(self, judgement: Judgement) -> asyncio.Future[FusionError | None]:
        """Write a judgement, after those that were given before or together with them.

        Returns:
            Done when it is on the disk, with none; or with the reason why this one cannot be
            stored, such as that its entry was forgotten meanwhile. A `StoreError` if the log
            cannot be written. Cancelling it does not keep it from being written.
        """
        written: asyncio.Future[FusionError | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((judgement, written))
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

    async def _write(self, batch: list[_Waiting]) -> None:
        refused: dict[int, FusionError] = {}

        def refuse(refusal: Refusal) -> None:
            refused[refusal.position] = refusal.error

        judgements = [judgement for judgement, _ in batch]
        try:
            await asyncio.to_thread(self._log.append_judgements, judgements, on_refused=refuse)
        except FusionError as error:
            for _, written in batch:
                if not written.done():
                    written.set_exception(error)
            return
        for position, (_, written) in enumerate(batch):
            if not written.done():
                written.set_result(refused.get(position))
