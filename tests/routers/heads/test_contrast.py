"""Stretching what is expected of specialists, and of nobody else."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fusion_agents.outcomes import Outcomes
from fusion_agents.routers.auto import AutoRouter
from fusion_agents.routers.heads.contrast import contrasted, fit_contrast, stretch
from fusion_agents.simulation import generate_questions, simulate_log
from fusion_agents.simulation.log import to_query
from fusion_agents.types import Arm, LogEntry

N = 600
STUDENT = Arm(model="student")


def world(seed: int, slopes: list[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is expected, what is scored, and the arms' means; `slopes` of one over the other."""
    rng = np.random.default_rng(seed)
    n_arms = len(slopes)
    means = np.full(n_arms, 0.5)
    expected = 0.5 + rng.normal(0.0, 0.15, (N, n_arms))
    chance = np.clip(0.5 + np.array(slopes) * (expected - 0.5), 0, 1)
    return expected, (rng.random((N, n_arms)) < chance).astype(float), means


def test_an_arm_that_differs_more_than_is_expected_is_stretched_and_the_others_are_not() -> None:
    for seed in range(5):
        contrast = fit_contrast(*world(seed, [1.0] * 8 + [2.5]))
        assert contrast[-1] > 1.6
        assert np.abs(contrast[:-1] - 1.0).max() < 0.35


def test_arms_that_are_as_expected_stay_as_they_are() -> None:
    for seed in range(10):
        contrast = fit_contrast(*world(seed, [1.0] * 9))
        assert np.abs(contrast - 1.0).max() < 0.3
        assert np.abs(contrast - 1.0).mean() < 0.1


def test_arms_without_a_score_and_logs_without_any_are_left_alone() -> None:
    expected, scores, means = world(0, [1.0, 1.0, 3.0])
    scores[:, 1] = np.nan
    assert fit_contrast(expected, scores, means)[1] == 1.0
    nothing = np.full_like(scores, np.nan)
    assert fit_contrast(expected, nothing, means).tolist() == [1.0, 1.0, 1.0]
    assert fit_contrast(np.tile(means, (N, 1)), scores, means).tolist() == [1.0, 1.0, 1.0]


def test_each_fold_is_stretched_by_what_the_others_say() -> None:
    expected, scores, means = world(3, [1.0, 1.0, 1.0, 2.5])
    folds = np.arange(N) % 5
    before, _ = contrasted(expected, scores, means, folds)
    changed = np.where((folds == 2)[:, None], 1.0 - scores, scores)
    after, _ = contrasted(expected, changed, means, folds)
    assert (before[folds == 2] == after[folds == 2]).all()
    assert (before[folds == 1] != after[folds == 1]).any()


@given(st.permutations(range(4)))
def test_the_order_of_arms_makes_no_difference(order: list[int]) -> None:
    expected, scores, means = world(1, [1.0, 0.5, 1.5, 2.5])
    there = fit_contrast(expected, scores, means)[order]
    here = fit_contrast(expected[:, order], scores[:, order], means[order])
    assert np.allclose(there, here)


def test_stretching_moves_nothing_at_the_mean() -> None:
    means = np.array([0.2, 0.8])
    assert (stretch(means[None], means, np.array([0.5, 3.0])) == means).all()


def test_auto_gives_a_specialist_its_family_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    log = list(simulate_log(700, seed=3))
    queries = list({entry.query.id: entry.query for entry in log}.values())
    some = [query for query in queries if query.task == "dates"][:66]
    others = [query for query in queries if query.task != "dates"][:200]
    log += [
        LogEntry(
            query=query, arm=STUDENT, response="x",
            performance=float(rng.random() < (0.97 if query.task == "dates" else 0.1)),
        )
        for query in (*some, *others)
    ]  # fmt: skip
    router = AutoRouter().fit(Outcomes.from_entries(log))
    fresh = [to_query(question) for question in generate_questions(240, seed=77)]
    routes = router.route([query.text for query in fresh], "performance-first")
    chosen = {
        kind: np.mean(
            [
                route.arm == STUDENT
                for query, route in zip(fresh, routes, strict=True)
                if (query.task == "dates") == kind
            ]
        )
        for kind in (True, False)
    }
    assert chosen[True] >= 0.8
    assert chosen[False] <= 0.02


def test_what_is_expected_is_never_turned_around() -> None:
    for seed in range(5):
        contrast = fit_contrast(*world(seed, [1.0] * 6 + [-2.5]))
        assert contrast.min() >= 0.0


def test_an_arm_with_a_single_answer_is_left_alone_without_a_warning() -> None:
    expected, scores, means = world(0, [1.0, 1.0, 2.5])
    scores[1:, 2] = np.nan
    expected[0, 2] = means[2]
    assert fit_contrast(expected, scores, means)[2] == 1.0
