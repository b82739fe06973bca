"""Filters: gain at chosen frequencies, from the response to an impulse."""

from __future__ import annotations

import numpy as np
import pytest

from soundsafe import attacks

RATE = 44100


def response_db(name: str, hz: float, rate: int = RATE) -> float:
    impulse = np.zeros((1, rate), np.float32)
    impulse[0, rate // 2] = 1
    result = attacks.get(name).apply(impulse, rate, np.random.default_rng(0))
    return float(20 * np.log10(np.abs(np.fft.rfft(result[0]))[round(hz)]))


@pytest.mark.parametrize(
    ("name", "hz", "db"),
    [
        ("lowpass_4000Hz", 4000, -3.01), ("lowpass_4000Hz", 500, 0), ("lowpass_500Hz", 1000, -24.1),
        ("highpass_500Hz", 500, -3.01), ("highpass_500Hz", 4000, 0), ("highpass_1000Hz", 500, -24.1),
        ("bandpass_300-3400Hz", 1000, 0), ("bandpass_300-3400Hz", 300, -3.01),
        ("eq_bass_+6dB", 20, 6), ("eq_bass_+6dB", 150, 3), ("eq_bass_-6dB", 20, -6),
        ("eq_bass_+6dB", 5000, 0),
        ("eq_treble_+6dB", 18000, 6), ("eq_treble_+12dB", 5000, 6), ("eq_treble_-6dB", 100, 0),
        ("eq_mid_-6dB", 1000, -6), ("eq_mid_+6dB", 50, 0), ("eq_presence_+6dB", 3500, 6),
        ("tilt_+3dB", 1000, 0), ("tilt_+3dB", 8000, 9), ("tilt_+3dB", 125, -9), ("tilt_-1dB", 4000, -2),
    ],
)  # fmt: skip
def test_gain_at(name: str, hz: float, db: float) -> None:
    assert response_db(name, hz) == pytest.approx(db, abs=0.3)


def test_graphic_equaliser_alternates() -> None:
    assert response_db("eq_10band_6dB", 1000) > 2
    assert response_db("eq_10band_6dB", 2000) < -2


def test_low_rates_keep_what_they_have() -> None:
    assert response_db("lowpass_8000Hz", 3000, rate=8000) == pytest.approx(0, abs=1e-3)
    for name in ("eq_treble_+6dB", "eq_random_6dB", "eq_10band_6dB", "bandpass_100-10000Hz"):
        assert np.isfinite(response_db(name, 1000, rate=8000))
    # A cut-off above all there is leaves next to nothing, not everything.
    assert response_db("highpass_5000Hz", 1000, rate=8000) < -40
