"""How often the intervals of a study of thought templates hold the true difference.

SIMULATED: right and wrong answers under two conditions, correlated by how hard the questions are,
in three tasks. Run `python -m benchmarks.thought_intervals`.
"""

import numpy as np

from fusion_agents.evaluation.intervals import Mean, means_of

N_STUDIES = 400
N_BOOTSTRAP = 500
CASES = ((12, 0.6, 0.6), (30, 0.6, 0.7), (100, 0.6, 0.7), (100, 0.95, 0.97), (300, 0.6, 0.6))
"""Questions, and the shares of right answers without and with templates."""


def main() -> None:
    """Print the share of studies whose interval holds the truth."""
    print("questions  right   with   all questions  mean of tasks")
    for n, without, with_templates in CASES:
        held = np.array([_study(seed, n, without, with_templates) for seed in range(N_STUDIES)])
        queries, tasks = held.mean(axis=0)
        print(f"{n:9}  {without:5}  {with_templates:5}  {queries:13.3f}  {tasks:13.3f}")


def _study(seed: int, n: int, without: float, with_templates: float) -> tuple[bool, bool]:
    rng = np.random.default_rng(seed)
    truth = _differences(np.random.default_rng(10**6), 200_000, without, with_templates).mean()
    columns = _differences(rng, n, without, with_templates)[:, None]
    tasks = [i % 3 for i in range(n)]
    means = means_of(columns, tasks, np.arange(n), n_bootstrap=N_BOOTSTRAP, seed=seed)
    return _holds(means.of_queries(0), truth), _holds(means.of_tasks(0), truth)


def _differences(
    rng: np.random.Generator, n: int, without: float, with_templates: float
) -> np.typing.NDArray[np.float64]:
    hard = rng.random(n)
    before = hard < without
    after = 0.5 * hard + 0.5 * rng.random(n) < with_templates
    return after.astype(float) - before


def _holds(mean: Mean, truth: float) -> bool:
    return mean.low is not None and mean.high is not None and mean.low <= truth <= mean.high


if __name__ == "__main__":
    main()
