"""Means, differences and intervals."""

import numpy as np
import pytest

from fusion_agents.evaluation.intervals import means_of
from fusion_agents.studying.answers import Given
from fusion_agents.studying.measuring import Asked, Figures, account, compare
from fusion_agents.types import Arm, Query, Usage

SMALL = "small"


def given(score: float | None, cost: float | None = 0.1) -> Given:
    return Given(score, cost, Usage(input_tokens=10), cut_off=False, with_templates=False)


def figures(
    scores: dict[str, list[float | None]], tasks: list[str] | None = None, **options: int
) -> Figures:
    n = len(next(iter(scores.values())))
    names = tasks or ["one"] * n
    queries = [
        Query(text=f"What does the {chr(97 + i) * 9} of house {i * i} do?", task=names[i])
        for i in range(n)
    ]
    answers = {
        Arm(model=SMALL, strategy=name): [given(score) for score in column]
        for name, column in scores.items()
    }
    asked = Asked.of(queries)._replace(groups=np.arange(n))
    return compare(SMALL, list(scores), answers, asked, n_bootstrap=500, **options)


def test_differences_are_paired() -> None:
    rng = np.random.default_rng(0)
    easy = rng.random(40)
    more = easy * 0.5 + 0.1 + 0.001 * rng.random(40)
    found = figures({"zero-shot": list(easy * 0.5), "thought-hybrid": list(more)})
    [gain] = found.gains[:1]
    assert gain.delta == pytest.approx(0.1, abs=0.001)
    assert gain.high - gain.low < 0.001  # type: ignore[operator]
    level = found.levels[0]
    assert level.high - level.low > 0.05  # type: ignore[operator]


def test_questions_that_are_all_alike_do_not_make_it_certain() -> None:
    found = figures({"zero-shot": [1.0] * 20, "few-shot": [1.0] * 20})
    level, gain = found.levels[0], found.gains[0]
    assert (level.low, level.high) == (pytest.approx(0.85), 1.0)
    assert (gain.low, gain.high) == (pytest.approx(-0.15), pytest.approx(0.15))


def test_only_questions_that_both_answered_are_compared() -> None:
    zero = [0.0] * 11 + [1.0]
    thought: list[float | None] = [1.0] * 11 + [None]
    found = figures({"zero-shot": list(zero), "thought-hybrid": thought})
    assert found.gains[0].n == 11
    assert found.gains[0].delta == 1.0


def test_few_questions_have_no_interval() -> None:
    found = figures({"zero-shot": [0.0] * 9, "few-shot": [1.0] * 9})
    assert found.gains[0].delta == 1.0
    assert found.gains[0].low is None


def test_near_duplicates_count_once() -> None:
    columns = np.ones((30, 1))
    means = means_of(columns, [0] * 30, np.zeros(30, int), n_bootstrap=9, seed=0)
    assert means.of_queries(0).n_groups == 1
    assert means.of_queries(0).low is None


def test_the_mean_of_tasks_weighs_tasks_alike() -> None:
    tasks = ["many"] * 30 + ["few"] * 10
    found = figures({"zero-shot": [1.0] * 30 + [0.0] * 10, "few-shot": [0.0] * 40}, tasks)
    over = {level.over: level for level in found.levels if level.condition == "zero-shot"}
    assert over["queries"].performance == pytest.approx(0.75)
    assert over["tasks"].performance == pytest.approx(0.5)


def test_every_condition_is_compared_with_every_baseline_once() -> None:
    names = ["zero-shot", "few-shot", "thought-judge", "random-template"]
    found = figures({name: [0.5] * 12 for name in names})
    pairs = [(gain.condition, gain.baseline) for gain in found.gains if gain.over == "queries"]
    assert pairs == [
        ("few-shot", "zero-shot"),
        ("thought-judge", "zero-shot"),
        ("random-template", "zero-shot"),
        ("thought-judge", "few-shot"),
        ("random-template", "few-shot"),
        ("thought-judge", "random-template"),
    ]


def test_without_a_baseline_the_first_condition_is_one() -> None:
    found = figures({"thought-judge": [0.5] * 12, "thought-hybrid": [0.5] * 12})
    assert {(gain.condition, gain.baseline) for gain in found.gains} == {
        ("thought-hybrid", "thought-judge")
    }


def test_intervals_of_nothing_hold_zero_as_often_as_they_say() -> None:
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        scores = {
            name: [float(right) for right in rng.random(80) < 0.6]
            for name in ("zero-shot", "few-shot")
        }
        gain = figures(scores, seed=seed).gains[0]
        held += gain.low <= 0.0 <= gain.high  # type: ignore[operator]
    assert held >= 52


def test_an_account_counts_what_is_missing_as_wrong_beside_the_mean() -> None:
    arm = Arm(model=SMALL, strategy="zero-shot")
    found = account(arm, [given(1.0), given(None), None, given(1.0)], 0.4, complete=True)
    assert (found.answered, found.failed, found.unscored) == (3, 1, 1)
    assert found.as_wrong == 0.5
    assert found.per_question == pytest.approx((0.3 + 0.4) / 3)


def test_what_costs_an_unknown_sum_is_not_free() -> None:
    arm = Arm(model=SMALL, strategy="zero-shot")
    found = account(arm, [given(1.0), given(1.0, None)], 0.0, complete=True)
    assert found.answers is None
    assert found.per_question is None
