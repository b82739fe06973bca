"""The message that a whole clip carries: how many of its bits came back, and where the mark was seen."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from soundsafe.eval.metrics.registry import metric

__all__ = ["bit_accuracy", "iou", "log10_p"]


@metric("bit_accuracy", unit="share of message bits", better="higher", level="clip")
def bit_accuracy(read: ArrayLike, true: ArrayLike) -> float:
    """Share of the message's bits that were read rightly, found or not; a half is guessing.

    Args:
        read: [n] bits as the detector decided them, 0 or 1.
        true: [n] bits that were embedded.

    Raises:
        ValueError: the lengths differ, or there are no bits.
    """
    a, b = np.asarray(read).astype(bool).ravel(), np.asarray(true).astype(bool).ravel()
    if a.shape != b.shape or a.size == 0:
        raise ValueError(f"{a.size} bits read, {b.size} embedded")
    return float(np.mean(a == b))


@metric("log10_p", unit="log10 of a chance", better="lower", level="clip")
def log10_p(accuracy: float, n: int) -> float:
    """How likely as many right bits are by guessing: log10 of the exact binomial tail at one half.

    Args:
        accuracy: share of right bits.
        n: bits of the message.
    """
    from scipy import stats

    right = round(accuracy * n)
    return float(stats.binom.logsf(right - 1, n, 0.5) / math.log(10)) + 0.0


@metric("iou", unit="0 to 1", better="higher", level="clip")
def iou(found: ArrayLike, true: ArrayLike) -> float:
    """Samples that were found marked and are, over those that were found marked or are.

    Args:
        found: [samples] what a detector says of each: true, or at least 0.5, where it is marked.
        true: [samples] what is so.

    Raises:
        ValueError: the lengths differ.
    """
    a, b = np.asarray(found, dtype=np.float64) >= 0.5, np.asarray(true, dtype=bool)
    if a.shape != b.shape:
        raise ValueError(f"{a.size} samples judged, {b.size} there")
    either = int(np.sum(a | b))
    return float(np.sum(a & b)) / either if either else float("nan")
