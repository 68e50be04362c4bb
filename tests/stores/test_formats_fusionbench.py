"""FusionBench's rows mean what their authors meant, in any order and with any of them missing."""

import csv
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fusion_agents.stores.formats.base import Record
from fusion_agents.stores.formats.fusionbench import FusionBenchWriter, question
from fusion_agents.stores.formats.writing import write_parquet
from fusion_agents.types import Judgement, LogEntry, Query
from tests.stores.reading import DATA, plain_records, read, reasons, without_rows

FILE = DATA / "fusionbench_train.csv"


def entries(path: Path = FILE) -> dict[tuple[str, str], LogEntry]:
    records, errors = read(path)
    assert not errors
    return {(e.query.task or "", e.arm.strategy): e for e, *_ in records}


def table() -> tuple[list[str], list[dict[str, str]]]:
    with FILE.open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        return list(reader.fieldnames or ()), rows


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    columns, _ = table()
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_think_arm_is_the_model_with_the_strategy_think() -> None:
    found = entries()
    assert str(found["gsm8k", "think"].arm) == "qwen2-7b-instruct@think"
    assert str(found["gsm8k", "direct"].arm) == "qwen2-7b-instruct@direct"


@pytest.mark.parametrize("task", ["gsm8k", "boolq", "human_eval"])
def test_the_direct_and_the_think_row_share_one_query_without_the_cue(task: str) -> None:
    found = entries()
    assert found[task, "direct"].query == found[task, "think"].query
    assert "step by step" not in found[task, "think"].query.text


def test_indentation_that_means_something_stays() -> None:
    assert "def one():\n    return" in entries()["human_eval", "direct"].query.text


def test_a_direct_question_that_ends_in_the_cue_keeps_it() -> None:
    text = "Finish this: Let's think step by step."
    assert question(text, thinking=False) == text
    assert question(f"{text}\nLet's think step by step.", thinking=True) == text


def test_the_cue_goes_although_an_answer_box_follows_it() -> None:
    direct = "Rules.\n\n**Answer:**"
    assert question("Rules.\n\nLet's think step by step.\n\n**Answer:**", thinking=True) == direct
    assert question(direct, thinking=False) == direct


def test_costs_are_dollars_not_millionths() -> None:
    found = entries()
    assert found["gsm8k", "direct"].cost == 0.0000416
    assert found["gsm8k", "think"].cost == 1.2e-11
    assert found["gsm8k", "direct"].input_price == 0.2


def test_a_printed_pass_at_1_is_the_performance() -> None:
    found = entries()
    assert found["human_eval", "direct"].performance == 0.0
    assert found["human_eval", "think"].performance == 1.0


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [("1e-1", 0.1), ('{"pass@1": 5e-1}', 0.5), ("{'pass@1': 1}", 1.0), ("0.25", 0.25)],
)
def test_scores_may_be_in_scientific_notation(
    tmp_path: Path, given_value: str, expected: float
) -> None:
    row = table()[1][0] | {"performance": given_value}
    (record,), errors = read(written(tmp_path / "x.csv", [row]))
    assert not errors
    assert record.entry.performance == expected


@pytest.mark.parametrize(
    "value", ["__import__('os').system('true')", "{'pass@1': 7}", "{'pass@1': nan}", "1.5", "x"]
)
def test_a_score_that_is_none_is_refused_and_never_evaluated(tmp_path: Path, value: str) -> None:
    row = table()[1][0] | {"performance": value}
    records, errors = read(written(tmp_path / "x.csv", [row]))
    assert not records
    assert len(errors) == 1


def test_an_empty_response_is_a_failed_call_and_not_a_wrong_answer() -> None:
    records, _ = read(FILE)
    failed = next(r for r in records if r.entry.query.task == "boolq" and r.entry.error)
    assert (failed.entry.error, failed.entry.performance) == ("empty", None)
    assert failed.judgements == ()


def test_the_judge_column_is_a_judgement() -> None:
    records, _ = read(FILE)
    (verdict,) = records[0].judgements
    assert verdict == Judgement(entry_key=records[0].entry.key, score=0.3, judge="fusionbench")


def test_the_split_comes_from_the_files_name() -> None:
    assert entries()["gsm8k", "direct"].query.split == "train"


@given(seed=st.integers(0, 999), dropped=st.sets(st.integers(0, 6), max_size=5))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_dropped_and_shuffled_rows_shift_nothing(
    tmp_path: Path, seed: int, dropped: set[int]
) -> None:
    _, rows = table()
    kept = [row for number, row in enumerate(rows) if number not in dropped]
    random.Random(seed).shuffle(kept)
    expected = {record.entry.key: record.entry for record in read(FILE)[0]}
    records, errors = read(written(tmp_path / "train.csv", kept))
    assert not errors
    assert len(records) == len(kept)
    assert all(expected[record.entry.key] == record.entry for record in records)


def test_parquet_reads_like_csv(tmp_path: Path) -> None:
    columns, rows = table()
    path = tmp_path / "train.parquet"
    write_parquet(path, dict.fromkeys(columns, "string"), rows)
    assert without_rows(read(path)[0]) == without_rows(read(FILE)[0])


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("cost", "-1", "cost is -1.0, which is negative"),
        ("cost", "nan", "cost is nan, not a finite number"),
        ("llm", "", "no llm"),
        ("query", " ", "no query"),
        ("input_tokens_num", "many", "input_tokens_num is 'many', not a number"),
        ("input_tokens_num", "1.5", "input_tokens_num is 1.5, not a count"),
        ("llm_judge", "2", "llm_judge is 2.0, which is outside [0, 1]"),
    ],
)
def test_a_bad_row_is_refused_with_its_number_and_the_others_are_read(
    tmp_path: Path, column: str, value: str, reason: str
) -> None:
    _, rows = table()
    path = written(tmp_path / "x.csv", [rows[0], rows[2] | {column: value}, rows[4]])
    assert reasons(path) == [(3, reason)]
    assert len(read(path)[0]) == 2


def test_a_field_beyond_the_csv_modules_limit_is_read(tmp_path: Path) -> None:
    row = table()[1][0] | {"response": "x" * 300_000, "query_embedding": "1," * 200_000}
    (record,), errors = read(written(tmp_path / "x.csv", [row]))
    assert not errors
    assert len(record.entry.response or "") == 300_000


@given(st.lists(plain_records(), max_size=6))
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_an_export_reads_as_the_same_log(tmp_path: Path, given_records: list[Record]) -> None:
    path = tmp_path / "log.csv"
    assert FusionBenchWriter().write(given_records, path) == len(given_records)
    if given_records:
        assert without_rows(read(path)[0]) == given_records


def test_an_export_has_the_published_columns_first(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    FusionBenchWriter().write([read(FILE)[0][1]], path)
    with path.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert list(row)[:18] == table()[0]
    assert row["llm"] == "qwen2-7b-instruct_think"
    assert row["query"].endswith("\nLet's think step by step.")
    assert float(row["cost"]) == 1.2e-05


def test_an_export_as_parquet_reads_as_the_same_log(tmp_path: Path) -> None:
    records, _ = read(FILE)
    path = tmp_path / "log.parquet"
    FusionBenchWriter().write(records, path)
    back = read(path)[0]
    assert [one.entry.key for one in back] == [one.entry.key for one in records]
    assert [one.entry.query for one in back] == [one.entry.query for one in records]
    assert back[0].entry.cost == pytest.approx(records[0].entry.cost)


def test_several_right_answers_survive_an_export(tmp_path: Path) -> None:
    query = Query(text="Capital?", ground_truth=("Madrid", "madrid"))
    entry = LogEntry.model_validate({"query": query, "arm": {"model": "m"}, "performance": 1})
    path = tmp_path / "log.csv"
    FusionBenchWriter().write([Record(entry)], path)
    assert read(path)[0][0].entry.query == query
