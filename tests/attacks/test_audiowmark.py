"""What the attacks of audiowmark's tests promise beside their likeness to the originals."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100


def apply(name: str, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return attacks.get(f"audiowmark_{name}").apply(audio, RATE, np.random.default_rng(0))


@pytest.mark.parametrize("factor", [0.85, 0.9764, 1.01, 1.15])
def test_speed_changes_the_length(factor: float, mono: NDArray[np.float32]) -> None:
    assert apply(f"speed_{factor}", mono).shape[1] == pytest.approx(mono.shape[1] / factor, abs=2)


def test_twice_coded_is_further_from_the_clip(stereo: NDArray[np.float32]) -> None:
    once, twice = (np.sum((apply(n, stereo) - stereo) ** 2) for n in ("mp3_128", "double_mp3_128"))
    assert twice > once


def test_a_cut_leaves_at_least_one_sample(mono: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(apply("cut_start_44300", mono), mono[:, 44300:])
    assert apply("cut_start_44300", mono[:, :100]).shape[1] == 1
