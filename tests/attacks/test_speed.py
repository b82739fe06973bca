"""Speed: length and pitch change together; wow keeps the mean."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100


def tone(hz: float, seconds: float = 3.0) -> NDArray[np.float32]:
    t = np.arange(round(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * hz * t))[None].astype(np.float32)


def frequency(audio: NDArray[np.float32]) -> float:
    """Of one tone, by the phase of its analytic signal away from the ends."""
    middle = audio[0, 8000:-8000].astype(np.float64)
    spectrum = np.fft.fft(middle * np.hanning(len(middle)))
    spectrum[len(middle) // 2 :] = 0
    phase = np.unwrap(np.angle(np.fft.ifft(spectrum)))
    inner = slice(len(phase) // 10, -len(phase) // 10)
    return float(np.polyfit(np.arange(len(phase))[inner], phase[inner], 1)[0] * RATE / (2 * np.pi))


@pytest.mark.parametrize(
    ("name", "factor"), [("speed_+5%", 1.05), ("speed_-2%", 0.98), ("speed_+0.01%", 1.0001)]
)
def test_speed(name: str, factor: float) -> None:
    audio = tone(1000)
    result = attacks.get(name).apply(audio, RATE, np.random.default_rng(0))
    assert abs(result.shape[1] - audio.shape[1] / factor) <= 1
    assert frequency(result) == pytest.approx(1000 * factor, rel=1e-6)


def test_wow_swings_about_the_middle() -> None:
    audio = tone(1000, 5.0)
    result = attacks.get("wow_0.5%").apply(audio, RATE, np.random.default_rng(4))
    assert result.shape == audio.shape
    parts = [frequency(result[:, i : i + RATE // 2 + 16000]) for i in range(0, 4 * RATE, RATE // 4)]
    assert 1004 < max(parts) < 1005.1
    assert 994.9 < min(parts) < 996


def test_wow_in_stretches_is_wow(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = np.random.default_rng(1).normal(0, 0.1, (2, RATE)).astype(np.float32)
    whole = attacks.get("wow_0.5%").apply(audio, RATE, np.random.default_rng(4))
    monkeypatch.setattr("soundsafe.attacks.speed._STRETCH", 5000)
    parts = attacks.get("wow_0.5%").apply(audio, RATE, np.random.default_rng(4))
    np.testing.assert_allclose(parts, whole, atol=1e-6)
