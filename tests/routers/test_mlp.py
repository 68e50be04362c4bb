import numpy as np

from fusion_agents.routers.mlp import Lesson, MLPRouter, Network
from tests.routers.samples import linear_sample, make_batch, make_sample


def test_the_slopes_are_those_of_the_loss() -> None:
    random = np.random.default_rng(0)
    network = Network(
        *(random.normal(size=size).astype(np.float32) for size in ((4, 6), 6, (6, 3), 3))
    )
    targets = random.random((20, 3))
    targets[::3, 1] = np.nan
    features = random.normal(size=(20, 4)).astype(np.float32)
    lesson = Lesson.of(features, targets, np.zeros((20, 3)))
    precise = Network(*(part.astype(np.float64) for part in network))  # type: ignore[arg-type]
    slopes = precise.slopes(*lesson)
    for name, slope in zip(network._fields, slopes, strict=True):
        direction = random.normal(size=slope.shape)
        ahead, behind = (
            precise._replace(**{name: getattr(precise, name) + step * direction}).loss(*lesson)
            for step in (1e-6, -1e-6)
        )
        expected = (ahead - behind) / 2e-6 / 2 / len(features)
        np.testing.assert_allclose((slope * direction).sum(), expected, rtol=1e-3, atol=1e-6)


def test_missing_targets_of_an_arm_weigh_as_much_as_twenty_answers() -> None:
    targets = np.zeros((100, 3))
    targets[3:, 1] = np.nan
    targets[:5, 2] = np.nan
    weights = Lesson.of(np.zeros((100, 2), np.float32), targets, np.zeros((100, 3))).weights
    np.testing.assert_allclose(weights.sum(axis=0), [100, 3 + 20, 100], rtol=1e-5)


def test_it_learns_what_no_linear_function_tells() -> None:
    random = np.random.default_rng(0)
    vectors = random.choice([-1.0, 1.0], size=(800, 4)) / 2
    alike = vectors[:, 0] == vectors[:, 1]
    model = MLPRouter(n_epochs=200).learn(make_sample(vectors, np.column_stack([alike, ~alike])))
    asked = np.array([[1, 1, 1, 1], [1, -1, 1, 1], [-1, -1, -1, 1], [-1, 1, 1, -1]]) / 2
    assert model.predict(make_batch(asked)).mean.argmax(axis=1).tolist() == [0, 1, 0, 1]


def test_the_seed_decides_what_is_drawn() -> None:
    sample = linear_sample()
    batch = make_batch(sample.vectors)
    one, same = (MLPRouter().learn(sample).predict(batch).mean for _ in range(2))
    np.testing.assert_array_equal(one, same)
