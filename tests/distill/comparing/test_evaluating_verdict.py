"""When a difference is called one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, permutation_test

from fusion_agents.distill.comparing.comparing import Pairs, contrasts
from fusion_agents.distill.comparing.given import Given, Replies
from fusion_agents.distill.comparing.verdict import LEVEL, chance_of, corrected, finding
from fusion_agents.types import Arm, LogEntry
from tests.distill.comparing.evaluating_world import question


@pytest.mark.parametrize(("won", "lost"), [(7, 2), (12, 0), (20, 11), (3, 3)])
def test_of_right_and_wrong_answers_the_chance_is_mcnemars(won: int, lost: int) -> None:
    differences = np.array([1.0] * won + [-1.0] * lost + [0.0] * 30)
    found = chance_of(differences, np.arange(len(differences)))
    assert found == pytest.approx(binomtest(won, won + lost).pvalue, abs=0.02)


def test_near_duplicates_are_one_observation() -> None:
    differences = np.ones(20)
    assert chance_of(differences, np.arange(20) // 10) == 0.5  # two groups
    assert chance_of(differences, np.arange(20)) < 0.001


def test_many_small_gains_and_few_large_losses_are_no_difference_by_flipping_alone() -> None:
    differences = np.array([0.1] * 29 + [-0.9])
    flipped = permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=9_999, rng=0
    )
    assert flipped.pvalue < LEVEL
    assert chance_of(differences, np.arange(30)) > 0.2
    assert chance_of(-differences, np.arange(30)) > 0.2


def test_of_skewed_scores_of_equal_means_about_one_in_twenty_seems_to_differ() -> None:
    """Gains of 0.1 nine times as often as losses of 0.9; by flipping alone, one in five does."""
    rng = np.random.default_rng(0)
    draws = np.where(rng.random((200, 30)) < 0.9, 0.1, -0.9)
    found = [chance_of(differences, np.arange(30)) for differences in draws]
    assert np.mean(np.array(found) < LEVEL) <= 0.1


def test_nothing_differs_is_no_evidence() -> None:
    assert chance_of(np.zeros(50), np.arange(50)) == 1.0
    assert chance_of(np.zeros(0), np.arange(0)) == 1.0


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=12))
def test_correcting_never_makes_a_chance_smaller_and_keeps_the_order(chances: list[float]) -> None:
    found = corrected(chances)
    assert all(a <= b <= 1.0 for a, b in zip(chances, found, strict=True))
    order = np.argsort(chances, kind="stable")
    assert np.all(np.diff(np.array(found)[order]) >= 0)
    assert min(found) == min(1.0, len(chances) * min(chances))


def test_a_finding_needs_interval_and_chance() -> None:
    assert finding(30, 0.2, 0.1, 0.3, 0.01) == "helped"
    assert finding(30, -0.2, -0.3, -0.1, 0.01) == "hurt"
    assert finding(30, 0.2, 0.1, 0.3, 0.06) == "no certain difference"
    assert finding(30, 0.2, -0.01, 0.3, 0.01) == "no certain difference"
    assert finding(9, 0.2, 0.1, 0.3, 0.01) == "too few"
    assert finding(0, None, None, None, None) == "too few"


def _pairs(differences: dict[str, list[int]]) -> Pairs:
    """One query for each difference: 1 for a gain, -1 for a loss, 0 for right both times."""
    queries, sides = [], ({}, {})  # type: ignore[var-annotated]
    for task, found in differences.items():
        for i, difference in enumerate(found):
            query = question("sums", len(queries)).model_copy(
                update={"task": task, "id": f"{task}{i}"}
            )
            queries.append(query)
            for side, right in zip(sides, (difference < 1, difference > -1), strict=True):
                entry = LogEntry(query=query, arm=Arm(model="m"), response="-")
                side[query.id] = Given(entry, float(right), None, no_answer=False)
    return Pairs(queries, *(Replies(side, {}) for side in sides))


def test_of_many_tasks_one_that_seems_better_by_chance_is_not_called_so() -> None:
    lucky = [1] * 7 + [-1] + [0] * 12  # p = 0.07 of eight that differ; alone 7 of 7 would do
    lone = contrasts(_pairs({"a": [1] * 7 + [0] * 13}), n_bootstrap=500)
    many = contrasts(
        _pairs({"a": [1] * 7 + [0] * 13, **{f"b{i}": [1, -1] + [0] * 18 for i in range(8)}}),
        n_bootstrap=500,
    )
    assert lone[0].finding == "helped"
    assert many[0].finding == "no certain difference"
    assert many[0].low is not None
    assert many[0].low > 0  # the interval is of this task alone
    assert contrasts(_pairs({"a": lucky}), n_bootstrap=500)[0].finding == "no certain difference"


def test_a_single_task_is_tested_once() -> None:
    task, over_all = contrasts(_pairs({"a": [1] * 7 + [0] * 13}), n_bootstrap=200)
    assert (task.over, over_all.over) == ("task", "queries")
    assert task.p == over_all.p == pytest.approx(2 / 2**7)


def test_in_the_mean_of_tasks_a_small_task_weighs_as_much_as_a_large_one() -> None:
    rows = contrasts(_pairs({"large": [0] * 60, "small": [1] * 12}), n_bootstrap=200)
    assert [row.over for row in rows] == ["task", "task", "tasks", "queries"]
    assert rows[2].delta == pytest.approx(0.5)
    assert rows[3].delta == pytest.approx(12 / 72)


def test_the_same_seed_gives_the_same_figures() -> None:
    pairs = _pairs({"a": [1, -1, 1, 0] * 10, "b": [0, 1] * 10})
    assert contrasts(pairs, n_bootstrap=300, seed=3) == contrasts(pairs, n_bootstrap=300, seed=3)
