"""Scores turned into expected performance by a line that never falls."""

from datetime import UTC, datetime

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import GroupKFold

from fusion_agents.judging.pairs import FloatVector, Pairs
from fusion_agents.types import Calibration

_FOLDS = 5
_PRIOR = 2.0
"""Answers of average performance that are added at either end.

Without them, the few lowest and highest scores would be worth 0 and 1 for sure.
"""


def learn(pairs: Pairs, judge: str, version: str) -> Calibration:
    """Fit the line to all answers."""
    model = _fitted(pairs)
    scores = np.clip(model.X_thresholds_, 0.0, 1.0)
    performances = np.maximum.accumulate(np.clip(model.y_thresholds_, 0.0, 1.0))
    return Calibration(
        judge=judge,
        judge_version=version,
        scores=tuple(scores.tolist()),
        performances=tuple(performances.tolist()),
        n=len(pairs.score),
        time=datetime.now(UTC),
    )


def out_of_fold(pairs: Pairs) -> FloatVector:
    """Expected performance of each answer, by a line fitted to answers to other queries.

    Shape (n_answers,); NaN if there are less than two queries.
    """
    expected = np.full(len(pairs.score), np.nan)
    folds = min(_FOLDS, len(np.unique(pairs.query)))
    if folds < 2:
        return expected
    split = GroupKFold(n_splits=folds).split(pairs.score, groups=pairs.query)
    for train, test in split:
        expected[test] = _fitted(pairs.take(train)).predict(pairs.score[test])
    return expected


def _fitted(pairs: Pairs) -> IsotonicRegression:
    mean = pairs.performance.mean()
    ends = [pairs.score.min(), pairs.score.max()]
    model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    return model.fit(
        np.append(pairs.score, ends),
        np.append(pairs.performance, [mean, mean]),
        sample_weight=np.append(np.ones(len(pairs.score)), [_PRIOR, _PRIOR]),
    )
