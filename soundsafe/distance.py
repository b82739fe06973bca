"""The perceptual distance that the embedder keeps to and reports: Zimtohrli, at 48 kHz."""

from __future__ import annotations

import numpy as np
import soxr
import zimtohrli
from numpy.typing import NDArray

__all__ = ["by_channel", "worst_channel"]

_RATE = 48_000
_SHORTEST_S = 0.5
"""The library corrupts memory on signals of a few milliseconds; half a second leaves it room."""


def by_channel(
    original: NDArray[np.float32], marked: NDArray[np.float32], rate: int
) -> NDArray[np.float64]:
    """Zimtohrli's distance of each channel of ``[channels, samples]``; 0 where the two are identical.

    NaN below half a second: the library needs room.
    """
    if original.shape[1] < _SHORTEST_S * rate:
        return np.full(len(original), np.nan)
    found = np.zeros(len(original))
    for i, (a, b) in enumerate(zip(original, marked, strict=True)):
        if not np.array_equal(a, b):
            x, y = (soxr.resample(v, rate, _RATE, quality="HQ").astype(np.float32) for v in (a, b))
            found[i] = zimtohrli.Pyohrli().distance(x, y)
    return found


def worst_channel(original: NDArray[np.float32], marked: NDArray[np.float32], rate: int) -> float:
    """The largest of `by_channel`."""
    return float(by_channel(original, marked, rate).max())
