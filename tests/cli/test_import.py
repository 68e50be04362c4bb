from pathlib import Path

from fusion_agents.stores.routing_log import RoutingLog
from tests.cli.conftest import Run


def test_importing_a_file_twice_stores_it_once(run: Run, log_file: Path, tmp_path: Path) -> None:
    log = tmp_path / "routing.db"
    assert "1,500" in run("import", log_file, "--log", log).stdout
    second = run("import", log_file, "--log", log).stdout
    assert second.split("│")[4].strip() == "0"
    with RoutingLog(log) as opened:
        assert opened.count() == 1_500


def test_bad_rows_are_refused_with_number_and_reason_and_the_others_stored(
    run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "some.jsonl"
    good = '{"query": {"text": "2 + 2?"}, "arm": {"model": "m"}, "performance": 1}'
    file.write_text(f"{good}\nnonsense\n{good.replace(': 1}', ': 7}')}\n")
    result = run("import", file, "--log", tmp_path / "routing.db")
    assert "some.jsonl:2:" in result.stderr
    assert "some.jsonl:3: performance" in result.stderr
    with RoutingLog(tmp_path / "routing.db") as log:
        assert log.count() == 1


def test_a_file_of_which_every_row_is_bad_is_a_failure(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    file.write_text('{"query": {"text": "a"}, "arm": {"model": "m"}, "performance": 7}\n')
    run("import", file, "--log", tmp_path / "routing.db", code=2)


def test_tasks_are_left_out_and_the_source_is_noted(
    run: Run, log_file: Path, tmp_path: Path
) -> None:
    log = tmp_path / "routing.db"
    file = tmp_path / "plain.jsonl"
    file.write_text(log_file.read_text().replace('"source":"simulated",', ""))
    run("import", file, "--log", log, "--exclude-tasks", "code,logic", "--source", "here")
    with RoutingLog(log) as opened:
        stats = opened.stats()
    assert {task.name for task in stats.tasks} == {"arithmetic", "dates", "strings", "units"}
    assert {source.name for source in stats.sources} == {"here"}


def test_a_file_that_is_not_there_is_refused_before_a_database_is_made(
    run: Run, tmp_path: Path
) -> None:
    run("import", tmp_path / "none.jsonl", "--log", tmp_path / "routing.db", code=2)
    assert not (tmp_path / "routing.db").exists()
