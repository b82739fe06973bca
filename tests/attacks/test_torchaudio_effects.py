"""Effects of torchaudio: what each does to a sound that shows it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks
from soundsafe.attacks.packages import TORCHAUDIO

pytestmark = pytest.mark.skipif(bool(TORCHAUDIO.missing()), reason="torchaudio is not installed")

RATE = 44100


def apply(name: str, audio: NDArray[np.float32], seed: int = 0) -> NDArray[np.float32]:
    return attacks.get(f"torchaudio_{name}").apply(audio, RATE, np.random.default_rng(seed))


@pytest.mark.parametrize("percent", [5, -5])
def test_speed_moves_a_tone_and_the_length(percent: int) -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)[None]
    out = apply(f"speed_{percent:+d}%", tone)
    assert out.shape[1] == pytest.approx(RATE / (1 + percent / 100), abs=1)
    hz = np.argmax(np.abs(np.fft.rfft(out[0]))) * RATE / out.shape[1]
    assert hz == pytest.approx(1000 * (1 + percent / 100), abs=2)


def test_mulaw_has_as_many_levels_as_it_says(mono: NDArray[np.float32]) -> None:
    assert len(np.unique(apply("mulaw_16", mono))) <= 16


def test_contrast_bends_more_with_its_amount(mono: NDArray[np.float32]) -> None:
    changes = [float(np.sum((apply(f"contrast_{n}", mono) - mono) ** 2)) for n in (25, 50, 75, 100)]
    assert changes == sorted(changes)


def test_a_time_mask_silences_one_stretch(mono: NDArray[np.float32]) -> None:
    out = apply("time_mask_15%", mono, seed=3)
    changed = np.flatnonzero(np.abs(out - mono).max(axis=0) > 1e-4)
    assert 0 < changed[-1] - changed[0] < 0.25 * mono.shape[1]
    assert not np.array_equal(out, apply("time_mask_15%", mono, seed=4))


def test_griffin_lim_keeps_magnitudes_and_loses_the_waveform(mono: NDArray[np.float32]) -> None:
    out = apply("griffinlim_32", mono)
    assert np.sum((out - mono) ** 2) > np.sum(mono**2)
    powers = [np.abs(np.fft.rfft(x[0])) ** 2 for x in (out, mono)]
    bands = [[p[k : k + 5000].sum() for k in range(0, 40000, 5000)] for p in powers]
    np.testing.assert_allclose(10 * np.log10(bands[0]), 10 * np.log10(bands[1]), atol=1.5)
