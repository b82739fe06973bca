"""Speed: tempo and pitch together, by resampling (soxr)."""

from __future__ import annotations

import numpy as np
import soxr

from soundsafe import codecs
from soundsafe.attacks.registry import Audio, attack, unknown_delay

_STRETCH, _BESIDE = 1 << 18, 64

PERCENT = (1, -1, 2, -2, 5, -5, 10, -10, 25, -25, 50, -50, 0.01, -0.01, 0.1, -0.1, 0.5, -0.5)


@attack(
    "speed",
    {f"speed_{p:+g}%": {"percent": p} for p in PERCENT},
    changes_length=True,
    differentiable=True,
    engine="soxr",
    delay=unknown_delay,
)
def speed(audio: Audio, rate: int, rng: np.random.Generator, *, percent: float) -> Audio:
    """Faster by `percent`: shorter, and higher in pitch."""
    return change_speed(audio, 1 + percent / 100)


@attack(
    "speed",
    {f"wow_{p}%": {"percent": p, "hz": 0.7} for p in (0.02, 0.1, 0.5)},
    differentiable=True,
    delay=unknown_delay,
)
def wow(audio: Audio, rate: int, rng: np.random.Generator, *, percent: float, hz: float) -> Audio:
    """A speed that swings by `percent` at `hz`, as of a turntable or a tape; the length is kept."""
    from scipy.interpolate import CubicSpline

    samples = audio.shape[1]
    t = np.arange(samples)
    swing = percent / 100 * rate / (2 * np.pi * hz)
    position = t + swing * np.sin(2 * np.pi * hz * t / rate + rng.uniform(0, 2 * np.pi))
    # Four times the rate, so that a cubic between samples is exact enough at the highest frequencies.
    out = np.empty_like(audio)
    for channel, samples in enumerate(audio):
        fine = codecs.resample(samples[None], rate, 4 * rate)[0]
        last = len(fine) - 1
        for start in range(0, audio.shape[1], _STRETCH):  # a spline takes some 100 bytes for each sample
            at = np.clip(4 * position[start : start + _STRETCH], 0, last)
            low, high = max(0, int(at.min()) - _BESIDE), min(len(fine), int(at.max()) + _BESIDE)
            near = CubicSpline(np.arange(low, high), fine[low:high])
            out[channel, start : start + _STRETCH] = near(at)
    return out


def change_speed(audio: Audio, factor: float) -> Audio:
    """`audio` played `factor` times as fast, at the same sample rate."""
    out = soxr.resample(np.ascontiguousarray(audio.T), factor, 1.0, quality="VHQ")
    return np.ascontiguousarray(out.T, dtype=np.float32)
