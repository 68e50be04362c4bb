"""Our own JSON lines and parquet lose nothing, and damage is noticed."""

import gzip
import json
import random
import stat
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fusion_agents.errors import StoreError
from fusion_agents.stores.formats.base import Record, Writer, all_writers, writer_for
from fusion_agents.stores.formats.jsonl import JSONLinesWriter
from fusion_agents.stores.formats.parquet import ParquetWriter
from fusion_agents.types import Judgement, LogEntry, content_key
from tests.stores.reading import read, reasons, records, without_rows


def entry(text: str, **fields: object) -> LogEntry:
    values = {"query": {"text": text}, "arm": {"model": "m"}, "response": "yes", **fields}
    return LogEntry.model_validate(values)


@pytest.mark.parametrize("name", ["log.jsonl", "log.jsonl.gz", "log.parquet"])
@given(given_records=st.lists(records(), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_was_written_is_what_is_read(
    tmp_path: Path, name: str, given_records: list[Record]
) -> None:
    path = tmp_path / name
    assert writer_for(path).write(given_records, path) == len(given_records)
    back, errors = read(path)
    assert not errors
    assert without_rows(back) == given_records


@pytest.mark.parametrize("writer", [JSONLinesWriter(), ParquetWriter()])
def test_times_in_other_zones_are_the_same_moment(tmp_path: Path, writer: Writer) -> None:
    noon = datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=-7)))
    path = tmp_path / f"log{writer.extensions[0]}"
    writer.write([Record(entry("a", time=noon))], path)
    assert read(path)[0][0].entry.time == noon


def test_no_changed_byte_lets_a_wrong_entry_in(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    JSONLinesWriter().write([Record(entry(f"question {i}", cost=0.5)) for i in range(5)], path)
    right = {record.entry for record in read(path)[0]}
    original = path.read_bytes()
    draw = random.Random(1)
    for _ in range(300):
        damaged = bytearray(original)
        damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        found, errors = read(path)
        assert {record.entry for record in found} <= right
        assert len(found) >= 3
        assert errors or len(found) == 5


def test_a_line_reformatted_by_another_tool_still_fits_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    JSONLinesWriter().write([Record(entry("ä", cost=1e-7))], path)
    before = read(path)[0]
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True) + "\n")
    assert read(path)[0] == before


def test_a_line_of_before_judgements_had_sources_is_read_with_the_same_keys(tmp_path: Path) -> None:
    answer = entry("2 + 2?")
    verdict = Judgement(entry_key=answer.key, score=0.5, judge="rubric", reason="fine")
    path = tmp_path / "log.jsonl"
    JSONLinesWriter().write([Record(answer, (verdict,))], path)
    line = json.loads(path.read_text())
    old = ("entry_key", "score", "reason", "judge", "judge_version", "time")
    line["judgements"] = [{name: line["judgements"][0][name] for name in old}]
    del line["checksum"]
    path.write_text(json.dumps({**line, "checksum": content_key(line)}))

    (record,), errors = read(path)

    assert not errors
    assert record.judgements == (verdict,)


def test_a_line_written_by_hand_needs_a_query_and_an_arm_only(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"query": {"text": "2 + 2?"}, "arm": {"model": "small"}, "performance": 1}\n')
    (record,), errors = read(path, source="by hand")
    assert not errors
    assert (record.entry.source, record.entry.tenant) == ("by hand", "default")
    assert record.entry.key == read(path, source="by hand")[0][0].entry.key


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cost": "0.5"}, "cost: Input should be a valid number"),
        ({"performance": 1.5}, "performance: Input should be less than or equal to 1"),
        ({"cost": -1}, "cost: Input should be greater than or equal to 0"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"arm": {}}, "arm.model: Field required"),
        ({"checksum": "0" * 32}, "the checksum does not fit: the line was changed or damaged"),
        (
            {"judgements": [{"entry_key": "x", "score": 1, "judge": "j"}]},
            "a judgement belongs to another entry",
        ),
    ],
)
def test_a_wrong_line_is_refused_by_number_and_reason(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    good = {"query": {"text": "2 + 2?"}, "arm": {"model": "small"}, "performance": 1}
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in (good, good | change, good)))
    assert reasons(path) == [(2, reason)]
    assert len(read(path)[0]) == 2


def test_bad_json_is_one_refused_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    good = b'{"query": {"text": "a"}, "arm": {"model": "m"}, "performance": 1}\n'
    path.write_bytes(b'{"query": {\n' + good + b"[1]\n\n" + good + b'"\xff"\n' + b"[" * 9000)
    assert [line for line, _ in reasons(path)] == [1, 3, 6, 7]
    assert len(read(path)[0]) == 2


def test_only_the_user_may_read_what_was_written(tmp_path: Path) -> None:
    for name, writer in all_writers().items():
        path = tmp_path / f"{name}{writer.extensions[0]}"
        writer.write([Record(entry("a"))], path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    def broken() -> object:
        yield Record(entry("new"))
        raise ZeroDivisionError

    for name, writer in all_writers().items():
        path = tmp_path / f"{name}{writer.extensions[0]}"
        path.write_text("old")
        with pytest.raises(ZeroDivisionError):
            writer.write(broken(), path)  # type: ignore[arg-type]
        assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == len(all_writers())


def test_a_missing_folder_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        JSONLinesWriter().write([], tmp_path / "no" / "log.jsonl")


def test_the_same_log_compresses_to_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        JSONLinesWriter().write([Record(entry("a"))], tmp_path / name)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()).count(b"\n") == 1
