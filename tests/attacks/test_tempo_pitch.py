"""Tempo and pitch: each engine changes the one and leaves the other."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks
from soundsafe.attacks.tempo_pitch import wsola

RATE = 44100


def clicks_and_tone(seconds: float = 4.0) -> NDArray[np.float32]:
    """A tone of 500 Hz with a loud burst at each half second."""
    t = np.arange(round(seconds * RATE)) / RATE
    envelope = 0.1 + 0.6 * np.exp(-60 * np.abs((t - 0.25) % 0.5))
    return (envelope * np.sin(2 * np.pi * 500 * t))[None].repeat(2, axis=0).astype(np.float32)


def pitch(audio: NDArray[np.float32]) -> float:
    spectrum = np.abs(np.fft.rfft(audio[0] * np.hanning(audio.shape[1])))
    return float(np.argmax(spectrum) * RATE / audio.shape[1])


def bursts(audio: NDArray[np.float32]) -> NDArray[np.float64]:
    """Times at which bursts begin; what follows within 0.1 s is the same burst."""
    loud = np.convolve(np.abs(audio[0]), np.ones(441), "same")
    starts = np.flatnonzero((loud[1:] > 0.5 * loud.max()) & (loud[:-1] <= 0.5 * loud.max()))
    return starts[np.diff(starts, prepend=-RATE) > RATE // 10] / RATE


@pytest.mark.parametrize("engine", ["signalsmith", "wsola", "vocoder"])
@pytest.mark.parametrize("percent", [5, -5, 2, -2, 10, -10])
def test_tempo(engine: str, percent: int) -> None:
    audio = clicks_and_tone()
    result = attacks.get(f"tempo_{engine}_{percent:+d}%").apply(audio, RATE, np.random.default_rng(0))
    factor = 1 + percent / 100
    assert result.shape[1] == pytest.approx(audio.shape[1] / factor, abs=2)
    assert pitch(result) == pytest.approx(500, abs=1)
    assert np.median(np.diff(bursts(result))) == pytest.approx(0.5 / factor, abs=0.012)


@pytest.mark.parametrize("engine", ["signalsmith", "wsola"])
@pytest.mark.parametrize("percent", [5, -5, 1, -1, 10, -10])
def test_pitch(engine: str, percent: int) -> None:
    audio = clicks_and_tone()
    result = attacks.get(f"pitch_{engine}_{percent:+d}%").apply(audio, RATE, np.random.default_rng(0))
    assert result.shape == audio.shape
    assert pitch(result) == pytest.approx(500 * (1 + percent / 100), abs=1)
    assert np.median(np.diff(bursts(result))) == pytest.approx(0.5, abs=0.012)


@pytest.mark.parametrize("percent", [5, -5, 10, -10])
def test_atempo(percent: int, stereo: NDArray[np.float32]) -> None:
    audio = clicks_and_tone()
    result = attacks.get(f"tempo_atempo_{percent:+d}%").apply(audio, RATE, np.random.default_rng(0))
    factor = 1 + percent / 100
    assert len(result) == len(audio)
    # FFmpeg keeps what its last windows hold.
    assert result.shape[1] == pytest.approx(audio.shape[1] / factor, abs=2048)
    assert pitch(result) == pytest.approx(500, abs=1)
    assert np.median(np.diff(bursts(result))) == pytest.approx(0.5 / factor, abs=0.012)


def test_wsola_at_the_same_tempo_changes_nothing(stereo: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(wsola(stereo, RATE, 1.0), stereo, atol=1e-6)


@pytest.mark.parametrize("tempo", [0.5, 0.95, 1.3, 2.0])
def test_wsola_keeps_the_level(tempo: float, stereo: NDArray[np.float32]) -> None:
    result = wsola(stereo, RATE, tempo)
    assert result.shape[1] == round(stereo.shape[1] / tempo)
    assert result.std() == pytest.approx(stereo.std(), rel=0.2)


def test_wsola_of_short_audio() -> None:
    for samples in (1, 50, 3000):
        audio = np.random.default_rng(1).uniform(-1, 1, (1, samples)).astype(np.float32)
        assert np.isfinite(wsola(audio, RATE, 1.05)).all()
