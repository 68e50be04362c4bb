import shutil
from pathlib import Path

import pytest

from fusion_agents.cli.options import specs
from fusion_agents.evaluation import Evaluation
from fusion_agents.simulation import simulate_log
from fusion_agents.stores.routing_log import RoutingLog
from fusion_agents.types import Arm, LogEntry
from tests.cli.conftest import Run, write_log

FAST = ("--routers", "knn:k=20,prior=5,task-best")


def test_the_report_is_shown_and_written_in_three_forms(
    run: Run, database: Path, tmp_path: Path
) -> None:
    page, data = tmp_path / "report.html", tmp_path / "report.json"
    shown = run("evaluate", "--log", database, *FAST, "--html", page, "--json", data).stdout
    evaluation = Evaluation.model_validate_json(data.read_text())
    assert evaluation.n_train + evaluation.n_test == 150
    assert {"best", "task-best", "oracle"} < {row.router for row in evaluation.rows}
    assert "task-best" in shown
    assert evaluation.verdict.finding in page.read_text()


def test_json_on_standard_output_is_nothing_but_json(run: Run, database: Path) -> None:
    output = run("evaluate", "--log", database, *FAST, "--json", "-").stdout
    assert Evaluation.model_validate_json(output).objective == "performance-first"


def test_a_log_file_gives_the_figures_of_the_database_that_it_was_imported_into(
    run: Run, database: Path, log_file: Path
) -> None:
    def figures(log: Path) -> list[tuple[str, float | None]]:
        output = run("evaluate", "--log", log, *FAST, "--json", "-").stdout
        return [(r.router, r.performance) for r in Evaluation.model_validate_json(output).rows]

    assert figures(log_file) == figures(database)


def test_what_is_suspended_is_not_evaluated(run: Run, database: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.db"
    shutil.copy(database, own)

    def figures() -> list[tuple[str, float | None]]:
        output = run("evaluate", "--log", own, *FAST, "--json", "-").stdout
        return [(r.router, r.performance) for r in Evaluation.model_validate_json(output).rows]

    before = figures()
    with RoutingLog(own) as log:
        lies = [
            LogEntry(query=query, arm=Arm(model="liar"), performance=1.0, source="liar")
            for query in {entry.query.id: entry.query for entry in log.scan()}.values()
        ]
        log.append(lies)
        assert figures() != before
        log.set_trust("source", "liar", "suspended")
    assert figures() == before


def test_options_reach_the_evaluation(run: Run, database: Path) -> None:
    output = run(
        "evaluate", "--log", database, *FAST, "--json", "-", "--objective", "balance",
        "--test-fraction", 0.5, "--seed", 3, "--exclude-arms", "sim-frontier,sim-tiny@direct",
        "--exclude-tasks", "code",
    ).stdout  # fmt: skip
    evaluation = Evaluation.model_validate_json(output)
    assert (evaluation.objective, evaluation.seed) == ("balance", 3)
    assert abs(evaluation.n_test - 62) <= 2
    assert len(evaluation.arms) == 7
    assert "code" not in evaluation.row("best").per_task


def test_a_second_log_may_be_the_test(run: Run, database: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    write_log(other, simulate_log(40, seed=8))
    output = run("evaluate", "--log", database, "--test-log", other, *FAST, "--json", "-").stdout
    evaluation = Evaluation.model_validate_json(output)
    assert evaluation.n_train == 150
    assert 36 <= evaluation.n_test <= 40  # near-duplicates of training queries are left out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--routers", "nonsense"), "unknown router 'nonsense'"),
        (("--routers", "knn:k=many"), "k='many'"),
        (("--objective", "speed"), "unknown objective 'speed'"),
        (("--objective", "judge"), "judge"),
        (("--encoder", "nonsense"), "unknown encoder 'nonsense'"),
        (("--exclude-arms", "nobody"), "no arm is called 'nobody'"),
        (("--exclude-tasks", "nope"), "no task is called 'nope'; the log has arithmetic"),
        (("--test-fraction", "2"), "test fraction"),
    ],
)
def test_what_does_not_exist_is_refused_by_name(
    run: Run, database: Path, arguments: tuple[str, ...], words: str
) -> None:
    result = run("evaluate", "--log", database, *FAST, *arguments, code=2)
    assert words in result.stderr


def test_a_test_log_of_which_nothing_is_left_is_refused_with_the_cause(
    run: Run, database: Path, log_file: Path
) -> None:
    result = run("evaluate", "--log", database, "--test-log", log_file, *FAST, code=2)
    assert "150 of 150 test queries were left out: the training log has them" in result.stderr


def test_a_task_of_the_test_log_alone_can_be_left_out(run: Run, tmp_path: Path) -> None:
    learn, test = tmp_path / "learn.jsonl", tmp_path / "test.jsonl"
    write_log(learn, (one for one in simulate_log(120, seed=7) if one.query.task != "code"))
    write_log(test, simulate_log(60, seed=8))
    output = run(
        "evaluate", "--log", learn, "--test-log", test, *FAST, "--json", "-",
        "--exclude-tasks", "code",
    ).stdout  # fmt: skip
    assert "code" not in Evaluation.model_validate_json(output).row("best").per_task


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("knn", ("knn",)),
        ("knn, ridge", ("knn", "ridge")),
        ("knn:k=20,prior=3,ridge", ("knn:k=20,prior=3", "ridge")),
        ("best,knn:k=20", ("best", "knn:k=20")),
    ],
)
def test_routers_and_their_options_are_told_apart(text: str, found: tuple[str, ...]) -> None:
    assert specs(text) == found
