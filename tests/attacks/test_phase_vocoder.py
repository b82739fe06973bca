"""The plain phase vocoder keeps what is steady and smears what is not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks
from soundsafe.attacks.packages import TORCHAUDIO
from soundsafe.attacks.phase_vocoder import stretched

pytestmark = pytest.mark.skipif(bool(TORCHAUDIO.missing()), reason="torchaudio is not installed")

RATE = 44100


def test_at_the_same_tempo_nothing_changes(stereo: NDArray[np.float32]) -> None:
    off = stretched(stereo, 1.0) - stereo
    assert np.sum(stereo**2) > 1e4 * np.sum(off**2)


@pytest.mark.parametrize("percent", [5, -5])
def test_tempo_and_pitch_of_a_tone(percent: int) -> None:
    t = np.arange(3 * RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 441 * t)).astype(np.float32)[None]
    factor = 1 + percent / 100

    def hz(audio: NDArray[np.float32]) -> float:
        x = audio[0, RATE // 2 : -RATE // 2]
        return float(np.argmax(np.abs(np.fft.rfft(x * np.hanning(len(x)), 1 << 19))) * RATE / (1 << 19))

    slow = attacks.get(f"tempo_vocoder_{percent:+d}%").apply(tone, RATE, np.random.default_rng(0))
    assert slow.shape[1] == round(tone.shape[1] / factor)
    assert hz(slow) == pytest.approx(441, abs=0.3)
    moved = attacks.get(f"pitch_vocoder_{percent:+d}%").apply(tone, RATE, np.random.default_rng(0))
    assert moved.shape == tone.shape
    assert hz(moved) == pytest.approx(441 * factor, abs=0.3)


def test_what_is_sharp_is_smeared() -> None:
    click = np.zeros((1, RATE), np.float32)
    click[0, RATE // 2] = 1
    assert np.abs(stretched(click, 1.05)).max() < 0.7
    for audio in (click[:, :100], np.zeros((2, RATE), np.float32)):
        assert np.isfinite(stretched(audio, 0.95)).all()


@pytest.mark.parametrize("tempo", [0.95, 1.05])
@pytest.mark.parametrize("phase", [0.0, 0.3, 1.0])
def test_a_tone_is_as_loud_as_before_whatever_phase_it_begins_with(tempo: float, phase: float) -> None:
    t = np.arange(3 * RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 1000 * t + phase)).astype(np.float32)[None]
    middle = stretched(tone, tempo)[0, RATE:-RATE]
    assert 20 * np.log10(np.sqrt(2 * np.mean(middle**2)) / 0.5) == pytest.approx(0, abs=1.5)
