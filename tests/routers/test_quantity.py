import numpy as np

from fusion_agents.routers.quantity import QuantityModel
from fusion_agents.types import Query

RANDOM = np.random.default_rng(0)
QUERIES = [Query(id=str(i), text="x" * (10 + 5 * i)) for i in range(200)]
VECTORS = RANDOM.normal(size=(200, 4)).astype(np.float32)
LENGTH = np.array([len(query.text) for query in QUERIES])
COSTS = 1e-6 * LENGTH[:, None] * [1.0, 10.0] * np.exp(0.5 * VECTORS[:, :1])


def forecast(values: np.ndarray, vectors: np.ndarray = VECTORS) -> np.ndarray:
    return QuantityModel.fit(QUERIES, vectors, values).predict(QUERIES, vectors)


def test_a_longer_query_is_expected_to_cost_more() -> None:
    expected = forecast(COSTS)
    assert np.corrcoef(expected[:, 0], COSTS[:, 0])[0, 1] > 0.9


def test_forecasts_over_the_log_have_the_logs_mean() -> None:
    np.testing.assert_allclose(forecast(COSTS).mean(axis=0), COSTS.mean(axis=0), rtol=0.02)


def test_forecasts_stay_within_what_was_seen() -> None:
    model = QuantityModel.fit(QUERIES, VECTORS, COSTS)
    far = model.predict([Query(text="x" * 10**6)], 100 * VECTORS[:1])
    assert (far <= COSTS.max(axis=0)).all()
    assert (far >= COSTS.min(axis=0)).all()


def test_few_values_give_their_mean_and_none_give_nothing() -> None:
    few = COSTS.copy()
    few[10:, 0] = np.nan
    few[:, 1] = np.nan
    expected = forecast(few)
    np.testing.assert_allclose(expected[:, 0], COSTS[:10, 0].mean())
    assert np.isnan(expected[:, 1]).all()


def test_an_arm_that_is_free_stays_free() -> None:
    free = COSTS.copy()
    free[:, 0] = 0.0
    assert (forecast(free)[:, 0] == 0.0).all()


def test_without_vectors_each_query_gets_the_mean() -> None:
    nothing = np.zeros((200, 0), dtype=np.float32)
    np.testing.assert_allclose(forecast(COSTS, nothing), np.tile(COSTS.mean(axis=0), (200, 1)))
