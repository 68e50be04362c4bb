"""Whatever a file holds, reading it gives records and reasons, or one error; never a crash."""

import gzip
import json
import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fusion_agents.errors import ConfigError, DataError, UnknownFormatError
from fusion_agents.stores.formats.base import (
    Format,
    Origin,
    Record,
    Writer,
    all_formats,
    all_writers,
    format_of,
    writer_for,
)
from fusion_agents.stores.formats.head import MAX_ROW, Head, look
from fusion_agents.stores.formats.parquet import ParquetWriter
from fusion_agents.types import LogEntry
from tests.stores.reading import DATA, read, reasons

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
SAMPLES = sorted(path for path in DATA.rglob("*") if path.is_file())

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


def survives(path: Path) -> None:
    with suppress(DataError):
        read(path)


@given(st.binary(max_size=300))
@example(b"{")
@example(b"[")
@example(b'{"records": [')
@example(b'[{"prompt": 1, "prediction": 2, "generated_result": 3}, {')
@example(b"PAR1")
@example(b"PAR1" + b"\x00" * 50 + b"PAR1")
@example(b"\x1f\x8b")
@example(b'query,llm,performance\n"a')
@example(b"\xef\xbb\xbf")
@FUZZ
def test_random_bytes_are_an_error_or_refused_rows(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    survives(path)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
@given(data=st.data())
@FUZZ
def test_damaged_samples_are_an_error_or_refused_rows(
    tmp_path: Path, sample: Path, data: st.DataObject
) -> None:
    content = bytearray(sample.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=6))
    path = tmp_path / "log"
    path.write_bytes(content)
    survives(path)


@pytest.mark.parametrize(
    "row",
    [
        {
            "query": "a",
            "model": "m",
            "score": 1,
            "judge_score": 1,
            "strategy": "think",
            "time": 1,
            "input_tokens": 1,
            "cost": 1,
            "latency": 1,
            "propensity": 1,
            "sample": 1,
            "response": "r",
            "ground_truth": "g",
            "metric": "m",
            "error": "e",
            "split": "s",
        },
        {
            "query": "a",
            "llm": "m_think",
            "performance": 1,
            "cost": 1,
            "llm_judge": 1,
            "response": "r",
            "input_tokens_num": 1,
            "ground_truth": "g",
            "task_name": "t",
        },
        {
            "query": "a",
            "model_name": "m",
            "task_name": "t",
            "performance": 1,
            "choices": "[]",
            "response": "r",
            "response_time": 1,
            "input_tokens": 1,
            "ground_truth": "g",
        },
        {"prompt": "a", "eval_name": "e", "m": 1, "m|model_response": "r", "m|total_cost": 1},
        {"prompt": "a", "prediction": "m", "generated_result": {}, "accuracy": 1, "cost": 1},
        {"query": {"text": "a"}, "arm": {"model": "m"}, "judgements": [], "time": "x", "key": "k"},
    ],
    ids=["flat", "fusionbench", "llmrouter", "routerbench", "routerarena", "jsonl"],
)
@given(data=st.data())
@FUZZ
def test_any_value_anywhere_is_read_or_refused(
    tmp_path: Path, row: dict[str, Any], data: st.DataObject
) -> None:
    changed = row | {data.draw(st.sampled_from(sorted(row))): data.draw(values)}
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps(changed) + "\n")
    records, errors = read(path)
    assert len(records) + len(errors) >= 1
    assert all(error.line in (1, 2) and error.reason for error in errors)


def test_a_truncated_gzip_says_so(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl.gz"
    line = b'{"query": "a?", "model": "m", "score": 1}\n'
    packed = gzip.compress(line * 60_000)
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match="the gzip stream is damaged or cut off"):
        read(path)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("the pickle was loaded",)


@pytest.mark.parametrize("name", ["routerbench_0shot.pkl", "renamed.csv"])
def test_a_pickle_is_never_loaded_and_the_error_says_how_to_convert_it(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UnknownFormatError, match=r"never loaded.*to_parquet"):
        format_of(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b" \n\n", "the file is empty"),
        (b"SQLite format 3\x00rest", "open it with RoutingLog"),
        (b"PK\x03\x04rest", "unpack it first"),
        (bytes(range(256)) * 9, "binary data"),
        (b"name,age\nann,3\n", "no format recognises this csv file with 'name', 'age'"),
        (b'{"query": "a?"}\n', "it looks like queries without answers"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(UnknownFormatError, match=message):
        format_of(path)


def test_a_missing_file_and_a_folder_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        look(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is a folder"):
        look(tmp_path)


def test_a_parquet_file_that_is_cut_off_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    entry = LogEntry.model_validate({"query": {"text": "a"}, "arm": {"model": "m"}})
    ParquetWriter().write([Record(entry)] * 50, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="the parquet file is damaged"):
        read(path)


def test_behind_bad_json_in_a_document_nothing_is_guessed(tmp_path: Path) -> None:
    good = {
        "prompt": "a?",
        "prediction": "m",
        "accuracy": 1,
        "generated_result": {"generated_answer": "x"},
    }
    path = tmp_path / "predictions.json"
    path.write_text(f"[{json.dumps(good)}, {{broken, {json.dumps(good)}]")
    ((line, reason),) = reasons(path)
    assert (line, len(read(path)[0])) == (2, 1)
    assert "nothing behind it can be read" in reason


def test_a_document_larger_than_the_buffer_is_streamed(tmp_path: Path) -> None:
    rows = [
        {
            "prompt": f"question {i}?",
            "prediction": "m",
            "accuracy": 0.5,
            "generated_result": {"generated_answer": "x" * 3000},
        }
        for i in range(300)
    ]
    path = tmp_path / "predictions.json"
    path.write_text(json.dumps(rows, indent=1))
    records, errors = read(path)
    assert not errors
    assert [record.entry.query.text for record in records] == [row["prompt"] for row in rows]


def test_a_line_beyond_the_limit_is_refused_and_the_next_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    line = b'{"query": "a?", "model": "m", "score": 1}\n'
    path.write_bytes(line + b'{"query": "' + b"x" * MAX_ROW + b'"}\n' + line)
    assert reasons(path) == [(2, "longer than 64 MiB")]
    assert len(read(path)[0]) == 2


def test_line_separators_of_unicode_do_not_split_rows(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    row = {"query": "a\u2028b\u0085c", "model": "m", "score": 1}
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n")
    assert read(path)[0][0].entry.query.text == row["query"]


def test_every_module_with_a_format_is_found_under_its_name() -> None:
    assert set(all_formats()) == {
        "flat",
        "fusionbench",
        "jsonl",
        "llmrouter",
        "llmrouterbench",
        "parquet",
        "routerarena",
        "routerbench",
    }
    assert set(all_writers()) == {"fusionbench", "jsonl", "parquet"}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_exactly_one_format_recognises_a_file(sample: Path) -> None:
    head = look(sample)
    assert sum(one.detect(head) for one in all_formats().values()) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jsonl", "jsonl"),
        ("a.jsonl.gz", "jsonl"),
        ("a.PARQUET", "parquet"),
        ("a.csv", "fusionbench"),
    ],
)
def test_the_ending_chooses_the_writer(name: str, expected: str) -> None:
    assert writer_for(Path(name)).name == expected


def test_an_unknown_ending_or_name_lists_what_can_be_written() -> None:
    with pytest.raises(ConfigError, match=r"'a\.xlsx' does not say which format"):
        writer_for(Path("a.xlsx"))
    with pytest.raises(ConfigError, match="known: fusionbench, jsonl, parquet"):
        writer_for(Path("a.csv"), "excel")


def test_the_ports_can_be_implemented_with_two_methods_at_most() -> None:
    assert Format.__abstractmethods__ == {"detect", "read"}
    assert Writer.__abstractmethods__ == {"write"}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("FusionBench_train.csv", "train"),
        ("partial_test.parquet", "partial_test"),
        ("x/full_test/data-00000-of-00001.parquet", "full_test"),
        ("test/my_log.csv", None),
        ("training.csv", None),
        ("contest.csv", None),
    ],
)
def test_a_name_tells_the_split(name: str, split: str | None) -> None:
    assert Head(Path(name), "csv").split == split


def test_reading_depends_on_nothing_but_content_and_origin(tmp_path: Path) -> None:
    found, head = format_of(DATA / "flat.jsonl")
    first, again, other = (
        [one.entry.key for one in found.read(head, origin) if isinstance(one, Record)]
        for origin in (Origin("a"), Origin("a"), Origin("b"))
    )
    assert first == again
    assert set(first).isdisjoint(other)
