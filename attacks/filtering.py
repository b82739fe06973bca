"""Filters: low-, high- and band-pass, equalisers, a tilt of the whole spectrum.

Pass filters are Butterworth of fourth order; equalisers are the biquads of R. Bristow-Johnson's "Cookbook
formulae for audio EQ biquad filter coefficients". Both are causal and of minimum phase: their group delay (a
few milliseconds at the lowest cut-offs) is part of the attack and not counted as its delay. The tilt has no
phase. In audio of a low rate a high-pass begins at 0.49 of the rate at most, a bell or shelf at 0.45; a
low-pass that would begin higher is left out, and so are octave bands.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soundsafe.attacks.registry import Audio, attack

Sections = NDArray[np.float64]

OCTAVES_HZ = (31.25, 62.5, 125, 250, 500, 1000, 2000, 4000, 8000, 16000)


@attack(
    "filter",
    {
        f"lowpass_{hz}Hz": {"cutoff_hz": hz}
        for hz in (16000, 12000, 8000, 6000, 5000, 4000, 3500, 2000, 1000, 500)
    },
    differentiable=True,
)
def lowpass(audio: Audio, rate: int, rng: np.random.Generator, *, cutoff_hz: float) -> Audio:
    """-3 dB at `cutoff_hz`, 24 dB less an octave above it."""
    from scipy.signal import butter

    if cutoff_hz >= 0.49 * rate:
        return audio
    return _filter(audio, butter(4, cutoff_hz, "low", fs=rate, output="sos"))


@attack(
    "filter",
    {f"highpass_{hz}Hz": {"cutoff_hz": hz} for hz in (50, 100, 250, 500, 1000, 2000, 3500, 5000, 8000)},
    differentiable=True,
)
def highpass(audio: Audio, rate: int, rng: np.random.Generator, *, cutoff_hz: float) -> Audio:
    """-3 dB at `cutoff_hz`, 24 dB less an octave below it."""
    from scipy.signal import butter

    return _filter(audio, butter(4, min(cutoff_hz, 0.49 * rate), "high", fs=rate, output="sos"))


@attack(
    "filter",
    {
        f"bandpass_{low}-{high}Hz": {"low_hz": low, "high_hz": high}
        for low, high in ((300, 3400), (500, 5000), (500, 8000), (100, 10000))
    },
    differentiable=True,
)
def bandpass(audio: Audio, rate: int, rng: np.random.Generator, *, low_hz: float, high_hz: float) -> Audio:
    """-3 dB at both ends of a band, 24 dB less an octave outside; 300 to 3400 Hz is a telephone's."""
    return lowpass(highpass(audio, rate, rng, cutoff_hz=low_hz), rate, rng, cutoff_hz=high_hz)


@attack(
    "eq",
    {f"eq_bass_{db:+d}dB": {"shelf": "low", "hz": 150, "db": db} for db in (6, 12, -6)}
    | {f"eq_treble_{db:+d}dB": {"shelf": "high", "hz": 5000, "db": db} for db in (6, 12, -6)},
    differentiable=True,
)
def shelf(audio: Audio, rate: int, rng: np.random.Generator, *, shelf: str, hz: float, db: float) -> Audio:
    """A shelf of `db` below (`low`) or above (`high`) `hz`."""
    return _filter(audio, np.array([_shelf(rate, hz, db, high=shelf == "high")]))


@attack(
    "eq",
    {
        f"eq_{name}_{db:+d}dB": {"hz": hz, "q": 1.0, "db": db}
        for name, hz in (("mid", 1000), ("presence", 3500))
        for db in (6, -6, -12)
    },
    differentiable=True,
)
def peak(audio: Audio, rate: int, rng: np.random.Generator, *, hz: float, q: float, db: float) -> Audio:
    """A bell of `db` around `hz`."""
    return _filter(audio, np.array([_bell(rate, hz, q, db)]))


@attack("eq", {f"eq_10band_{db}dB": {"db": db} for db in (3, 6)}, differentiable=True)
def graphic_eq(audio: Audio, rate: int, rng: np.random.Generator, *, db: float) -> Audio:
    """Ten octave bands, raised and lowered in turn."""
    return _octaves(audio, rate, [-db if i % 2 == 0 else db for i in range(len(OCTAVES_HZ))])


@attack("eq", {f"eq_random_{db}dB": {"db": db} for db in (3, 6, 12)}, differentiable=True)
def random_eq(audio: Audio, rate: int, rng: np.random.Generator, *, db: float) -> Audio:
    """Ten octave bands, each by anything between -`db` and `db`."""
    return _octaves(audio, rate, rng.uniform(-db, db, len(OCTAVES_HZ)).tolist())


@attack(
    "eq",
    {f"tilt_{db:+d}dB": {"db_per_octave": db} for db in (1, -1, 2, -2, 3, -3)},
    differentiable=True,
)
def tilt(audio: Audio, rate: int, rng: np.random.Generator, *, db_per_octave: float) -> Audio:
    """The spectrum turned about 1 kHz, between 50 Hz and 16 kHz."""
    samples = audio.shape[1]
    # Room for the filter's response, which would else wrap around.
    size = samples + round(0.1 * rate)
    octaves = np.log2(np.clip(np.fft.rfftfreq(size, 1 / rate), 50, 16000) / 1000)
    gain = 10 ** (db_per_octave * octaves / 20)
    return np.fft.irfft(np.fft.rfft(audio, size) * gain, size)[:, :samples].astype(np.float32)


def _filter(audio: Audio, sections: Sections) -> Audio:
    from scipy.signal import sosfilt

    out = np.empty_like(audio)
    for channel, samples in zip(out, audio, strict=True):  # in double precision, faster than all at once
        channel[:] = sosfilt(sections, samples)
    return out


def _octaves(audio: Audio, rate: int, gains_db: Sequence[float]) -> Audio:
    bells = [
        _bell(rate, hz, 1.41, db) for hz, db in zip(OCTAVES_HZ, gains_db, strict=True) if hz < 0.45 * rate
    ]
    return _filter(audio, np.array(bells))


def _bell(rate: int, hz: float, q: float, db: float) -> list[float]:
    a, w = 10 ** (db / 40), 2 * np.pi * min(hz, 0.45 * rate) / rate
    alpha = np.sin(w) / (2 * q)
    b = [1 + alpha * a, -2 * np.cos(w), 1 - alpha * a]
    return _section(b, [1 + alpha / a, -2 * np.cos(w), 1 - alpha / a])


def _shelf(rate: int, hz: float, db: float, *, high: bool) -> list[float]:
    a, w = 10 ** (db / 40), 2 * np.pi * min(hz, 0.45 * rate) / rate
    sign = -1.0 if high else 1.0
    c, root = sign * np.cos(w), np.sqrt(2 * a) * np.sin(w)  # 2 √a α at a slope of 1
    zero, pole = a + 1 - (a - 1) * c, a + 1 + (a - 1) * c
    b = [a * (zero + root), sign * 2 * a * (a - 1 - (a + 1) * c), a * (zero - root)]
    return _section(b, [pole + root, sign * -2 * (a - 1 + (a + 1) * c), pole - root])


def _section(b: Sequence[float], a: Sequence[float]) -> list[float]:
    return [value / a[0] for value in (*b, *a)]
