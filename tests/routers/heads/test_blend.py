import numpy as np

from fusion_agents.routers.heads.blend import fit_blend
from tests.routers.samples import make_sample


def test_tasks_too_small_for_the_cross_validated_part_do_not_stop_the_fit() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((600, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = (rng.random((600, 2)) < 0.5).astype(float)
    tasks = tuple(f"task {i % 20}" for i in range(600))

    fitted = fit_blend(make_sample(vectors, scores, tasks), most_crossed=100)

    assert fitted.model.task is None
    assert (~np.isnan(fitted.out_of_fold).any(axis=1)).sum() == 100
