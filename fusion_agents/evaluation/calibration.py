"""Whether a forecast of 0.7 comes true seven times in ten."""

import numpy as np

from fusion_agents.evaluation.report import Calibration, CalibrationBin
from fusion_agents.outcomes import FloatMatrix


def calibration(
    forecast: FloatMatrix, outcome: FloatMatrix, n_bins: int = 15
) -> Calibration | None:
    """Compare forecasts with outcomes over cells of which both are known.

    The expected calibration error is the mean over cells of the distance between mean forecast
    and mean outcome in the cell's bin; bins are equally wide on [0, 1], forecasts outside are
    clipped. Source: Guo et al., "On Calibration of Modern Neural Networks" (arXiv 1706.04599),
    equation 3; here for graded outcomes.

    Args:
        forecast: Any shape.
        outcome: Same shape, in [0, 1].
        n_bins: Number of bins.

    Returns:
        None if no cell is known.

    >>> calibration(np.array([0.9, 0.9]), np.array([1.0, 0.0])).error
    0.4
    """
    both = ~(np.isnan(forecast) | np.isnan(outcome))
    expected, happened = np.clip(forecast[both], 0.0, 1.0), outcome[both]
    if not len(expected):
        return None
    index = np.minimum((expected * n_bins).astype(np.int64), n_bins - 1)
    counts = np.bincount(index, minlength=n_bins)
    used = np.flatnonzero(counts)
    means = [np.bincount(index, v, n_bins)[used] / counts[used] for v in (expected, happened)]
    error = float((np.abs(means[0] - means[1]) * counts[used]).sum() / len(expected))
    bins = zip(*means, counts[used], strict=True)
    return Calibration(
        error=error,
        n=len(expected),
        bins=tuple(CalibrationBin(forecast=f, outcome=o, n=int(n)) for f, o, n in bins),
    )
