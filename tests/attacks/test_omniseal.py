"""What OmniSealBench's attacks promise beside their likeness to the originals (`test_published.py`)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks
from soundsafe.attacks.omniseal import random_walks

RATE = 44100


def apply(name: str, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return attacks.get(name).apply(audio, RATE, np.random.default_rng(0))


def test_what_comes_back_is_mono_and_has_nothing_above_8_khz(stereo: NDArray[np.float32]) -> None:
    out = apply("omniseal_boost_10%", stereo)
    assert out.shape == (1, stereo.shape[1])
    spectrum = np.abs(np.fft.rfft(out[0])) ** 2
    above = np.fft.rfftfreq(out.shape[1], 1 / RATE) > 8500
    assert spectrum[above].sum() < 1e-6 * spectrum.sum()


def test_its_pink_noise_is_brown_and_scaled_by_its_peak() -> None:
    noise = random_walks(160_000, np.random.default_rng(3))
    assert np.abs(noise).max() == pytest.approx(1)
    spectrum = np.abs(np.fft.rfft(noise[0])) ** 2
    frequency = np.fft.rfftfreq(noise.shape[1], 1 / 16000)
    bands = [spectrum[(frequency > f) & (frequency < 2 * f)].mean() for f in (250, 500, 1000)]
    falls = [10 * np.log10(a / b) for a, b in pairwise(bands)]
    assert all(4.5 < fall < 7.5 for fall in falls)  # pink: 3 dB an octave


def test_as_said_the_noise_is_pink_and_scaled_by_its_deviation() -> None:
    silence = np.zeros((1, 160_000), np.float32)
    noise = attacks.get("omniseal_pink_noise_0.1_as_said").apply(silence, 16000, np.random.default_rng(3))
    assert np.std(noise) == pytest.approx(0.1, rel=0.01)
    spectrum = np.abs(np.fft.rfft(noise[0])) ** 2
    frequency = np.fft.rfftfreq(noise.shape[1], 1 / 16000)
    bands = [spectrum[(frequency > f) & (frequency < 2 * f)].mean() for f in (250, 500, 1000)]
    assert all(10 * np.log10(a / b) == pytest.approx(3, abs=0.7) for a, b in pairwise(bands))


@pytest.mark.parametrize("factor", [0.5, 1.25])
def test_speed_changes_the_length(factor: float, mono: NDArray[np.float32]) -> None:
    attack = attacks.get(f"omniseal_speed_{factor}")
    if attack.left_out:
        pytest.skip(attack.left_out)
    out = attack.apply(mono, RATE, np.random.default_rng(0))
    assert out.shape[1] == pytest.approx(mono.shape[1] / factor, abs=10)


def test_the_echo_comes_before_as_run_and_after_as_said() -> None:
    audio = np.zeros((1, 16000), np.float32)
    audio[0, 8000] = 0.5
    run, said = (
        attacks.get(n).apply(audio, 16000, np.random.default_rng(0))
        for n in ("omniseal_echo_0.5_0.1s", "omniseal_echo_0.5_0.1s_as_said")
    )
    assert np.flatnonzero(run[0]).tolist() == [8000 - 1599, 8000]
    assert np.flatnonzero(said[0]).tolist() == [8000, 8000 + 1600]


def test_as_run_all_mp3_rates_are_one_file_and_as_said_they_differ(mono: NDArray[np.float32]) -> None:
    assert [n for n in attacks.suite("omniseal").attacks if "mp3" in n and "as_said" not in n] == [
        "omniseal_mp3"
    ]
    low, high = (apply(f"omniseal_mp3_{k}_as_said", mono) for k in (24, 128))
    assert not np.array_equal(low, high)
