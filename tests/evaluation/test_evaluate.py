import json
from dataclasses import replace

import numpy as np
import pytest

from fusion_agents.errors import ConfigError
from fusion_agents.evaluation import Evaluation, evaluate
from fusion_agents.outcomes import Outcomes
from fusion_agents.routers import make_router
from tests.evaluation.logs import KeywordEncoder, outcomes_of, specialists

NAN = np.nan


def run(log: Outcomes, *routers: str, **options: object) -> Evaluation:
    given = {"encoder": KeywordEncoder(), "n_bootstrap": 300, **options}
    return evaluate(log, routers or ("knn",), **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def log() -> Outcomes:
    return specialists(600)


@pytest.fixture(scope="module")
def evaluation(log: Outcomes) -> Evaluation:
    return run(log, "knn", "random", "cheapest")


def test_a_router_that_sees_the_kinds_pays(evaluation: Evaluation) -> None:
    gain = evaluation.row("knn").vs_best
    assert gain.delta is not None
    assert gain.low is not None
    assert 0 < gain.low < gain.delta
    assert evaluation.verdict.finding == "pays"
    assert evaluation.verdict.router == "knn"


def test_the_best_single_arm_is_level_with_itself(evaluation: Evaluation) -> None:
    best = evaluation.row("best")
    assert (best.vs_best.delta, best.vs_best.low, best.vs_best.high) == (0.0, 0.0, 0.0)
    assert best.oracle_gap == 0.0
    assert len(best.arms) == 1


def test_the_oracle_bounds_every_router(evaluation: Evaluation) -> None:
    oracle = evaluation.row("oracle")
    assert oracle.oracle_gap == 1.0
    for row in evaluation.rows:
        assert row.utility is not None
        assert oracle.utility is not None
        assert row.utility <= oracle.utility


def test_figures_are_the_means_of_the_chosen_cells() -> None:
    rng = np.random.default_rng(0)
    performance = np.column_stack([np.full(200, 0.25), np.full(200, 0.75), rng.random(200) / 4])
    cost = np.tile([0.001, 0.005, 0.003], (200, 1))
    found = run(outcomes_of(performance, cost=cost), "cheapest", objective="balance")
    cheapest, best, oracle = (found.row(name) for name in ("cheapest", "best", "oracle"))
    assert cheapest.utility == pytest.approx(0.5 * 0.25 - 0.5 * 0.0)
    assert cheapest.cost == pytest.approx(0.001)
    assert cheapest.arms == {"arm0@direct": 1.0}
    assert best.arms == {"arm0@direct": 1.0}
    assert oracle.utility == pytest.approx(0.125)
    assert oracle.oracle_gap is None
    assert cheapest.performance_vs_best.delta == 0.0


def test_the_oracle_gap_is_the_share_of_the_distance_closed() -> None:
    kinds = np.arange(300) % 3
    performance = np.where(kinds[:, None] == np.arange(3), 1.0, 0.0)
    performance[:, 0] = np.where(kinds == 1, 0.0, 1.0)
    names = ["sum", "poem", "fact"]
    texts = [f"{names[kind]} number{i} word{i} end{i}" for i, kind in enumerate(kinds)]
    found = run(outcomes_of(performance, texts=texts), "knn:k=10")
    knn, best = found.row("knn:k=10"), found.row("best")
    assert knn.performance == 1.0
    assert knn.oracle_gap == 1.0
    assert knn.vs_best.delta == pytest.approx(1.0 - (best.performance or 0.0))


def test_the_same_log_in_another_order_gives_the_same_figures(
    log: Outcomes, evaluation: Evaluation
) -> None:
    rows = np.random.default_rng(5).permutation(log.n_queries)
    shuffled = run(log.take(rows).take_arms([2, 0, 1]), "knn", "random", "cheapest")
    assert without_timings(shuffled) == without_timings(evaluation)


def test_two_runs_agree_and_another_seed_differs(log: Outcomes, evaluation: Evaluation) -> None:
    again = run(log, "knn", "random", "cheapest")
    other = run(log, "knn", "random", "cheapest", seed=1)
    assert without_timings(again) == without_timings(evaluation)
    assert without_timings(other) != without_timings(evaluation)


def test_the_report_round_trips_through_json(evaluation: Evaluation) -> None:
    text = evaluation.model_dump_json()
    assert "NaN" not in text
    assert Evaluation.model_validate_json(text) == evaluation
    row = json.loads(text)["rows"][0]
    wanted = {"router", "performance", "cost", "judge", "utility", "vs_best", "oracle_gap"}
    assert wanted | {"arms", "fit_seconds", "route_ms", "per_task"} <= set(row)
    assert row["judge"] is None


def test_shares_of_arms_add_up(evaluation: Evaluation) -> None:
    for row in evaluation.rows:
        assert sum(row.arms.values()) == pytest.approx(1.0)


def test_tasks_divide_the_test_queries(evaluation: Evaluation) -> None:
    tasks = evaluation.row("knn").per_task
    assert set(tasks) == {"fact", "poem", "sum"}
    assert sum(task.n for task in tasks.values()) == evaluation.n_test
    mean = sum(task.n * (task.performance or 0) for task in tasks.values()) / evaluation.n_test
    assert mean == pytest.approx(evaluation.row("knn").performance)


def test_a_router_that_cannot_serve_is_a_row_and_not_a_crash(log: Outcomes) -> None:
    without_cost = replace(log, cost=np.full(log.cost.shape, NAN))
    row = run(without_cost, "cheapest", "knn").row("cheapest")
    assert row.performance is None
    assert row.note is not None
    assert "ObjectiveError" in row.note


def test_an_unknown_router_is_refused_by_name(log: Outcomes) -> None:
    with pytest.raises(ConfigError, match="nosuch"):
        run(log, "nosuch")


def test_routers_given_as_objects_are_not_touched(log: Outcomes) -> None:
    router = make_router("knn:k=7", encoder=KeywordEncoder())
    found = evaluate(log, [router, "knn"], encoder=KeywordEncoder(), n_bootstrap=50)
    assert router.fitted_ is None
    assert [row.router for row in found.rows] == ["knn", "best", "oracle"]


def test_excluded_arms_are_gone(log: Outcomes) -> None:
    found = run(log, exclude_arms=["big"])
    assert {arm.arm for arm in found.arms} == {"small@direct", "middle@think"}


def test_a_second_log_is_tested_on(log: Outcomes) -> None:
    fresh = specialists(300, seed=9)
    texts = [
        f"{query.text.split()[0]} other{i} new{i} x{i}" for i, query in enumerate(fresh.queries)
    ]
    renamed = replace(
        fresh,
        queries=tuple(
            query.model_copy(update={"text": text, "id": text})
            for query, text in zip(fresh.queries, texts, strict=True)
        ),
    )
    found = run(log, test_log=renamed)
    assert (found.n_train, found.n_test) == (600, 300)
    assert found.verdict.finding == "pays"


def test_anything_that_gives_outcomes_is_a_log(log: Outcomes) -> None:
    class Kept:
        def outcomes(self) -> Outcomes:
            return log

    assert evaluate(Kept(), ["random"], n_bootstrap=10).n_train == run(log, "random").n_train


def test_progress_is_reported_to_its_end(log: Outcomes) -> None:
    seen: list[tuple[str, int, int]] = []
    run(log, on_progress=lambda step, done, total: seen.append((step, done, total)))
    assert seen[0][0] == "split"
    assert seen[-1][1] == seen[-1][2]
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_failed_attempts_are_unknown_and_not_wrong() -> None:
    performance = np.tile([1.0, 0.5], (300, 1))
    performance[::3, 0] = NAN
    errors = np.zeros((300, 2), dtype=np.int64)
    errors[::3, 0] = 1
    log = replace(outcomes_of(performance), errors=errors)
    found = run(log, "random")
    first = next(arm for arm in found.arms if arm.arm == "arm0@direct")
    assert first.performance == pytest.approx(1.0)
    assert first.error_rate == pytest.approx(1 / 3)
    assert found.row("best").performance == pytest.approx(1.0)
    assert any("missing at random assumed" in note for note in found.notes)
    assert any("failed attempts count as unknown" in note for note in found.notes)


def test_gaps_at_random_change_the_figures_little(log: Outcomes, evaluation: Evaluation) -> None:
    gone = np.random.default_rng(1).random(log.performance.shape) < 0.4
    gone &= ~gone.all(axis=1, keepdims=True)
    gone[gone.sum(axis=1) == 3] = False
    holed = replace(
        log, performance=np.where(gone, NAN, log.performance), cost=np.where(gone, NAN, log.cost)
    )
    row, truth = run(holed).row("knn"), evaluation.row("knn")
    assert row.methods["performance"] == "doubly-robust"
    assert row.performance == pytest.approx(truth.performance, abs=0.06)
    assert run(holed).row("oracle").performance is None


def test_a_log_of_drawn_arms_is_estimated_and_a_log_of_certain_ones_refused(
    log: Outcomes, evaluation: Evaluation
) -> None:
    drawn = np.random.default_rng(2).integers(0, 3, log.n_queries)
    seen = np.arange(3) == drawn[:, None]
    logged = replace(
        log,
        performance=np.where(seen, log.performance, NAN),
        cost=np.where(seen, log.cost, NAN),
        propensity=np.where(seen, 1 / 3, NAN),
    )
    estimated = run(logged).row("knn")
    assert estimated.methods["utility"] == "doubly-robust"
    assert estimated.ess is not None
    assert estimated.ess < evaluation.n_test
    assert estimated.performance == pytest.approx(evaluation.row("knn").performance, abs=0.15)

    certain = run(replace(logged, propensity=np.where(seen, 1.0, NAN)))
    assert certain.verdict.finding == "cannot tell"
    assert certain.row("knn").utility is None
    assert "chosen for certain" in (certain.row("knn").note or "")


def test_a_judge_only_log_is_judged_by_its_judge(log: Outcomes) -> None:
    judged = replace(log, judge=log.performance, performance=np.full(log.judge.shape, NAN))
    found = run(judged, objective="judge")
    row = found.row("knn")
    assert row.performance is None
    assert row.judge == row.utility
    assert row.calibration is not None
    assert found.curve


def without_timings(evaluation: Evaluation) -> dict[str, object]:
    data = evaluation.model_dump(exclude={"encoder_fit_seconds", "encode_ms"})
    for row in data["rows"]:
        for name in ("fit_seconds", "learn_seconds", "route_ms"):
            del row[name]
    return data
