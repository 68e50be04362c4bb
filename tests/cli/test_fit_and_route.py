import json
from pathlib import Path

import pytest

from fusion_agents.routers.artefact import load_router
from fusion_agents.types import Route
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
    routes = [Route.model_validate_json(line) for line in target.read_text().splitlines()]
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
    assert [("error" in line, line.get("row")) for line in lines] == [
        (False, None),
        (True, 2),
        (False, None),
        (True, 4),
    ]
    assert "routed 2 queries; 2 rows could not be routed" in result.stderr


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
