"""The perceptual distance that the embedder keeps to and reports: Zimtohrli, at 48 kHz."""

from __future__ import annotations

import numpy as np
import soxr
import zimtohrli
from numpy.typing import NDArray

__all__ = ["worst_channel"]

_RATE = 48_000
_SHORTEST_S = 0.5


def worst_channel(original: NDArray[np.float32], marked: NDArray[np.float32], rate: int) -> float:
    """Zimtohrli's distance of ``[channels, samples]``, the largest of the channels; 0 for identical audio.

    NaN below half a second: the library needs room.
    """
    if original.shape[1] < _SHORTEST_S * rate:
        return float("nan")
    worst = 0.0
    for a, b in zip(original, marked, strict=True):
        if np.array_equal(a, b):
            continue
        x, y = (soxr.resample(v, rate, _RATE, quality="HQ").astype(np.float32) for v in (a, b))
        worst = max(worst, float(zimtohrli.Pyohrli().distance(x, y)))
    return worst
