"""Channels are exact; mono audio stays."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100


def apply(name: str, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return attacks.get(name).apply(audio, RATE, np.random.default_rng(0))


def test_downmix_and_single_channels(stereo: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(apply("downmix_mono", stereo)[0], (stereo[0] + stereo[1]) / 2, atol=1e-7)
    np.testing.assert_array_equal(apply("left_only", stereo), stereo[:1])
    np.testing.assert_array_equal(apply("right_only", stereo), stereo[1:])


def test_both_channels_kept(stereo: NDArray[np.float32]) -> None:
    left, right = stereo
    np.testing.assert_array_equal(apply("channel_swap", stereo), [right, left])
    np.testing.assert_array_equal(apply("channel_lost_left", stereo), [0 * left, right])
    np.testing.assert_array_equal(apply("channel_lost_right", stereo), [left, 0 * right])
    np.testing.assert_array_equal(apply("channel_invert_right", stereo), [left, -right])
    np.testing.assert_allclose(apply("balance_-6dB", stereo), [left, right * 10 ** (-6 / 20)], rtol=1e-6)
    delayed = apply("channel_delay_1ms", stereo)
    np.testing.assert_array_equal(delayed[0], left)
    np.testing.assert_array_equal(delayed[1, 44:], right[:-44])
    assert not delayed[1, :44].any()


def test_stereo_width(stereo: NDArray[np.float32]) -> None:
    difference = stereo[0] - stereo[1]
    for percent in (0, 50, 200):
        result = apply(f"stereo_width_{percent}%", stereo)
        np.testing.assert_allclose(result[0] - result[1], difference * percent / 100, atol=1e-6)
        np.testing.assert_allclose(result.sum(axis=0), stereo.sum(axis=0), atol=1e-6)


@pytest.mark.parametrize("name", [a.name for a in attacks.all_attacks() if a.family == "channels"])
def test_mono_stays(name: str, mono: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(apply(name, mono), mono, atol=1e-7)
