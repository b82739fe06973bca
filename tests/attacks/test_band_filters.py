"""Filters of bands: noise in, spectrum out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100
NOISE = (0.1 * np.random.default_rng(5).standard_normal((1, 3 * RATE))).astype(np.float32)
HERTZ = np.fft.rfftfreq(NOISE.shape[1], 1 / RATE)


def gain_db(name: str, low: float, high: float) -> float:
    out = attacks.get(name).apply(NOISE, RATE, np.random.default_rng(0))
    band = (low < HERTZ) & (high > HERTZ)
    powers: list[NDArray[np.float64]] = [np.abs(np.fft.rfft(x[0]))[band] ** 2 for x in (out, NOISE)]
    return float(10 * np.log10(powers[0].sum() / powers[1].sum()))


@pytest.mark.parametrize(
    ("name", "gone", "left"),
    [
        ("brickwall_lowpass_8000Hz", (8050, 20000), (100, 7950)),
        ("brickwall_highpass_300Hz", (20, 290), (310, 20000)),
        ("bandstop_1000-4000Hz", (1050, 3950), (4050, 20000)),
        ("notch_hum_50Hz", (99.5, 100.5), (1000, 20000)),
        ("notch_1000Hz", (995, 1005), (1300, 20000)),
    ],
)
def test_what_goes_and_what_stays(name: str, gone: tuple[float, float], left: tuple[float, float]) -> None:
    assert gain_db(name, *gone) < -20
    assert gain_db(name, *left) == pytest.approx(0, abs=0.1)


def test_bark_bands_stay_within_their_limit() -> None:
    gains = [gain_db("bark_eq_6dB", hz, 1.1 * hz) for hz in (200, 500, 1000, 2000, 5000, 10000)]
    assert max(abs(g) for g in gains) <= 6
    assert max(gains) - min(gains) > 2
