import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Event

import pytest

from fusion_agents.errors import DataError, FusionError, StoreError
from fusion_agents.stores.batch_writer import BatchWriter, judgement_writer, note_writer
from fusion_agents.stores.ledger import Intent, Outcome, Scoring
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, Judgement, LogEntry, Query

ARM = Arm(model="small")
QUERY = Query(text="2 + 2?", ground_truth="4", metric="number")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "log.db") as opened:
        yield opened


class Shelf:
    """Stores numbers, when it is let, and refuses odd ones."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.let = Event()

    def store(self, numbers: Sequence[int]) -> Mapping[int, FusionError]:
        self.let.wait()
        self.batches.append(list(numbers))
        if 13 in numbers:
            raise StoreError("nothing can be written")
        return {i: DataError(f"{n} is odd") for i, n in enumerate(numbers) if n % 2}


async def test_what_comes_while_a_batch_is_written_waits_and_is_written_together() -> None:
    shelf = Shelf()
    writer = BatchWriter(shelf.store)
    first = writer.write(0)
    await asyncio.sleep(0)
    later = [writer.write(number) for number in (2, 4, 6)]
    shelf.let.set()
    assert await asyncio.gather(first, *later) == [None] * 4
    assert shelf.batches == [[0], [2, 4, 6]]


async def test_one_that_is_refused_keeps_none_of_its_batch_from_being_stored() -> None:
    shelf = Shelf()
    shelf.let.set()
    writer = BatchWriter(shelf.store)
    said = await asyncio.gather(*(writer.write(number) for number in (2, 3, 4)))
    assert [str(refused) for refused in said] == ["None", "3 is odd", "None"]


async def test_where_nothing_can_be_written_all_of_a_batch_are_told_and_later_ones_may_be() -> None:
    shelf = Shelf()
    shelf.let.set()
    writer = BatchWriter(shelf.store)
    said = await asyncio.gather(writer.write(2), writer.write(13), return_exceptions=True)
    assert all(isinstance(error, StoreError) for error in said)
    assert await writer.write(4) is None


async def test_what_nobody_waits_for_any_more_is_written_before_the_writer_is_closed() -> None:
    shelf = Shelf()
    writer = BatchWriter(shelf.store)
    writer.write(2).cancel()
    shelf.let.set()
    await writer.close()
    assert shelf.batches == [[2]]


async def test_notes_are_refused_by_the_call_that_they_concern(log: RoutingLog) -> None:
    writer = note_writer(log.ledger)
    entry = LogEntry(key="entry", query=QUERY, arm=ARM, response="4")
    assert await writer.write(Intent("a", QUERY, ARM)) is None
    unknown, known, score = await asyncio.gather(
        writer.write(Outcome("b", entry.model_copy(update={"key": "other"}))),
        writer.write(Outcome("a", entry)),
        writer.write(Scoring("entry", "number", "1", 1.0)),
    )
    assert isinstance(unknown, FusionError)
    assert (known, score) == (None, None)
    assert [stored.performance for stored in log.scan()] == [1.0]


async def test_a_judgement_of_an_entry_that_is_not_there_is_refused_alone(log: RoutingLog) -> None:
    log.append([LogEntry(key="entry", query=QUERY, arm=ARM, response="4")])
    writer = judgement_writer(log)
    said = await asyncio.gather(
        *(
            writer.write(Judgement(entry_key=key, judge="rubric", score=0.5))
            for key in ("gone", "entry")
        )
    )
    assert isinstance(said[0], StoreError)
    assert said[1] is None
    assert [judgement.entry_key for judgement in log.judgements()] == ["entry"]


async def test_nobody_waits_for_ever_when_storing_breaks_in_an_unexpected_way() -> None:
    def store(_: Sequence[int]) -> Mapping[int, FusionError]:
        raise RuntimeError("a bug")

    writer: BatchWriter[int] = BatchWriter(store)
    for number in (1, 2):
        with pytest.raises(RuntimeError, match="a bug"):
            await asyncio.wait_for(writer.write(number), 5)
    await asyncio.wait_for(writer.close(), 5)
