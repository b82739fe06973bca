"""Cuts are exact to the sample."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100


def apply(name: str, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return attacks.get(name).apply(audio, RATE, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("name", "samples"), [("crop_0.5s", 22050), ("crop_0.333s", 14685), ("crop_0.01s", 441)]
)
def test_crop(name: str, samples: int, stereo: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(apply(name, stereo), stereo[:, samples:])
    assert attacks.get(name).delay_samples(RATE) == -samples
