"""Dynamics: compressors, dynamic range compression, expanders, gates, clipping, loudness normalisation.

Compressors and expanders are feed-forward in the logarithmic domain (Giannoulis, Massberg, Reiss, "Digital
dynamic range compressor design", JAES 60(6), 2012): level of the loudest channel → static curve → attack
and release → one gain for all channels. The level is taken and smoothed in blocks of about 0.7 ms, the gain
interpolated between them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from soundsafe.attacks.limiter import limit
from soundsafe.attacks.registry import Audio, attack

Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]

_BLOCK_S = 0.00075
_FLOOR_DB = -120.0
_LOUDNESS_BLOCK_S = 0.4  # ITU-R BS.1770
_LOUDNESS_ROUNDS = 8


@attack(
    "compressor",
    {
        f"compressor_{ratio}to1_{threshold}dB": {"ratio": ratio, "threshold_db": threshold}
        for ratio, threshold in (
            (2, -12), (2, -24), (4, -6), (4, -12), (4, -18), (4, -24), (4, -36), (10, -18), (10, -30),
        )
    },
    differentiable=True,
)  # fmt: skip
def compressor(
    audio: Audio, rate: int, rng: np.random.Generator, *, ratio: float, threshold_db: float
) -> Audio:
    """Above the threshold, `ratio` dB of level become one; 5 ms attack, 100 ms release, no make-up gain."""

    def curve(level: NDArray[np.float64]) -> NDArray[np.float64]:
        return -np.maximum(level - threshold_db, 0) * (1 - 1 / ratio)

    return _follow(audio, rate, curve, 0.005, 0.1)


@attack("compressor", {"multiband_-24dB": {"threshold_db": -24, "ratio": 3}}, differentiable=True)
def multiband(
    audio: Audio, rate: int, rng: np.random.Generator, *, threshold_db: float, ratio: float
) -> Audio:
    """Three bands (split at 200 Hz and 2.5 kHz) compressed apart, as mastering chains do.

    The filters have no phase, so that where bands meet they add up, whatever the gain of each.
    """
    from scipy.signal import butter, sosfiltfilt

    low, high = (
        sosfiltfilt(butter(2, hertz, kind, fs=rate, output="sos"), audio.astype(np.float64), padtype=None)
        for hertz, kind in ((200.0, "low"), (min(2500.0, 0.4 * rate), "high"))
    )
    bands = (low, audio - low - high, high)
    return sum(
        (compressor(b.astype(np.float32), rate, rng, ratio=ratio, threshold_db=threshold_db) for b in bands),
        np.zeros_like(audio),
    )


@attack(
    "drc",
    {
        "drc_light": {"centre_db": -25, "ratio": 1.5, "boost_db": 6},
        "drc_heavy": {"centre_db": -25, "ratio": 3, "boost_db": 12},
    },
    differentiable=True,
)
def drc(
    audio: Audio,
    rate: int,
    rng: np.random.Generator,
    *,
    centre_db: float,
    ratio: float,
    boost_db: float,
) -> Audio:
    """Quiet parts raised by at most `boost_db` and loud ones lowered, as television receivers at night do."""

    def curve(level: NDArray[np.float64]) -> NDArray[np.float64]:
        change = np.minimum((centre_db - level) * (1 - 1 / ratio), boost_db)
        # Below -60 dB there is only noise to raise.
        return np.where(level < -60, np.maximum(boost_db + (level + 60), 0), change)

    return _follow(audio, rate, curve, 0.02, 0.3)


@attack(
    "expander",
    {f"expander_2to1_{t}dB": {"threshold_db": t, "ratio": 2, "range_db": 40} for t in (-30, -40)}
    | {f"expander_4to1_{t}dB": {"threshold_db": t, "ratio": 4, "range_db": 40} for t in (-9, -14)}
    | {f"gate_{t}dB": {"threshold_db": t, "ratio": 10, "range_db": 80} for t in (-35, -45, -55)},
    differentiable=True,
)
def expander(
    audio: Audio,
    rate: int,
    rng: np.random.Generator,
    *,
    threshold_db: float,
    ratio: float,
    range_db: float,
) -> Audio:
    """Below the threshold, one dB of level becomes `ratio`, down to `range_db` less."""

    def curve(level: NDArray[np.float64]) -> NDArray[np.float64]:
        return -np.minimum(np.maximum(threshold_db - level, 0) * (ratio - 1), range_db)

    # Opening must be fast: attack and release trade places.
    return _follow(audio, rate, curve, 0.1, 0.002)


@attack("clip", {f"clip_{db}dB": {"below_peak_db": -db} for db in (-1, -3, -6, -10)}, differentiable=True)
def hard_clip(audio: Audio, rate: int, rng: np.random.Generator, *, below_peak_db: float) -> Audio:
    """Cut off `below_peak_db` below the clip's own peak."""
    ceiling = np.float32(np.abs(audio).max(initial=0.0) * 10 ** (-below_peak_db / 20))
    return np.clip(audio, -ceiling, ceiling)


@attack("clip", {f"softclip_{db}dB": {"drive_db": db} for db in (3, 6, 12)}, differentiable=True)
def soft_clip(audio: Audio, rate: int, rng: np.random.Generator, *, drive_db: float) -> Audio:
    """tanh after `drive_db` of gain: the sound of an overdriven amplifier."""
    return np.tanh(audio * np.float32(10 ** (drive_db / 20)))


def weighed_channels(audio: NDArray[np.floating]) -> NDArray[np.floating]:
    """The channels of ``[channels, samples]`` that count for loudness, five at most (ITU-R BS.1770-4): of six
    and more not the fourth, in WAV files that of low frequencies."""
    return audio[[0, 1, 2, 4, 5]] if len(audio) > 5 else audio


@attack(
    "loudness",
    {f"loudness_{lufs}LUFS": {"lufs": lufs} for lufs in (-9, -14, -16, -23, -31)},
    differentiable=True,
    engine="pyloudnorm",
)
def loudness(audio: Audio, rate: int, rng: np.random.Generator, *, lufs: float) -> Audio:
    """Integrated loudness (ITU-R BS.1770) brought to `lufs`; a limiter at -1 dBFS where that passes it,
    driven until its output is as loud, or by 12 dB.

    Measured over the `weighed_channels`. Audio shorter than one measuring block, or too quiet for the meter's
    gate, stays as it is.
    """
    import pyloudnorm

    if audio.shape[1] < _LOUDNESS_BLOCK_S * rate:
        return audio
    meter = pyloudnorm.Meter(rate)
    measured = meter.integrated_loudness(weighed_channels(audio).T.astype(np.float64))
    if not np.isfinite(measured):
        return audio
    gain = lufs - measured
    most = gain + 12.0
    for _ in range(_LOUDNESS_ROUNDS):
        out = limit(audio * np.float32(10 ** (gain / 20)), rate, 10 ** (-1 / 20))
        short = lufs - meter.integrated_loudness(weighed_channels(out).T.astype(np.float64))
        if abs(short) < 0.05 or gain >= most:
            break
        gain = min(gain + short, most)
    return out


@attack("loudness", {f"normalize_{db}dB": {"peak_db": db} for db in (0, -1, -6)}, differentiable=True)
def normalize(audio: Audio, rate: int, rng: np.random.Generator, *, peak_db: float) -> Audio:
    """The sample peak brought to `peak_db` dBFS; silence stays silence."""
    peak = float(np.abs(audio).max(initial=0.0))
    return audio * np.float32(10 ** (peak_db / 20) / peak) if peak > 0 else audio


def _follow(audio: Audio, rate: int, curve: Curve, attack_s: float, release_s: float) -> Audio:
    """`audio` under the gain that `curve` asks for its level; it falls in `attack_s`, rises in `release_s`.

    Levels and gains are in dB.
    """
    samples = audio.shape[1]
    size = max(1, round(_BLOCK_S * rate))
    blocks = -(-samples // size)
    level = np.zeros(blocks * size)
    level[:samples] = np.abs(audio).max(axis=0)
    peaks = level.reshape(blocks, size).max(axis=1)
    asked = curve(np.maximum(20 * np.log10(np.maximum(peaks, 1e-9)), _FLOOR_DB))
    falling, rising = (np.exp(-size / (rate * s)) for s in (attack_s, release_s))
    gain = np.empty(blocks)
    state = float(asked[0])
    for i, target in enumerate(asked.tolist()):
        keep = falling if target < state else rising
        state = keep * state + (1 - keep) * target
        gain[i] = state
    middles = (np.arange(blocks) + 0.5) * size
    smooth = np.interp(np.arange(samples), middles, gain)
    return (audio * 10 ** (smooth / 20)).astype(np.float32)
