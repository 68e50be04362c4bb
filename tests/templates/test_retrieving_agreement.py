import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fusion_agents.templates.reranking import task_agreement

TASKS = st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=12)


def drawn(n: int) -> NDArray[np.float32]:
    vectors = np.random.default_rng(n).standard_normal((n, 5), dtype=np.float32)
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


@pytest.mark.parametrize("tasks", [[], ["a", "a"], [None, None], ["a", None]])
def test_where_there_is_one_task_at_most_all_agree_alike(tasks: list[str | None]) -> None:
    assert task_agreement([0.5] * len(tasks), drawn(len(tasks)), tasks).tolist() == [0] * len(tasks)


@given(TASKS)
def test_candidates_of_one_task_agree_alike_and_unknown_ones_in_between(
    tasks: list[str | None],
) -> None:
    vectors = drawn(len(tasks))
    agreement = task_agreement((vectors @ vectors[0]).tolist(), vectors, tasks)
    by_task = {task: agreement[[other == task for other in tasks]] for task in tasks}
    assert all(np.ptp(values) < 1e-9 for values in by_task.values())
    if None in by_task and len(by_task) == 3:
        low, high = sorted(by_task[task][0] for task in ("a", "b"))
        assert low - 1e-9 <= by_task[None][0] <= high + 1e-9


def test_candidates_that_say_the_same_do_not_count_twice() -> None:
    one, other = np.eye(2, dtype=np.float32)
    agreement = task_agreement(
        [0.7, 0.6, 0.6, 0.6], np.stack([one, other, other, other]), ["a", "b", "b", "b"]
    )
    apart = np.stack([*np.eye(4, dtype=np.float32)])
    loud = task_agreement([0.7, 0.6, 0.6, 0.6], apart, ["a", "b", "b", "b"])
    assert agreement[0] - agreement[1] > loud[0] - loud[1]
