"""A peak limiter with look-ahead and release, in whole-array operations.

The attenuation that a sample needs, in dB, is the excess of the loudest channel over the ceiling. It is held
over the look-ahead before the peak (sliding maximum), decays exponentially after it, and is smoothed by a
window as long as the look-ahead. As the window averages only values that are at least what the peak needs,
the output never passes the ceiling. The latency of the look-ahead is compensated, as hosts of plug-ins do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundsafe.attacks.registry import Audio, attack

LOOK_AHEAD_S = 0.005
RELEASE_S = 0.08
_NEGLIGIBLE_DB = 1e-3  # where the release counts as over, so that quiet parts stay as they are


@attack(
    "limiter",
    {f"limiter_{db}dB": {"below_peak_db": -db} for db in (-3, -6, -12, -18, -24, -36)},
    differentiable=True,
)
def limiter(audio: Audio, rate: int, rng: np.random.Generator, *, below_peak_db: float) -> Audio:
    """Ceiling `below_peak_db` below the audio's own sample peak."""
    return limit(audio, rate, float(np.abs(audio).max(initial=0.0)) * 10 ** (-below_peak_db / 20))


@attack(
    "limiter",
    {f"limiter_drive_{db}dB": {"drive_db": db, "ceiling_dbfs": -1} for db in (3, 6, 9, 12)},
    differentiable=True,
)
def limiter_drive(
    audio: Audio, rate: int, rng: np.random.Generator, *, drive_db: float, ceiling_dbfs: float
) -> Audio:
    """`drive_db` of gain into a ceiling of `ceiling_dbfs`."""
    return limit(audio * np.float32(10 ** (drive_db / 20)), rate, 10 ** (ceiling_dbfs / 20))


def limit(
    audio: Audio,
    rate: int,
    ceiling: float,
    look_ahead_s: float = LOOK_AHEAD_S,
    release_s: float = RELEASE_S,
) -> Audio:
    """`audio` with no sample above `ceiling` (linear); all channels share one gain.

    Args:
        audio: `[channels, samples]`.
        rate: samples per second.
        ceiling: largest magnitude of the result.
        look_ahead_s: how long before a peak the gain begins to fall.
        release_s: time constant of the attenuation's decay, in dB.
    """
    from scipy.ndimage import maximum_filter1d
    from scipy.signal import oaconvolve

    peak = np.abs(audio).max(axis=0).astype(np.float64)
    if ceiling <= 0 or peak.max(initial=0.0) <= ceiling:
        return audio
    needed = 20 * np.log10(np.maximum(peak / ceiling, 1.0))
    window = max(2, round(rate * look_ahead_s))
    # Output i is the maximum of needed[i : i + window].
    held = maximum_filter1d(needed, window, mode="constant", origin=-(window // 2))
    decayed = _decaying_maximum(held, release_s * rate)
    decayed[decayed < _NEGLIGIBLE_DB] = 0.0
    taps = np.hanning(window + 2)[1:-1]
    smooth = oaconvolve(
        np.concatenate([np.full(window - 1, decayed[0]), decayed]), taps / taps.sum(), "valid"
    )
    # FFT convolution leaves about 1e-15 where the exact answer is 0.
    smooth[smooth < _NEGLIGIBLE_DB / 10] = 0.0
    return np.clip(audio * 10 ** (-smooth / 20), -ceiling, ceiling).astype(np.float32)


def _decaying_maximum(values: NDArray[np.float64], tau: float) -> NDArray[np.float64]:
    """max over k <= n of values[k] · exp(-(n - k) / tau): a running maximum in the logarithm."""
    steps = np.arange(len(values)) / tau
    with np.errstate(divide="ignore"):
        return np.exp(np.maximum.accumulate(np.log(values) + steps) - steps)
