"""Files go into the log once, good rows all of them, bad rows with a reason; and out again."""

import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fusion_agents.errors import ConfigError, DataError, SchemaTooNewError, UnknownFormatError
from fusion_agents.stores import LogFilter, RoutingLog
from fusion_agents.stores.exporting import export_log
from fusion_agents.stores.formats.base import Record
from fusion_agents.stores.importing import FileSummary, ImportSummary, RefusedRow, import_files
from fusion_agents.stores.opening import ImportedLog, open_log
from tests.stores.reading import DATA, read, records

FUSIONBENCH = DATA / "fusionbench_train.csv"
FLAT = DATA / "flat.jsonl"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RoutingLog]:
    with RoutingLog(tmp_path / "log.db") as opened:
        yield opened


def flat(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_summary_counts_what_came_of_each_file(log: RoutingLog) -> None:
    summary = import_files([FUSIONBENCH, FLAT], log)
    first, second = summary.files
    assert (first.format, first.rows, first.stored, first.judgements) == ("fusionbench", 7, 7, 6)
    assert (second.format, second.rows, second.stored, second.judgements) == ("flat", 4, 4, 2)
    assert (summary.stored, summary.duplicates, summary.refused) == (11, 0, 0)
    assert log.count() == 11


def test_the_same_file_twice_stores_nothing_twice(log: RoutingLog) -> None:
    import_files(FUSIONBENCH, log)
    again = import_files([FUSIONBENCH, FUSIONBENCH], log)
    assert (again.stored, again.duplicates, log.count()) == (0, 14, 7)
    assert len(list(log.judgements())) == 6


def test_what_was_read_is_what_the_log_gives_back(log: RoutingLog) -> None:
    import_files(FUSIONBENCH, log)
    expected, _ = read(FUSIONBENCH, source=FUSIONBENCH.name)
    assert list(log.scan()) == [record.entry for record in expected]


def test_direct_and_think_arms_meet_in_one_row_of_the_outcomes(log: RoutingLog) -> None:
    import_files(FUSIONBENCH, log)
    outcomes = log.outcomes(LogFilter(tasks=("gsm8k",)))
    assert (outcomes.n_queries, outcomes.n_arms) == (1, 2)
    assert outcomes.performance.tolist() == [[1.0, 0.0]]


def test_refused_rows_are_counted_and_named_and_the_others_are_stored(
    tmp_path: Path, log: RoutingLog
) -> None:
    good = {"query": "a?", "model": "m", "score": 1}
    bad = [good | {"score": 2}] * 30
    summary = import_files(flat(tmp_path / "log.jsonl", *bad, good), log)
    assert (summary.rows, summary.refused, summary.stored) == (31, 30, 1)
    assert len(summary.files[0].refusals) == 20
    assert summary.files[0].refusals[0] == RefusedRow(
        line=1, reason="score is 2.0, which is outside [0, 1]"
    )


def test_an_entry_that_the_log_refuses_is_named_by_its_row(tmp_path: Path, log: RoutingLog) -> None:
    def line(text: str) -> dict[str, object]:
        return {"query": {"id": "q", "text": text}, "arm": {"model": "m"}, "performance": 1}

    path = flat(tmp_path / "log.jsonl", line("one"), line("two"), line("one") | {"performance": 0})
    (file,) = import_files(path, log).files
    assert (file.stored, file.refused, file.duplicates) == (2, 1, 0)
    assert file.refusals == (
        RefusedRow(line=2, reason="query id 'q' stands for two different texts"),
    )


def test_tasks_can_be_left_out(log: RoutingLog) -> None:
    summary = import_files(FUSIONBENCH, log, exclude_tasks=("gpqa", "boolq"))
    assert (summary.excluded, summary.stored) == (3, 4)
    assert {query.task for query in log.queries()} == {"gsm8k", "human_eval"}
    assert not any("gpqa" in warning for warning in summary.warnings)


@pytest.mark.parametrize("name", ["fusionbench_train.csv", "llmrouter_routing_train_data.jsonl"])
def test_labels_known_to_be_wrong_at_the_source_are_warned_of(log: RoutingLog, name: str) -> None:
    warning = (
        f"{DATA / name}: 1 answers with doubtful labels "
        "(task 'gpqa': about half of its gold answers are wrong at the source)"
    )
    assert warning in import_files(DATA / name, log).warnings


def test_zeros_of_a_judge_that_failed_are_warned_of(log: RoutingLog) -> None:
    what = "1 answers with doubtful labels (judged 0 although fully right"
    assert sum(what in warning for warning in import_files(FUSIONBENCH, log).warnings) == 1


def test_source_and_tenant_are_for_rows_that_do_not_say(tmp_path: Path, log: RoutingLog) -> None:
    import_files(FLAT, log, source="survey", tenant="acme")
    assert {(e.source, e.tenant) for e in log.scan()} == {("survey", "acme")}
    export_log(log, tmp_path / "out.jsonl")
    summary = import_files(tmp_path / "out.jsonl", log, source="elsewhere", tenant="other")
    assert (summary.stored, summary.duplicates) == (0, 4)


def test_the_source_is_the_files_name_unless_it_is_given(log: RoutingLog) -> None:
    import_files(FLAT, log)
    assert {e.source for e in log.scan()} == {"flat.jsonl"}


def test_one_unknown_file_keeps_all_from_being_stored(tmp_path: Path, log: RoutingLog) -> None:
    (tmp_path / "notes.csv").write_text("name,age\nann,3\n")
    with pytest.raises(UnknownFormatError, match=r"notes\.csv"):
        import_files([FLAT, tmp_path / "notes.csv"], log)
    assert log.count() == 0


def test_a_folder_is_all_its_log_files(tmp_path: Path, log: RoutingLog) -> None:
    shutil.copytree(DATA / "bench", tmp_path / "results" / "bench")
    (tmp_path / "results" / "README.md").write_text("not a log")
    summary = import_files(tmp_path / "results", log)
    assert (len(summary.files), summary.stored) == (1, 3)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no log file"):
        import_files(tmp_path / "empty", log)


def test_no_file_at_all_is_an_error(log: RoutingLog) -> None:
    with pytest.raises(DataError, match="no file to import"):
        import_files([], log)


def test_progress_is_told_as_it_is_made(tmp_path: Path, log: RoutingLog) -> None:
    rows = [{"query": f"{i}?", "model": "m", "score": 1} for i in range(4500)]
    seen: list[FileSummary] = []
    import_files(flat(tmp_path / "log.jsonl", *rows), log, on_progress=seen.append)
    assert [one.stored for one in seen] == [2000, 4000, 4500]


def test_a_summary_survives_json(log: RoutingLog) -> None:
    summary = import_files(FLAT, log)
    fields = summary.model_dump_json(include={"files"})
    assert ImportSummary.model_validate_json(fields) == summary
    assert json.loads(summary.model_dump_json())["stored"] == 4


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.parquet"])
@given(given_records=st.lists(records(), max_size=5, unique_by=lambda one: one.entry.key))
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_was_exported_is_imported_as_the_same_log(
    tmp_path_factory: pytest.TempPathFactory, name: str, given_records: list[Record]
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    with RoutingLog(folder / "a.db") as first, RoutingLog(folder / "b.db") as second:
        first.append((one.entry for one in given_records), on_refused=lambda _: None)
        stored = list(first.scan())
        kept = {entry.key for entry in stored}
        first.append_judgements(
            judgement
            for one in given_records
            if one.entry.key in kept
            for judgement in one.judgements
        )
        assert export_log(first, folder / name) == len(stored)
        if stored:
            import_files(folder / name, second)
        assert list(second.scan()) == stored
        assert set(second.judgements()) == set(first.judgements())


def test_an_export_as_fusionbench_is_imported_as_the_same_log(
    tmp_path: Path, log: RoutingLog
) -> None:
    import_files(FUSIONBENCH, log)
    assert export_log(log, tmp_path / "out.csv") == 7
    with open_log(tmp_path / "out.csv") as again:
        assert list(again.scan()) == list(log.scan())
        assert list(again.judgements()) == list(log.judgements())


def test_an_export_takes_the_part_that_is_asked_for(tmp_path: Path, log: RoutingLog) -> None:
    import_files(FUSIONBENCH, log)
    path = tmp_path / "part.dat"
    assert export_log(log, path, "jsonl", where=LogFilter(tasks=("boolq",))) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="does not say which format"):
        export_log(log, path)


def test_a_database_is_opened_and_a_file_is_imported_all_the_same(
    tmp_path: Path, log: RoutingLog
) -> None:
    import_files(FLAT, log)
    with open_log(log.path) as database, open_log(FLAT) as imported:
        assert type(database) is RoutingLog
        assert isinstance(imported, ImportedLog)
        assert list(database.scan()) == list(imported.scan())
        assert imported.imported.stored == 4


def test_several_files_are_one_log() -> None:
    with open_log(FLAT, FUSIONBENCH, exclude_tasks=("gpqa",)) as log:
        assert log.count() == 10


def test_a_temporary_database_is_private_and_goes_with_the_log() -> None:
    log = open_log(FLAT)
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.path.parent.stat().st_mode) == 0o700
    log.close()
    log.close()
    assert not log.path.parent.exists()


def test_a_temporary_database_goes_when_the_import_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    (tmp_path / "notes.csv").write_text("name,age\nann,3\n")
    with pytest.raises(UnknownFormatError):
        open_log(tmp_path / "notes.csv")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_missing_log_is_one_clear_error_and_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no log at '.*none\.db'"):
        open_log(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


def test_a_database_does_not_mix_with_files(log: RoutingLog) -> None:
    with pytest.raises(DataError, match="cannot be combined"):
        open_log(log.path, FLAT)


def test_a_newer_database_is_refused_by_its_own_error(tmp_path: Path, log: RoutingLog) -> None:
    copy = tmp_path / "newer.db"
    log.backup(copy)
    content = bytearray(copy.read_bytes())
    content[60:64] = (999).to_bytes(4, "big")
    copy.write_bytes(content)
    with pytest.raises(SchemaTooNewError):
        open_log(copy)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.touch(mode=0o000)
    with pytest.raises(DataError, match="Permission denied"):
        open_log(path)
