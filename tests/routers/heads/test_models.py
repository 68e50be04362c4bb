import numpy as np

from fusion_agents.routers.heads.latent import membership, spherical_k_means
from fusion_agents.routers.heads.linear import fit_logistic, fit_softmax, with_constant
from fusion_agents.routers.heads.neighbours import NeighbourHead, nearest
from fusion_agents.routers.heads.novelty import Novelty
from fusion_agents.routers.heads.tasks import fit_ridge, group_means
from fusion_agents.routers.interfaces import Batch
from fusion_agents.types import Query
from tests.routers.samples import make_sample


def _unit(n: int, dims: int, seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).standard_normal((n, dims)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_the_nearest_are_those_of_an_exact_search() -> None:
    logged, asked = _unit(700, 12, 0), _unit(600, 12, 1)

    found = nearest(logged, asked, 7)

    exact = np.argsort(-(asked @ logged.T), axis=1)[:, :7]
    np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(exact, axis=1))


def test_a_neighbour_mean_is_the_shrunk_mean_of_known_scores() -> None:
    vectors = np.eye(4, dtype=np.float32)
    scores = np.array([[1.0, 0.0], [1.0, np.nan], [0.0, 1.0], [0.0, 1.0]])

    model = NeighbourHead(k=4, prior=2.0, n_kept=3).fit(make_sample(vectors, scores))
    estimate = model.predict(Batch([Query(text="x")], vectors[:1]))

    for arm, known in enumerate((scores[:, 0], np.array([0.0, 1.0, 1.0]))):
        centred = known - model.means[arm]
        expected = model.means[arm] + centred.sum() / (len(known) + 2.0)
        assert np.isclose(estimate.mean[0, arm], expected)


def test_logistic_weights_sit_where_the_gradient_is_zero() -> None:
    vectors = _unit(300, 4, 2)
    scores = np.clip(0.5 + 0.4 * vectors[:, :2], 0, 1).astype(float)
    scores[::3, 0] = np.nan

    weights = fit_logistic(vectors, scores, penalty=1.0, n_steps=200)

    x, known = with_constant(vectors), ~np.isnan(scores)
    residual = np.where(known, 1 / (1 + np.exp(-x @ weights)) - np.nan_to_num(scores), 0.0)
    slope = x.T @ residual
    np.testing.assert_allclose(slope[:-1], -weights[:-1], atol=1e-3)


def test_softmax_regression_separates_separable_classes() -> None:
    classes = np.repeat([0, 1, 2], 50)
    vectors = (np.eye(3)[classes] + 0.05).astype(np.float32)

    weights = fit_softmax(vectors, classes, penalty=0.01, n_steps=100)

    assert ((with_constant(vectors) @ weights).argmax(axis=1) == classes).all()


def test_masked_ridge_equals_the_ridge_of_the_known_rows() -> None:
    x = with_constant(_unit(50, 3, 5))
    targets = np.random.default_rng(0).random((50, 2))
    targets[10:20, 1] = np.nan

    weights = fit_ridge(x, targets, 2.0)

    rows = ~np.isnan(targets[:, 1])
    alone = fit_ridge(x[rows], targets[rows][:, 1:], 2.0)
    np.testing.assert_allclose(weights[:, 1:], alone)


def test_a_group_without_answers_gets_the_mean_of_the_arm() -> None:
    means = group_means(
        np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[1.0], [1.0]]), np.array([0.5]), prior=2.0
    )

    # level (1 - 0.5) * 2 / (2 + 2) = 0.25, and half of what is left of the arm's own 0.5
    np.testing.assert_allclose(means, [[0.875], [0.5]])


def test_an_arm_that_was_not_asked_hard_questions_is_not_taken_to_be_good_at_them() -> None:
    easy_then_hard = np.array([[1.0, 0.0]] * 40 + [[0.0, 1.0]] * 40)
    scores = np.full((80, 2), np.nan)
    scores[:40] = 0.9
    scores[40:, 0] = 0.1  # the second arm was asked easy questions only

    means = group_means(easy_then_hard, scores, np.array([0.5, 0.5]), prior=10.0)

    assert means[1, 1] < 0.3
    np.testing.assert_allclose(means[0, 0], means[0, 1])


def test_on_a_complete_log_the_level_changes_no_difference_between_arms() -> None:
    rng = np.random.default_rng(0)
    groups, scores = np.eye(3)[rng.integers(0, 3, 60)], rng.random((60, 4))
    arm_means = scores.mean(axis=0)

    means = group_means(groups, scores, arm_means, prior=10.0)

    count = groups.sum(axis=0)[:, None]
    plain = arm_means + groups.T @ (scores - arm_means) / (count + 10.0)
    apart = means - plain
    np.testing.assert_allclose(apart, np.broadcast_to(apart[:, :1], apart.shape), atol=1e-12)


def test_k_means_finds_clusters_that_are_far_apart() -> None:
    truth = np.repeat([0, 1, 2], 40)
    vectors = np.eye(3)[truth] + 0.1 * np.random.default_rng(0).random((120, 3))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    centres = spherical_k_means(vectors, 3, seed=0)
    member = membership(vectors, centres, n_nearest=2, sharpness=9.0)

    assert len({tuple(np.unique(member[truth == t].argmax(axis=1))) for t in range(3)}) == 3
    np.testing.assert_allclose(member.sum(axis=1), 1)


def test_the_demand_rises_as_similarity_falls() -> None:
    vectors = _unit(400, 6, 7)
    sample = make_sample(vectors, np.random.default_rng(0).random((400, 2)))
    model = NeighbourHead(n_kept=6).fit(sample)
    novelty = Novelty.fit(model, vectors, sample.folds, share=0.2, caution=0.15)

    demand = novelty.demand(model, vectors)

    assert (demand == 0).mean() > 0.7
    assert np.isclose(demand[np.isfinite(demand)].max(initial=0), 0.15, atol=0.15)
    assert (demand >= 0).all()


def test_no_share_asks_for_nothing() -> None:
    vectors = _unit(50, 6, 7)
    sample = make_sample(vectors, np.random.default_rng(0).random((50, 2)))
    model = NeighbourHead(n_kept=6).fit(sample)

    novelty = Novelty.fit(model, vectors, sample.folds, share=0.0, caution=0.15)

    assert (novelty.demand(model, -vectors) == 0).all()
