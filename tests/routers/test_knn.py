import numpy as np
import pytest

from fusion_agents.routers.knn import KNNRouter, unit
from tests.routers.samples import make_batch, make_sample

RANDOM = np.random.default_rng(0)
LOGGED = RANDOM.normal(size=(1500, 8)).astype(np.float32)
SCORES = RANDOM.random((1500, 3))
ASKED = RANDOM.normal(size=(1100, 8)).astype(np.float32)


def test_the_search_finds_exactly_the_nearest_queries_also_in_several_chunks() -> None:
    model = KNNRouter(k=7, weights="uniform", prior=0.0).learn(make_sample(LOGGED, SCORES))
    nearest = np.argsort(-unit(ASKED) @ unit(LOGGED).T, axis=1)[:, :7]
    np.testing.assert_allclose(
        model.predict(make_batch(ASKED)).mean, SCORES[nearest].mean(axis=1), atol=1e-9
    )


def test_nearer_queries_weigh_more_when_weighed_by_similarity() -> None:
    sample = make_sample([[1.0, 0.0], [0.6, 0.8]], [[1.0, 0.0], [0.0, 1.0]])
    model = KNNRouter(k=2, weights="similarity", prior=0.0).learn(sample)
    mean = model.predict(make_batch([[1.0, 0.0]])).mean
    np.testing.assert_allclose(mean, [[1 / 1.6, 0.6 / 1.6]], atol=1e-6)


def test_queries_exactly_as_near_as_the_last_neighbour_count_too() -> None:
    sample = make_sample([[1.0, 0.0]] * 4 + [[0.0, 1.0]], [[1.0], [0.0], [0.0], [0.0], [1.0]])
    model = KNNRouter(k=2, weights="uniform", prior=0.0).learn(sample)
    assert model.predict(make_batch([[1.0, 0.0]])).mean[0, 0] == pytest.approx(0.25)


def test_more_neighbours_than_queries_means_all_queries() -> None:
    sample = make_sample(LOGGED[:5], SCORES[:5])
    model = KNNRouter(k=100, weights="uniform", prior=0.0).learn(sample)
    np.testing.assert_allclose(
        model.predict(make_batch(ASKED[:1])).mean[0], SCORES[:5].mean(axis=0)
    )


def test_a_log_with_missing_cells_is_searched_for_as_many_answers() -> None:
    scores = SCORES.copy()
    scores[np.arange(1500), np.arange(1500) % 3] = np.nan
    assert KNNRouter(k=20).learn(make_sample(LOGGED, scores)).k == 30


def test_a_query_without_words_gets_a_forecast() -> None:
    estimate = KNNRouter(k=20).learn(make_sample(LOGGED, SCORES)).predict(make_batch(0 * ASKED[:1]))
    assert np.isfinite(estimate.mean).all()


def test_the_standard_error_is_about_the_distance_to_the_truth() -> None:
    random = np.random.default_rng(1)
    vectors = unit(random.normal(size=(3500, 5)).astype(np.float32))
    truth = 0.5 + 0.4 * vectors[:, :1] * [1.0, -1.0]
    sample = make_sample(vectors[500:], random.random((3000, 2)) < truth[500:])
    estimate = KNNRouter(k=100).learn(sample).predict(make_batch(vectors[:500]))
    ratio = (estimate.mean - truth[:500]) / estimate.std
    assert 0.5 < np.sqrt((ratio**2).mean()) < 1.5
