"""Channels and cuts are exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100


def apply(name: str, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return attacks.get(name).apply(audio, RATE, np.random.default_rng(0))


def test_downmix_and_single_channels(stereo: NDArray[np.float32], mono: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(apply("downmix_mono", stereo)[0], (stereo[0] + stereo[1]) / 2, atol=1e-7)
    np.testing.assert_array_equal(apply("left_only", stereo), stereo[:1])
    np.testing.assert_array_equal(apply("right_only", stereo), stereo[1:])
    for name in ("downmix_mono", "left_only", "right_only"):
        np.testing.assert_array_equal(apply(name, mono), mono)
