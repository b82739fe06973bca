"""Gain is exact, and clips nothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks


@pytest.mark.parametrize(
    ("name", "factor"),
    [("gain_+3dB", 1.4125375), ("gain_-3dB", 0.70794576), ("gain_+6dB", 1.9952623), ("gain_-20dB", 0.1)],
)
def test_gain_is_exact(name: str, factor: float, stereo: NDArray[np.float32]) -> None:
    result = attacks.get(name).apply(stereo, 44100, np.random.default_rng(0))
    np.testing.assert_allclose(result, stereo * factor, rtol=2e-7)


def test_nothing_is_clipped(stereo: NDArray[np.float32]) -> None:
    result = attacks.get("gain_+6dB").apply(stereo, 44100, np.random.default_rng(0))
    assert np.abs(result).max() > 1.5
