"""Noise at the ratio and of the colour that its name says."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks
from soundsafe.attacks.noise import COLOURS, make_noise

RATE = 44100


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("snr", [40, 20, 5])
def test_ratio(colour: str, snr: int, stereo: NDArray[np.float32]) -> None:
    result = attacks.get(f"noise_{colour}_{snr}dB").apply(stereo, RATE, np.random.default_rng(1))
    error = np.mean((result - stereo) ** 2)
    assert 10 * np.log10(np.mean(stereo**2) / error) == pytest.approx(snr, abs=0.01)


@pytest.mark.parametrize(("colour", "slope"), [("white", 0), ("pink", -3.01), ("brown", -6.02)])
def test_slope_per_octave(colour: str, slope: float) -> None:
    noise = make_noise((1, 2**18), RATE, np.random.default_rng(2), colour)[0]
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequency = np.fft.rfftfreq(len(noise), 1 / RATE)
    octaves = [10 * np.log10(power[(frequency >= f) & (frequency < 2 * f)].mean()) for f in (100, 800, 6400)]
    assert np.diff(octaves) / 3 == pytest.approx([slope, slope], abs=0.2)


def test_channels_are_independent_and_seeds_count(stereo: NDArray[np.float32]) -> None:
    noise = make_noise((2, RATE), RATE, np.random.default_rng(3), "white")
    assert abs(np.asarray(np.corrcoef(noise))[0, 1]) < 0.03
    attack = attacks.get("noise_white_20dB")
    first, second = (attack.apply(stereo, RATE, np.random.default_rng(seed)) for seed in (1, 2))
    assert not np.array_equal(first, second)


def test_absolute_level() -> None:
    silence = np.zeros((1, RATE), np.float32)
    result = attacks.get("noise_white_std_0.01").apply(silence, RATE, np.random.default_rng(0))
    assert result.std() == pytest.approx(0.01, rel=1e-3)
    assert not attacks.get("noise_white_20dB").apply(silence, RATE, np.random.default_rng(0)).any()
