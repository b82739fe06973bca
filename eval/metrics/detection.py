"""Telling marked from unmarked audio by the detector's score, clip by clip, at a fixed rate of errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from soundsafe.eval.metrics.registry import metric
from soundsafe.eval.rows import FALSE_POSITIVE_RATES, Interval

__all__ = ["FALSE_POSITIVE_RATES", "OperatingPoint", "auc", "detection_rate", "operating_point"]

_FEWEST = 4
"""Scores above the median that a tail is fitted to, at least."""

_LEAST = 1e-12
"""Distance from 0 and 1 at which the log-odds of a bounded score are taken at most."""


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

    ranks = stats.rankdata(np.concatenate([a, b]))[: len(a)]
    return (float(ranks.sum()) - len(a) * (len(a) + 1) / 2) / (len(a) * len(b))


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold: clips above it count as marked.

    Attributes:
        threshold: of the score.
        false_positives: 95 % interval of the rate of unmarked clips above it; None where it is extrapolated.
        extrapolated: it lies beyond what the unmarked scores show.
    """

    threshold: float
    false_positives: Interval = None
    extrapolated: bool = False


def operating_point(
    unmarked: ArrayLike, rate: float, *, groups: int | None = None, extrapolate: bool = False
) -> OperatingPoint | None:
    """The threshold that unmarked clips exceed at a rate of no more than `rate` on average.

    Args:
        unmarked: [n] scores of clips without a mark.
        rate: of false positives, in (0, 1).
        groups: how many sources the clips come from; None: each from its own. Clips of one source are taken
            to score alike, so that the interval counts sources.
        extrapolate: where `rate` is less than 1/n, go beyond the scores by a fitted tail.

    Returns:
        The threshold with the interval of the rate that it really has; None where n scores cannot show
        `rate` and nothing is extrapolated, or no tail can be fitted.

    The j-th largest of n unmarked scores is exceeded by another one at a rate distributed as Beta(j, n+1-j),
    whatever the scores' distribution (Wilks 1941, "Determination of sample sizes for setting tolerance
    limits"); j is the largest number for which its mean j/(n+1) is at most `rate`.

    Beyond 1/n an exponential tail is fitted to the upper half: the distances from the median upwards have a
    mean, and get e times rarer with each such step. Scores that are the largest of many correlations do so,
    or sooner. Scores that all lie in [0, 1] are taken by their log-odds, so that no threshold lies beyond
    the bound.

    Example:
        >>> point = operating_point(range(200), 0.01)
        >>> point.threshold, [round(limit, 3) for limit in point.false_positives]
        (198.0, [0.001, 0.028])
        >>> operating_point(range(50), 0.01) is None
        True
    """
    scores = np.sort(_finite(unmarked))[::-1]
    n = len(scores)
    if n * rate >= 1:
        j = int(rate * (n + 1) + 1e-9)
        from scipy import stats

        share = 1.0 if groups is None else min(1.0, groups / n)
        low, high = stats.beta.ppf([0.025, 0.975], j * share, (n + 1 - j) * share)
        return OperatingPoint(float(scores[j - 1]), (float(low), float(high)))
    if not extrapolate or n < 2 * _FEWEST:
        return None
    limit = _tail(scores, rate)
    return None if limit is None else OperatingPoint(limit, extrapolated=True)


def _tail(scores: NDArray[np.float64], rate: float) -> float | None:
    """The score that a fitted tail exceeds at `rate`; None where the scores have no tail, or are bounded and
    even the bound is not rare enough."""
    bounded = bool(scores.min() >= 0 and scores.max() <= 1)
    if bounded:
        inside = np.clip(scores, _LEAST, 1 - _LEAST)
        scores = np.log(inside / (1 - inside))
    middle = float(np.median(scores))
    above = scores[scores > middle]
    if not len(above):
        return None
    limit = middle + float(np.mean(above - middle)) * math.log(0.5 / rate)
    if not bounded:
        return limit
    limit = 1 / (1 + math.exp(-limit))
    return limit if limit < 1 else None


@metric("detection_1e2", unit="share of clips", better="higher", level="clip")
def detection_rate(
    marked: ArrayLike, unmarked: ArrayLike, rate: float = 1e-2, *, extrapolate: bool = False
) -> float:
    """Share of marked clips that score above the threshold of a false-positive rate (also 1e3, 1e6).

    NaN where there is no threshold or no score; minus infinity (a clip that failed) is above none. See
    `operating_point`.
    """
    a, point = _marked(marked), operating_point(unmarked, rate, extrapolate=extrapolate)
    return float(np.mean(a > point.threshold)) if len(a) and point is not None else float("nan")
