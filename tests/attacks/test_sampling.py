"""Other rates and fewer bits."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100


def apply(name: str, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return attacks.get(name).apply(audio, RATE, np.random.default_rng(0))


def tone(hz: float) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(RATE) / RATE))[None].astype(np.float32)


@pytest.mark.parametrize(
    ("name", "kept", "lost"), [("resample_8000", 3000, 4500), ("resample_22050", 9000, 12000)]
)
def test_what_is_above_half_the_rate_is_lost(name: str, kept: float, lost: float) -> None:
    middle = slice(2000, -2000)
    np.testing.assert_allclose(apply(name, tone(kept))[:, middle], tone(kept)[:, middle], atol=1e-3)
    assert np.abs(apply(name, tone(lost))[:, middle]).max() < 1e-3


def test_through_a_higher_rate_nothing_is_lost() -> None:
    middle = slice(2000, -2000)
    np.testing.assert_allclose(
        apply("resample_96000", tone(15000))[:, middle], tone(15000)[:, middle], atol=1e-4
    )


@pytest.mark.parametrize("bits", [16, 12, 8, 4, 2])
def test_bits(bits: int, stereo: NDArray[np.float32]) -> None:
    result = apply(f"bits_{bits}", stereo)
    steps = result * 2 ** (bits - 1)
    np.testing.assert_array_equal(steps, np.rint(steps))
    assert np.abs(result - stereo).max() <= 0.5001 / 2 ** (bits - 1) or bits == 2
    assert len(np.unique(result)) <= 2**bits


def test_full_scale_is_clipped() -> None:
    result = apply("bits_8", np.array([[1.5, -1.5, 1.0, -1.0]], np.float32))
    np.testing.assert_array_equal(result, np.array([[127, -128, 127, -128]]) / 128)


def test_dither_takes_away_the_distortion() -> None:
    """The error of dithered rounding does not depend on the signal."""
    audio = tone(1000) * np.float32(0.02)
    plain, dithered = (apply(f"bits{d}_8", audio) - audio for d in ("", "_dither"))
    assert abs(np.corrcoef(dithered[0], audio[0])[0, 1]) < 0.02
    assert np.abs(np.fft.rfft(plain[0]))[3000] > 4 * np.abs(np.fft.rfft(dithered[0]))[3000]


@pytest.mark.parametrize("levels", [4, 16, 64])
def test_levels_of_the_clips_own_range(levels: int, stereo: NDArray[np.float32]) -> None:
    quiet = stereo * np.float32(0.1) + np.float32(0.02)
    result = attacks.get(f"levels_{levels}").apply(quiet, RATE, np.random.default_rng(0))
    assert len(np.unique(result)) <= levels
    assert result.min() == pytest.approx(quiet.min(), rel=1e-5)
    assert result.max() == pytest.approx(quiet.max(), rel=1e-5)
    assert np.abs(result - quiet).max() <= np.ptp(quiet) / (levels - 1) / 2 * 1.001
    constant = np.full((1, RATE), 0.25, np.float32)
    np.testing.assert_array_equal(
        attacks.get(f"levels_{levels}").apply(constant, RATE, np.random.default_rng(0))[0, 1:], 0.25
    )


def test_levels_of_audio_on_one_side_of_zero() -> None:
    audio = np.random.default_rng(0).uniform(0.5, 0.6, (1, 1000)).astype(np.float32)
    assert len(np.unique(attacks.get("levels_4").apply(audio, RATE, np.random.default_rng(0)))) == 4
