import numpy as np

from fusion_agents.routers.task_best import TaskBestRouter
from tests.routers.samples import make_batch, make_sample

TASKS = ("math",) * 50 + ("code",) * 50
SCORES = np.array([[1.0, 0.0]] * 50 + [[0.0, 1.0]] * 40 + [[1.0, 0.0]] * 10)
MODEL = TaskBestRouter().learn(make_sample(np.zeros((100, 0)), SCORES, TASKS))


def test_the_best_arm_of_the_task_wins() -> None:
    mean = MODEL.predict(make_batch(np.zeros((2, 0)), ("math", "code"))).mean
    assert mean.argmax(axis=1).tolist() == [0, 1]


def test_an_unknown_task_or_none_gets_the_overall_means() -> None:
    mean = MODEL.predict(make_batch(np.zeros((2, 0)), ("poetry", None))).mean
    np.testing.assert_allclose(mean[0], mean[1])
    assert mean[0].argmax() == 0


def test_a_task_with_few_queries_is_pulled_towards_the_overall_means() -> None:
    tasks = ("rare",) * 2 + TASKS[2:]
    scores = np.vstack([[[0.0, 1.0]] * 2, SCORES[2:]])
    sample = make_sample(np.zeros((100, 0)), scores, tasks)
    shrunk, raw = (
        TaskBestRouter(prior=prior).learn(sample).predict(make_batch(np.zeros((1, 0)), ("rare",)))
        for prior in (5.0, 0.0)
    )
    np.testing.assert_allclose(raw.mean, [[0.0, 1.0]])
    assert 0.1 < shrunk.mean[0, 0] < shrunk.mean[0, 1] < 0.9


def test_a_log_without_tasks_gives_the_overall_means() -> None:
    model = TaskBestRouter().learn(make_sample(np.zeros((100, 0)), SCORES))
    assert model.predict(make_batch(np.zeros((3, 0)))).mean.shape == (3, 2)
