"""Telling marked from unmarked audio by the detector's score, clip by clip, at a fixed rate of errors."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from soundsafe.eval.metrics.registry import metric
from soundsafe.eval.rows import FALSE_POSITIVE_RATES

__all__ = ["FALSE_POSITIVE_RATES", "auc", "detection_rate", "threshold"]

_FEWEST = 4
"""Scores above the median that the tail is fitted to, at least."""


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    v = np.asarray(values, dtype=np.float64)
    return v[np.isfinite(v)]


def _marked(values: ArrayLike) -> NDArray[np.float64]:
    """Scores of marked clips, those that failed (minus infinity) among them."""
    v = np.asarray(values, dtype=np.float64)
    return v[np.isfinite(v) | np.isneginf(v)]


@metric("auc", unit="0 to 1", better="higher", level="clip")
def auc(marked: ArrayLike, unmarked: ArrayLike) -> float:
    """Area under the ROC of clips' scores: how often a marked clip outscores an unmarked one, ties half.

    Mann and Whitney's U over the number of pairs; NaN where either has no score. A marked clip that failed
    scores minus infinity: it outscores none.
    """
    a, b = _marked(marked), _finite(unmarked)
    if not len(a) or not len(b):
        return float("nan")
    from scipy import stats

    return float(stats.mannwhitneyu(a, b).statistic) / (len(a) * len(b))


def threshold(unmarked: ArrayLike, rate: float) -> float:
    """The score that a share `rate` of unmarked clips exceeds; NaN where too few scores are known, or
    all are one.

    Where there are at least 1 / `rate` of them, their own quantile. Otherwise an exponential tail fitted to
    the upper half: the distances from the median upwards have a mean, and get e times rarer with each such
    step. Scores that are the largest of many correlations do so, or sooner.
    """
    scores = _finite(unmarked)
    if len(scores) * rate >= 1:
        return float(np.quantile(scores, 1 - rate, method="higher"))
    if len(scores) < 2 * _FEWEST:
        return float("nan")
    middle = float(np.median(scores))
    above = scores[scores > middle]
    if not len(above):
        return float("nan")
    return middle + float(np.mean(above - middle)) * math.log(0.5 / rate)


@metric("detection_1e2", unit="share of clips", better="higher", level="clip")
def detection_rate(marked: ArrayLike, unmarked: ArrayLike, rate: float = 1e-2) -> float:
    """Share of marked clips that score above the threshold of a false-positive rate (also 1e3, 1e6).

    NaN where there is no threshold or no score; minus infinity (a clip that failed) is above none. See
    `threshold`.
    """
    a, limit = _marked(marked), threshold(unmarked, rate)
    return float(np.mean(a > limit)) if len(a) and math.isfinite(limit) else float("nan")
