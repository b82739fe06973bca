"""Smoothing over neighbouring samples: moving averages and medians, centred."""

from __future__ import annotations

import numpy as np

from soundsafe.attacks.registry import Audio, attack


@attack(
    "smooth", {f"smooth_{n}": {"samples": n} for n in (2, 3, 5, 6, 10, 14, 20, 22, 40)}, differentiable=True
)
def smooth(audio: Audio, rate: int, rng: np.random.Generator, *, samples: int) -> Audio:
    """The mean of `samples` neighbours."""
    from scipy.ndimage import uniform_filter1d

    return uniform_filter1d(audio, samples, axis=1, mode="nearest")


@attack("smooth", {f"median_{n}": {"samples": n} for n in (3, 5, 9)}, differentiable=True)
def median(audio: Audio, rate: int, rng: np.random.Generator, *, samples: int) -> Audio:
    """The median of `samples` neighbours."""
    from scipy.ndimage import median_filter

    return median_filter(audio, size=(1, samples), mode="nearest")


@attack("smooth", {f"wiener_{n}": {"samples": n} for n in (5, 15)}, differentiable=True)
def wiener(audio: Audio, rate: int, rng: np.random.Generator, *, samples: int) -> Audio:
    """Wiener's filter on `samples` neighbours, the noise being the mean of the local variances."""
    from scipy.signal import wiener as scipy_wiener

    if not audio.any():
        return audio
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.stack([scipy_wiener(c.astype(np.float64), samples) for c in audio])
    return np.where(np.isfinite(out), out, audio).astype(np.float32)
