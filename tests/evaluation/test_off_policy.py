import numpy as np
import pytest

from fusion_agents.evaluation.off_policy import off_policy_value
from fusion_agents.outcomes import FloatMatrix, IntVector

NAN = np.nan
N_ARMS = 4


def test_replay_is_the_mean_of_the_chosen_cells() -> None:
    values = np.array([[1.0, 0.0], [0.2, 0.6], [0.5, 0.0]])
    estimate = off_policy_value(values, np.ones((3, 2)), np.array([0, 1, 1]))
    assert estimate.value == pytest.approx(1.6 / 3)
    assert estimate.method == "replay"
    assert estimate.ess == 3


def test_inverse_propensity_weighs_what_was_rarely_drawn() -> None:
    values = np.tile([[1.0, NAN], [NAN, 0.0], [0.0, NAN], [NAN, 1.0]], (40, 1))
    propensity = np.tile([[0.25, NAN], [NAN, 0.75], [0.75, NAN], [NAN, 0.25]], (40, 1))
    estimate = off_policy_value(values, propensity, np.zeros(160, dtype=np.int64))
    assert estimate.method == "inverse-propensity"
    assert estimate.value == pytest.approx((1 / 0.25) / (1 / 0.25 + 1 / 0.75))
    assert estimate.ess == pytest.approx(40 * (4 + 4 / 3) ** 2 / (16 + 16 / 9))


def test_a_perfect_forecast_makes_doubly_robust_exact() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((200, 2))
    seen = np.where(np.arange(2) == rng.integers(0, 2, 200)[:, None], truth, NAN)
    choice = rng.integers(0, 2, 200)
    estimate = off_policy_value(seen, np.where(np.isnan(seen), NAN, 0.5), choice, model=truth)
    assert estimate.method == "doubly-robust"
    assert estimate.value == pytest.approx(truth[np.arange(200), choice].mean())
    assert estimate.low <= estimate.value <= estimate.high


def test_a_log_that_chose_for_certain_is_refused() -> None:
    values = np.tile([[1.0, NAN]], (100, 1))
    values[::2] = [NAN, 0.0]
    estimate = off_policy_value(values, np.ones((100, 2)), np.zeros(100, dtype=np.int64))
    assert np.isnan(estimate.value)
    assert "chosen for certain" in str(estimate.refusal)


def test_too_few_matching_answers_are_refused() -> None:
    values = np.full((100, 2), NAN)
    values[:, 0] = 1.0
    values[:20] = [NAN, 1.0]
    propensity = np.where(np.isnan(values), NAN, [[0.8, 0.2]])
    estimate = off_policy_value(values, propensity, np.ones(100, dtype=np.int64))
    assert "effective sample size 20" in str(estimate.refusal)


def test_an_arm_that_was_never_tried_where_it_would_be_chosen_is_refused() -> None:
    values = np.full((400, 2), NAN)
    propensity = np.full((400, 2), NAN)
    values[:200], propensity[:200, 0] = [1.0, NAN], 0.999
    drawn = np.arange(200, 400) % 2
    values[np.arange(200, 400), drawn] = 1.0
    propensity[np.arange(200, 400), drawn] = 0.5
    estimate = off_policy_value(values, propensity, np.ones(400, dtype=np.int64))
    assert "never tried" in str(estimate.refusal)


def test_missing_scores_are_not_zero() -> None:
    values = np.array([[1.0, 1.0], [NAN, NAN]])
    assert off_policy_value(values, np.ones((2, 2)), np.array([0, 0])).value == 1.0


class World:
    """Queries whose outcomes depend on a feature, and logging policies that see it too."""

    def __init__(self, n: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.feature = rng.random(n)
        slopes = np.linspace(-0.6, 0.6, N_ARMS)
        self.chance = np.clip(0.5 + slopes * (self.feature[:, None] - 0.5), 0, 1)
        self.values = (rng.random((n, N_ARMS)) < self.chance).astype(float)

    def policies(self) -> list[IntVector]:
        steps = np.minimum((self.feature * N_ARMS).astype(np.int64), N_ARMS - 1)
        always = [np.full(len(self.feature), arm) for arm in (0, N_ARMS - 1)]
        return [*always, steps, N_ARMS - 1 - steps, (steps + 1) % N_ARMS]

    def log(self, rng: np.random.Generator, skew: float) -> tuple[FloatMatrix, FloatMatrix]:
        weight = np.exp(skew * self.feature[:, None] * np.arange(N_ARMS))
        probability = weight / weight.sum(axis=1, keepdims=True)
        cut = rng.random((len(weight), 1)) > probability.cumsum(axis=1)
        drawn = np.arange(N_ARMS) == np.minimum(cut.sum(axis=1, keepdims=True), N_ARMS - 1)
        return np.where(drawn, self.values, NAN), np.where(drawn, probability, NAN)


@pytest.mark.parametrize("skew", [0.0, 0.8])
def test_doubly_robust_intervals_cover_the_true_value(skew: float) -> None:
    n, repetitions = 500, 100
    everything = World(50_000, seed=99)
    rows = np.arange(len(everything.feature))
    truth = [everything.chance[rows, choice].mean() for choice in everything.policies()]
    covered = np.zeros((repetitions, len(truth)), dtype=bool)
    rng = np.random.default_rng(7)
    for i in range(repetitions):
        world = World(n, seed=1000 + i)
        seen, propensity = world.log(rng, skew)
        wrong = np.broadcast_to(np.linspace(0.4, 0.6, N_ARMS), seen.shape)
        for j, choice in enumerate(world.policies()):
            estimate = off_policy_value(
                seen, propensity, choice, model=wrong, n_bootstrap=300, seed=i
            )
            assert estimate.refusal is None
            covered[i, j] = estimate.low <= truth[j] <= estimate.high
    assert covered.mean() >= 0.9
    assert covered.mean(axis=0).min() >= 0.85
