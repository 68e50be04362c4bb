import json
import shutil
from pathlib import Path

import pytest

from fusion_agents.stores.log_stats import LogStats
from fusion_agents.stores.opening import open_log
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, LogEntry, Query
from tests.cli.conftest import Run


def test_show_cuts_entries_to_a_line_and_limits_their_number(run: Run, database: Path) -> None:
    output = run("log", "show", "--log", database, "--limit", 3).stdout
    assert output.count("sim-") == 3
    assert "performance" in output


def test_show_as_json_gives_whole_entries_that_satisfy_the_filter(run: Run, database: Path) -> None:
    output = run(
        "log", "show", "--log", database, "--json",
        "--tasks", "code,logic", "--arms", "sim-medium@think,sim-tiny", "--limit", 1000,
    ).stdout  # fmt: skip
    entries = [LogEntry.model_validate_json(line) for line in output.splitlines()]
    assert len(entries) == 100
    assert {entry.query.task for entry in entries} == {"code", "logic"}
    assert {str(entry.arm) for entry in entries} == {"sim-medium@think", "sim-tiny@direct"}


def test_show_can_be_limited_to_failed_attempts(run: Run, database: Path) -> None:
    output = run("log", "show", "--log", database, "--errors", "--json").stdout
    assert output
    assert all(json.loads(line)["error"] == "timeout" for line in output.splitlines())


@pytest.mark.parametrize("kind", ["database", "log_file"])
def test_stats_read_a_database_or_a_log_file(
    run: Run, kind: str, request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(kind)
    stats = LogStats.model_validate_json(run("log", "stats", "--log", path, "--json", "-").stdout)
    assert (stats.entries, stats.queries, len(stats.arms)) == (1_500, 150, 10)
    assert "sim-frontier@think" in run("log", "stats", "--log", path).stdout


@pytest.mark.parametrize("name", ["all.jsonl", "all.jsonl.gz", "all.parquet"])
def test_what_is_exported_and_imported_again_is_the_same(
    run: Run, database: Path, tmp_path: Path, name: str
) -> None:
    run("log", "export", tmp_path / name, "--log", database)
    with open_log(database) as before, open_log(tmp_path / name) as after:
        assert list(before.scan()) == list(after.scan())


def test_an_export_may_be_a_part(run: Run, database: Path, tmp_path: Path) -> None:
    result = run("log", "export", tmp_path / "a.jsonl", "--log", database, "--tasks", "code")
    assert "250 entries" in result.stderr


def test_a_backup_holds_the_same_and_replaces_nothing(
    run: Run, database: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    run("log", "backup", copy, "--log", database)
    with open_log(database) as before, open_log(copy) as after:
        assert before.count() == after.count() == 1_500
    assert "copy.db" in run("log", "backup", copy, "--log", database, code=2).stderr


@pytest.mark.parametrize(
    "arguments",
    [("--arms", "nope"), ("--tasks", "code,nope"), ("--sources", "nope")],
    ids=" ".join,
)
def test_a_name_that_the_log_does_not_know_is_refused(
    run: Run, database: Path, tmp_path: Path, arguments: tuple[str, str]
) -> None:
    target = tmp_path / "part.jsonl"
    for verb in (("show",), ("export", target)):
        error = run("log", *verb, "--log", database, *arguments, code=2).stderr
        assert f"no {arguments[0][2:-1]} is called 'nope'; the log has " in error
    assert not target.exists()


def test_looking_at_a_log_changes_nothing(run: Run, database: Path, tmp_path: Path) -> None:
    log = tmp_path / "log" / "routing.db"
    log.parent.mkdir()
    shutil.copyfile(database, log)
    before = log.stat().st_mtime_ns, log.read_bytes()
    run("log", "show", "--log", log)
    run("log", "show", "--log", log, "--json")
    run("log", "stats", "--log", log)
    run("log", "export", tmp_path / "all.jsonl", "--log", log)
    run("log", "backup", tmp_path / "copy.db", "--log", log)
    run("evaluate", "--log", log, "--routers", "best")
    run("fit", "--log", log, "--router", "best", "--out", tmp_path / "router")
    assert [path.name for path in log.parent.iterdir()] == ["routing.db"]
    assert (log.stat().st_mtime_ns, log.read_bytes()) == before


def test_looking_at_a_log_that_others_have_open_leaves_them_alone(
    run: Run, database: Path, tmp_path: Path
) -> None:
    log = tmp_path / "routing.db"
    shutil.copyfile(database, log)
    with RoutingLog(log) as opened:
        entry = LogEntry(query=Query(text="2 + 2?"), arm=Arm(model="m"), performance=1)
        run("log", "stats", "--log", log)
        opened.append([entry])
        assert "1,501" in run("log", "stats", "--log", log).stdout
    assert [path.name for path in tmp_path.iterdir()] == ["routing.db"]
