"""What is said of a log that a policy made, one answer a query."""

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from fusion_agents.evaluation import Evaluation, evaluate
from fusion_agents.evaluation.collection import collection_of
from fusion_agents.evaluation.html import to_html
from fusion_agents.evaluation.logged import LOGGED
from fusion_agents.evaluation.off_policy import Terms, off_policy_value, resampled_values
from fusion_agents.evaluation.terminal import table
from fusion_agents.outcomes import Outcomes
from tests.evaluation.logs import KeywordEncoder, specialists

NAN = np.nan


def answered_once(rate: float, n_queries: int = 1500) -> Outcomes:
    """A log in which the first arm answered, and with probability `rate` any of the three."""
    log = specialists(n_queries)
    rng = np.random.default_rng(1)
    tried = rng.random(n_queries) < rate
    arm = np.where(tried, rng.integers(0, 3, n_queries), 0)
    seen = np.arange(3) == arm[:, None]
    chance = rate / 3 + (1 - rate) * (np.arange(3) == 0)
    values = {
        name: np.where(seen, getattr(log, name), NAN)
        for name in ("performance", "judge", "cost", "latency")
    }
    return replace(log, propensity=np.where(seen, chance, NAN), **values)


def run(log: Outcomes, objective: str = "performance-first") -> Evaluation:
    return evaluate(log, ("knn",), objective, encoder=KeywordEncoder(), n_bootstrap=200)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return run(answered_once(0.5))


def test_the_policy_that_made_the_log_has_a_row_of_its_own(evaluation: Evaluation) -> None:
    row = evaluation.row(LOGGED)
    assert row.methods["performance"] == "replay"
    assert row.ess == evaluation.n_test
    assert row.vs_logged.delta == 0
    assert max(row.arms.values()) > 0.6


def test_another_router_is_compared_with_what_the_log_earned(evaluation: Evaluation) -> None:
    row = evaluation.row("knn")
    gain = row.vs_logged
    assert gain.delta is not None
    assert gain.low is not None
    assert gain.low > 0
    assert row.methods["utility"] == "doubly-robust"
    interval = row.utility_interval
    assert interval.low is not None
    assert interval.high is not None
    assert row.utility is not None
    assert interval.low < row.utility < interval.high


def test_another_objective_is_compared_as_well() -> None:
    row = run(answered_once(0.5), "balance").row("knn")
    assert row.vs_logged.delta is not None


def test_a_log_without_exploration_says_what_it_earned_and_nothing_else() -> None:
    log = specialists(600)
    seen = np.arange(3) == (np.arange(600) % 3)[:, None]
    once = replace(log, performance=np.where(seen, log.performance, NAN), propensity=seen * 1.0)
    evaluation = run(replace(once, cost=np.where(seen, log.cost, NAN)))
    assert evaluation.row(LOGGED).performance is not None
    assert evaluation.row("knn").performance is None
    assert "chosen for certain" in str(evaluation.row("knn").note)


def test_a_log_of_all_answers_was_made_by_no_policy() -> None:
    assert LOGGED not in [row.router for row in run(specialists(300)).rows]


def test_tables_show_method_and_effective_sample_size_of_estimates(
    evaluation: Evaluation,
) -> None:
    console = Console(file=StringIO(), width=200)
    console.print(table(evaluation))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for text in ("doubly-robust", "ESS", "vs logged", LOGGED):
        assert text in shown
    assert "effective sample size" in to_html(evaluation)


def test_answers_chosen_for_certain_are_left_out_of_estimates_and_counted() -> None:
    log = answered_once(0.5)
    rows = np.arange(log.n_queries)
    certain = (rows % 3 == 0) & ~np.isnan(log.performance[:, 0])
    propensity = log.propensity.copy()
    propensity[certain, 0] = 1.0
    evaluation = run(replace(log, propensity=propensity))
    assert any("chosen for certain: nothing says" in note for note in evaluation.notes)
    ess = evaluation.row(LOGGED).ess
    assert ess is not None
    assert ess < evaluation.n_test


def test_a_query_of_which_all_is_known_can_be_used_without_a_draw() -> None:
    values = np.array([[1.0, 0.0], [1.0, NAN], [0.0, NAN]])
    propensity = np.array([[1.0, 1.0], [0.5, NAN], [1.0, NAN]])
    assert collection_of(values, propensity).unusable.tolist() == [False, False, True]


def test_intervals_widen_where_few_answers_carry_much_weight_and_values_stay() -> None:
    rng = np.random.default_rng(0)
    weight = np.where(rng.random(400) < 0.05, 20.0, 0.0)
    residual = np.where(weight > 0, rng.random(400) - 0.5, 0.0)
    terms = Terms(np.ones(400), rng.random(400), weight, residual)
    wide = terms.widened()
    assert wide.value == pytest.approx(terms.value)
    share = weight / weight.sum()
    before, after = (float(share @ (t.residual - share @ t.residual) ** 2) for t in (terms, wide))
    assert after > 1.1 * before


def test_widening_does_nothing_to_a_replay() -> None:
    terms = Terms(np.ones(5), np.zeros(5), np.ones(5), np.linspace(0, 1, 5))
    assert terms.widened() is terms
    draws = resampled_values([terms], np.arange(5), n_bootstrap=50, seed=0)
    assert draws.std() > 0


def test_an_arm_that_was_tried_on_purpose_once_in_a_hundred_queries_is_not_clipped_away() -> None:
    n = 20_000
    rng = np.random.default_rng(3)
    tried = rng.random(n) < 0.01
    good = rng.random(n) < 0.2
    values = np.where(tried[:, None], [NAN, 0.0], [0.5, NAN])
    values[tried, 1] = good[tried]
    chance = np.where(tried[:, None], [NAN, 0.01], [0.99, NAN])
    choice = np.where(good, 1, 0)
    estimate = off_policy_value(values, chance, choice, model=np.full((n, 2), 0.5), n_bootstrap=200)
    assert estimate.refusal is None
    assert estimate.low < 0.2 * 1.0 + 0.8 * 0.5 < estimate.high
