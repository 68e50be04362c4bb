"""Logistic and softmax regression on graded targets with missing cells."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

from fusion_agents.encoders.base import Vectors
from fusion_agents.outcomes import FloatMatrix
from fusion_agents.routers.shrinkage import ArmPrior

Weights = NDArray[np.float64]
Loss = Callable[[Weights], tuple[float, Weights]]

_CONSTANT_PENALTY = 5.0
"""Twenty answers' worth: a score near 1/2 carries 1/4 of information about its log-odds."""


def with_constant(vectors: Vectors) -> NDArray[np.float64]:
    """Append a constant column, shape (n, n_dims + 1)."""
    return np.column_stack([vectors.astype(np.float64), np.ones(len(vectors))])


def fit_logistic(vectors: Vectors, scores: FloatMatrix, penalty: float, n_steps: int) -> Weights:
    """Fit one logistic regression an arm to scores in [0, 1], all arms at once.

    Minimises the cross-entropy over the known cells plus `penalty / 2` times the squared weights
    by L-BFGS. The constants are held near the arms' shrunk means, about as strongly as twenty
    answers would, so that an arm with a few lucky answers stays ordinary.

    Returns:
        Weights of shape (n_dims + 1, n_arms), the constants last.
    """
    x = with_constant(vectors)
    known = np.nonzero(~np.isnan(scores))
    target = scores[known]
    shape = (x.shape[1], scores.shape[1])
    mean = np.clip(ArmPrior.fit(scores).filled, 0.005, 0.995)
    start = np.zeros(shape)
    start[-1] = np.log(mean / (1 - mean))
    ridge = np.full((shape[0], 1), penalty)
    ridge[-1] = _CONSTANT_PENALTY

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w = flat.reshape(shape)
        z = (x @ w)[known]
        cells = np.logaddexp(0.0, z) - target * z
        error = np.zeros(scores.shape)
        error[known] = expit(z) - target
        away = w - start
        slope = x.T @ error + ridge * away
        return float(cells.sum() + 0.5 * (ridge * away**2).sum()), slope.ravel()

    return _minimise(loss, start, n_steps)


def fit_softmax(
    vectors: Vectors, classes: NDArray[np.int64], penalty: float, n_steps: int
) -> Weights:
    """Fit a multinomial logistic regression to class numbers 0 ... n_classes - 1.

    Returns:
        Weights of shape (n_dims + 1, n_classes), the constants last.
    """
    x = with_constant(vectors)
    target = np.eye(int(classes.max()) + 1)[classes]
    shape = (x.shape[1], target.shape[1])
    ridge = np.full((shape[0], 1), penalty)
    ridge[-1] = 1e-6
    start = np.zeros(shape)
    start[-1] = np.log(target.mean(axis=0))

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w = flat.reshape(shape)
        log_p = log_softmax(x @ w, axis=1)
        slope = x.T @ (np.exp(log_p) - target) + ridge * w
        return float(-(target * log_p).sum() + 0.5 * (ridge * w**2).sum()), slope.ravel()

    return _minimise(loss, start, n_steps)


def _minimise(loss: Loss, start: Weights, n_steps: int) -> Weights:
    result = minimize(
        loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": n_steps}
    )
    weights: Weights = result.x.reshape(start.shape)
    return weights
