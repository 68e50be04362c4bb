import numpy as np

from fusion_agents.routers.cluster import ClusterRouter, cluster_centers, soft_clusters
from tests.routers.samples import make_batch, make_sample

RANDOM = np.random.default_rng(0)
CORNERS = np.eye(3, dtype=np.float32)
VECTORS = (np.repeat(CORNERS, 50, axis=0) + 0.05 * RANDOM.normal(size=(150, 3))).astype(np.float32)
SCORES = np.repeat(np.eye(3), 50, axis=0)


def test_the_clusters_are_found_and_their_best_arms_chosen() -> None:
    model = ClusterRouter(n_clusters=3).learn(make_sample(VECTORS, SCORES))
    assert model.predict(make_batch(CORNERS)).mean.argmax(axis=1).tolist() == [0, 1, 2]


def test_there_are_no_more_clusters_than_different_queries() -> None:
    assert len(cluster_centers(np.repeat(CORNERS, 5, axis=0), n_clusters=10, seed=0)) == 3


def test_a_query_belongs_to_the_nearest_clusters_with_weights_that_sum_to_one() -> None:
    weights = soft_clusters(VECTORS, CORNERS, nearest=2, sharpness=9.0)
    assert ((weights > 0).sum(axis=1) == 2).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    assert (weights.argmax(axis=1) == np.repeat([0, 1, 2], 50)).all()


def test_centres_are_unit_vectors() -> None:
    centers = cluster_centers(VECTORS, n_clusters=5, seed=0)
    np.testing.assert_allclose(np.linalg.norm(centers, axis=1), 1.0, rtol=1e-5)
