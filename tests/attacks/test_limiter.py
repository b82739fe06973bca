"""The limiter: its ceiling holds, quiet parts stay, attack and release take their time."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks
from soundsafe.attacks.limiter import LOOK_AHEAD_S, RELEASE_S, limit

RATE = 44100


def _burst() -> NDArray[np.float32]:
    """A quiet tone of 3 s with a loud one between 1.0 and 1.1 s, on the left only."""
    t = np.arange(3 * RATE) / RATE
    tone = 0.1 * np.sin(2 * np.pi * 440 * t)
    loud = np.where((t >= 1.0) & (t < 1.1), 9.0, 1.0)
    return np.stack([tone * loud, tone]).astype(np.float32)


@pytest.mark.parametrize("ceiling", [0.05, 0.3, 0.5, 0.79])
def test_no_sample_passes_the_ceiling(ceiling: float, stereo: NDArray[np.float32]) -> None:
    for audio in (stereo, _burst(), np.sign(stereo).astype(np.float32)):
        assert np.abs(limit(audio, RATE, ceiling)).max() <= np.float32(ceiling)


def test_the_gain_alone_keeps_the_ceiling(stereo: NDArray[np.float32]) -> None:
    """Not a clipper in disguise: the shape under a smooth gain stays as it was."""
    result = limit(stereo, RATE, 0.4)
    loud = np.abs(stereo[0]) > 0.05
    gain = result[0, loud] / stereo[0, loud]
    other = np.abs(stereo[1, loud]) > 0.05
    np.testing.assert_allclose(gain[other], (result[1, loud] / stereo[1, loud])[other], rtol=1e-5)


def test_quiet_parts_are_untouched() -> None:
    audio = _burst()
    result = limit(audio, RATE, 0.5)
    before = round((1.0 - 2 * LOOK_AHEAD_S) * RATE)
    after = round((1.1 + 15 * RELEASE_S) * RATE)
    np.testing.assert_array_equal(result[:, :before], audio[:, :before])
    np.testing.assert_array_equal(result[:, after:], audio[:, after:])


def test_look_ahead_and_release() -> None:
    audio = _burst()
    result = limit(audio, RATE, 0.45)
    right = np.where(np.abs(audio[1]) > 0.02, result[1] / np.where(audio[1] == 0, 1, audio[1]), np.nan)
    attenuation = -20 * np.log10(right)
    full = 20 * np.log10(0.9 / 0.45)

    def level(second: float) -> float:
        at = round(second * RATE)
        return float(np.nanmedian(attenuation[at - 40 : at + 40]))

    assert level(1.05) == pytest.approx(full, abs=0.1)
    assert level(1.0 - 2 * LOOK_AHEAD_S) < 0.1
    assert level(1.1 + RELEASE_S) == pytest.approx(full / np.e, rel=0.1)
    assert level(1.1 + 2 * RELEASE_S) == pytest.approx(full / np.e**2, rel=0.1)


def test_below_the_peak(stereo: NDArray[np.float32]) -> None:
    result = attacks.get("limiter_-3dB").apply(stereo, RATE, np.random.default_rng(0))
    assert np.abs(result).max() == pytest.approx(np.abs(stereo).max() * 10 ** (-3 / 20), rel=1e-3)


@pytest.mark.parametrize("drive", [3, 6])
def test_drive_into_minus_one_dbfs(drive: int, stereo: NDArray[np.float32]) -> None:
    result = attacks.get(f"limiter_drive_{drive}dB").apply(stereo, RATE, np.random.default_rng(0))
    assert np.abs(result).max() == pytest.approx(10 ** (-1 / 20), rel=1e-3)
    quiet = attacks.get(f"limiter_drive_{drive}dB").apply(
        stereo * np.float32(0.01), RATE, np.random.default_rng(0)
    )
    np.testing.assert_allclose(quiet, stereo * np.float32(0.01) * 10 ** (drive / 20), rtol=1e-6)
