"""Filters of bands: brick walls, notches, band-stops, an equaliser of Bark bands. No delay, length kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundsafe.attacks.rawbench import BARK_HZ
from soundsafe.attacks.registry import Audio, attack

_ROOM_S = 0.2


def _by_frequency(audio: Audio, rate: int, gain: NDArray[np.float64]) -> Audio:
    size = 2 * (len(gain) - 1)
    out = np.fft.irfft(np.fft.rfft(audio, size) * gain, size)
    return out[:, : audio.shape[1]].astype(np.float32)


def _frequencies(audio: Audio, rate: int) -> NDArray[np.float64]:
    # Room behind the clip for what a sharp edge rings on, which would else wrap around.
    size = audio.shape[1] + round(_ROOM_S * rate)
    return np.asarray(np.fft.rfftfreq(size + size % 2, 1 / rate), dtype=np.float64)


@attack(
    "brickwall",
    {f"brickwall_lowpass_{hz}Hz": {"low_hz": 0, "high_hz": hz} for hz in (16000, 11025, 8000, 5500, 4000)}
    | {f"brickwall_highpass_{hz}Hz": {"low_hz": hz, "high_hz": 1e6} for hz in (100, 300, 1000, 4000)}
    | {"brickwall_bandpass_300-3400Hz": {"low_hz": 300, "high_hz": 3400}},
    differentiable=True,
)
def brickwall(audio: Audio, rate: int, rng: np.random.Generator, *, low_hz: float, high_hz: float) -> Audio:
    """All of a band left, all outside it gone."""
    hertz = _frequencies(audio, rate)
    return _by_frequency(audio, rate, ((hertz >= low_hz) & (hertz <= high_hz)).astype(np.float64))


@attack(
    "bandstop",
    {
        f"bandstop_{low}-{high}Hz": {"low_hz": low, "high_hz": high}
        for low, high in ((300, 600), (500, 2000), (1000, 4000), (2000, 8000), (6000, 12000))
    },
    differentiable=True,
)
def bandstop(audio: Audio, rate: int, rng: np.random.Generator, *, low_hz: float, high_hz: float) -> Audio:
    """A band gone, all outside it left."""
    hertz = _frequencies(audio, rate)
    return _by_frequency(audio, rate, ((hertz < low_hz) | (hertz > high_hz)).astype(np.float64))


@attack(
    "notch",
    {f"notch_hum_{hz}Hz": {"hertz": [hz * k for k in range(1, 9)], "width_hz": 2} for hz in (50, 60)}
    | {f"notch_{hz}Hz": {"hertz": [hz], "width_hz": 0.05 * hz} for hz in (440, 1000, 3000)}
    | {"notch_comb_500Hz": {"hertz": [500 * k for k in range(1, 32)], "width_hz": 40}},
    differentiable=True,
)
def notch(audio: Audio, rate: int, rng: np.random.Generator, *, hertz: list[float], width_hz: float) -> Audio:
    """Narrow dips at given frequencies, each gone at its middle and back at a distance of `width_hz`."""
    own = _frequencies(audio, rate)
    gain = np.ones_like(own)
    for hz in hertz:
        gain *= 1 - np.exp(-(((own - hz) / width_hz) ** 2))
    return _by_frequency(audio, rate, gain)


@attack("bark_eq", {f"bark_eq_{db}dB": {"db": db} for db in (3, 6, 12)}, differentiable=True)
def bark_eq(audio: Audio, rate: int, rng: np.random.Generator, *, db: float) -> Audio:
    """24 bands of a Bark each, raised or lowered by up to `db`, between their middles in a straight line."""
    hertz = _frequencies(audio, rate)
    gains = rng.uniform(-db, db, len(BARK_HZ))
    return _by_frequency(audio, rate, 10 ** (np.interp(hertz, BARK_HZ, gains) / 20))
