"""Effects that sway: a tone shows what each does."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100


def tone(hz: float = 1000.0) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(2 * RATE) / RATE)).astype(np.float32)[None]


def apply(name: str, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return attacks.get(name).apply(audio, RATE, np.random.default_rng(0))


def loudness(audio: NDArray[np.float32]) -> NDArray[np.float64]:
    """RMS in blocks of 20 ms, those at the ends left out."""
    block = RATE // 50
    return np.sqrt(np.mean(audio[0, : len(audio[0]) // block * block].reshape(-1, block) ** 2, axis=1))[3:-3]


def test_tremolo_swings_by_its_depth() -> None:
    level = loudness(apply("tremolo_2Hz_80%", tone()))
    assert level.min() / level.max() == pytest.approx(0.2, abs=0.03)


def test_vibrato_moves_the_pitch_by_its_cents() -> None:
    out = apply("vibrato_50cents", tone())[0].astype(np.float64)
    crossings = np.flatnonzero((out[:-1] < 0) & (out[1:] >= 0))
    exact = crossings - out[crossings] / (out[crossings + 1] - out[crossings])
    hz = RATE / np.diff(exact[20:-20])
    assert 1200 * np.log2(np.percentile(hz, 99.5) / 1000) == pytest.approx(50, abs=6)
    assert 1200 * np.log2(np.percentile(hz, 0.5) / 1000) == pytest.approx(-50, abs=6)


@pytest.mark.parametrize("name", ["flanger_100%", "phaser_4_stages", "chorus_100%"])
def test_notches_pass_over_a_tone(name: str) -> None:
    level = loudness(apply(name, tone()))
    assert level.min() < 0.8 * level.max()


def test_channels_sway_together() -> None:
    out = apply("chorus_50%", np.repeat(tone(), 2, axis=0))
    np.testing.assert_array_equal(out[0], out[1])
