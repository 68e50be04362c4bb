import json
from pathlib import Path

import pytest

from fusion_agents.routers.artefact import load_router
from fusion_agents.types import Query, Route
from tests.cli.conftest import Run


def write_queries(path: Path, *rows: object) -> Path:
    path.write_text("".join(f"{r if isinstance(r, str) else json.dumps(r)}\n" for r in rows))
    return path


def test_a_fitted_router_can_be_loaded(router: Path) -> None:
    loaded = load_router(router)
    assert loaded.name == "knn"
    assert len(loaded.fitted.arms) == 10
    assert loaded.fitted.n_queries == 150


def test_arms_and_tasks_that_are_left_out_are_not_learned_from(
    run: Run, log_file: Path, tmp_path: Path
) -> None:
    result = run(
        "fit", "--log", log_file, "--router", "best", "--out", tmp_path / "router",
        "--exclude-arms", "sim-frontier", "--exclude-tasks", "code",
    )  # fmt: skip
    assert "sim-medium@think" in result.stdout
    loaded = load_router(tmp_path / "router")
    assert loaded.fitted.n_queries == 125
    assert not any(arm.startswith("sim-frontier") for arm in loaded.fitted.arms)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--exclude-tasks", "nope"), "no task is called 'nope'; the log has arithmetic, code"),
        (("--exclude-tasks", "arithmetic,code,dates,logic,strings,units"),
         "no query is left: all tasks of the log are excluded"),
    ],
)  # fmt: skip
def test_why_nothing_is_left_to_learn_from_is_said(
    run: Run, log_file: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    out = tmp_path / "router"
    result = run("fit", "--log", log_file, "--router", "best", "--out", out, *arguments, code=2)
    assert words in result.stderr


def test_leaving_out_every_arm_is_refused_by_name(run: Run, log_file: Path, tmp_path: Path) -> None:
    lines = log_file.read_text().splitlines()
    arms = ",".join({json.loads(line)["arm"]["model"] for line in lines})
    for verb in (("fit", "--out", tmp_path / "router"), ("evaluate",)):
        result = run(*verb, "--log", log_file, "--exclude-arms", arms, code=2)
        assert "no arm is left: all arms of the log are excluded" in result.stderr


def test_a_folder_with_other_files_is_left_alone(run: Run, log_file: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    result = run("fit", "--log", log_file, "--router", "best", "--out", tmp_path, code=2)
    assert "thesis.tex" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis.tex"]


def test_a_query_is_routed_with_the_evidence(run: Run, router: Path) -> None:
    output = run("route", "--router", router, "What is 17 times 23?").stdout
    assert "sim-frontier@think" in output
    assert "±" in output


def test_one_route_as_json_is_a_route(run: Run, router: Path) -> None:
    output = run("route", "--router", router, "--json", "2 + 2?", "--objective", "balance").stdout
    route = Route.model_validate_json(output)
    assert route.objective == "balance"
    assert route.ranking[0].arm == route.arm


def test_a_file_of_queries_gives_a_line_a_row_in_order(
    run: Run, router: Path, tmp_path: Path
) -> None:
    texts = [f"Spell the word number {i} backwards, or add {i} and {2 * i}." for i in range(600)]
    queries = write_queries(tmp_path / "queries.jsonl", *({"query": text} for text in texts))
    target = tmp_path / "routes.jsonl"
    run("route", "--router", router, "--input", queries, "--output", target)
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert [line["line"] for line in lines] == list(range(1, 601))
    assert [line["query_id"] for line in lines] == [Query(text=text).id for text in texts]
    routes = [Route.model_validate(line["route"]) for line in lines]
    for i in (0, 255, 256, 599):
        (alone,) = load_router(router).route([texts[i]])
        assert routes[i].arm == alone.arm
        assert routes[i].utility == pytest.approx(alone.utility)
    assert len(routes) == 600


def test_bad_rows_become_error_rows_and_are_counted(run: Run, router: Path, tmp_path: Path) -> None:
    queries = write_queries(
        tmp_path / "queries.jsonl", {"query": "a"}, "nonsense", {"query": "b"}, {"query": 7}
    )
    result = run("route", "--router", router, "--input", queries)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [("error" in line, line["line"]) for line in lines] == [
        (False, 1),
        (True, 2),
        (False, 3),
        (True, 4),
    ]
    assert "routed 2 queries; 2 rows could not be routed" in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("q.txt", "\na\n\n\nb\n", [(2, "route"), (5, "route")]),
        ("q.jsonl", '\n{"query": "a"}\n\nbad\n\n{"query": "b"}\n',
         [(2, "route"), (4, "error"), (6, "route")]),
        ("q.csv", "query,task\na,t\n,t\nb,t\n", [(2, "route"), (3, "error"), (4, "route")]),
        ("one.csv", "query\na\nb\n", [(2, "route"), (3, "route")]),
        ("prose.txt", "Well, what is 2 + 2?\n\nAnd 3, too?\n", [(1, "route"), (3, "route")]),
        ("q.json", '[{"query": "a"}, 7, {"query": "b"}]',
         [(1, "route"), (2, "error"), (3, "route")]),
    ],
)  # fmt: skip
def test_each_row_carries_its_line_in_the_file(
    run: Run, router: Path, tmp_path: Path, name: str, content: str, expected: list[object]
) -> None:
    (tmp_path / name).write_text(content)
    output = run("route", "--router", router, "--input", tmp_path / name).stdout
    lines = [json.loads(line) for line in output.splitlines()]
    assert [(line["line"], "route" if "route" in line else "error") for line in lines] == expected
    for line in lines:
        assert "route" in line or f"{name}:{line['line']}:" in line["error"]


def test_a_query_for_which_every_arm_is_too_dear_is_an_error_row_and_the_others_are_routed(
    run: Run, router: Path, tmp_path: Path
) -> None:
    forecast = load_router(router).forecast(["short", "long " * 3000])
    cap = float(forecast.cost.min(axis=1).mean())
    assert forecast.cost[0].min() < cap < forecast.cost[1].min()
    rows = [{"query": "short"}, {"query": "long " * 3000}, {"query": "short"}]
    queries = write_queries(tmp_path / "queries.jsonl", *rows)
    result = run(
        "route", "--router", router, "--input", queries,
        "--objective", f"performance-first,max_cost={cap}",
    )  # fmt: skip
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert ["error" in line for line in lines] == [False, True, False]
    assert lines[1]["query_id"] == Query(text="long " * 3000).id
    assert "leaves no arm" in lines[1]["error"]


def test_routing_a_file_onto_itself_is_refused(run: Run, router: Path, tmp_path: Path) -> None:
    queries = write_queries(tmp_path / "queries.jsonl", {"query": "a"})
    link = tmp_path / "link.jsonl"
    link.symlink_to(queries)
    for target in (queries, link):
        result = run("route", "--router", router, "--input", queries, "--output", target, code=2)
        assert "is the input" in result.stderr
    assert json.loads(queries.read_text()) == {"query": "a"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give either one query or --input"),
        (("a", "--output", "routes.jsonl"), "--output goes with --input"),
        (("a", "--objective", "judge"), "judge"),
        (("a", "--objective", "balance,arms=nobody"), "nobody"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    run: Run, router: Path, arguments: tuple[str, ...], words: str
) -> None:
    assert words in run("route", "--router", router, *arguments, code=2).stderr


def test_an_objective_that_the_log_cannot_serve_is_refused_before_anything_is_written(
    run: Run, router: Path, tmp_path: Path
) -> None:
    queries = write_queries(tmp_path / "queries.jsonl", {"query": "a"})
    target = tmp_path / "routes.jsonl"
    result = run(
        "route", "--router", router, "--input", queries, "--output", target,
        "--objective", "judge", code=2,
    )  # fmt: skip
    assert "judge" in result.stderr
    assert not target.exists()


def test_a_folder_without_a_router_is_refused_by_name(run: Run, tmp_path: Path) -> None:
    assert str(tmp_path) in run("route", "--router", tmp_path, "a", code=2).stderr


def test_routers_are_listed_with_what_they_do(run: Run) -> None:
    output = run("routers").stdout
    for name in ("best", "cheapest", "knn", "ridge", "task-best"):
        assert f"│ {name} " in output
    assert "k=100" in output
