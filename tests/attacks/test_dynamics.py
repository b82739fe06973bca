"""Dynamics on steady tones, where the static curve alone counts."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100


def tone(level_db: float, seconds: float = 3.0) -> NDArray[np.float32]:
    t = np.arange(round(seconds * RATE)) / RATE
    return (10 ** (level_db / 20) * np.sin(2 * np.pi * 997 * t))[None].astype(np.float32)


def apply(name: str, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return attacks.get(name).apply(audio, RATE, np.random.default_rng(0))


def settled_gain_db(name: str, level_db: float) -> float:
    audio = tone(level_db)
    end = slice(-RATE // 2, None)
    return float(20 * np.log10(apply(name, audio)[0, end].std() / audio[0, end].std()))


@pytest.mark.parametrize(
    ("name", "level", "gain"),
    [
        ("compressor_4to1_-24dB", -12, -9), ("compressor_4to1_-24dB", -30, 0),
        ("compressor_2to1_-24dB", -4, -10), ("compressor_10to1_-30dB", -10, -18),
        ("drc_light", -40, 5), ("drc_light", -10, -5), ("drc_heavy", -10, -10), ("drc_heavy", -90, 0),
        ("expander_2to1_-40dB", -50, -10), ("expander_2to1_-40dB", -30, 0),
        ("gate_-45dB", -60, -80), ("gate_-45dB", -40, 0), ("multiband_-24dB", -60, 0),
    ],
)  # fmt: skip
def test_static_curve(name: str, level: float, gain: float) -> None:
    assert settled_gain_db(name, level) == pytest.approx(gain, abs=0.2)


@pytest.mark.parametrize("hertz", [60, 120, 200, 400, 600, 900, 1200, 2500, 6000, 10_000])
def test_bands_do_not_cancel_where_they_meet(hertz: float) -> None:
    t = np.arange(RATE) / RATE
    audio = (0.5 * np.sin(2 * np.pi * hertz * t)).astype(np.float32)[None]
    end = slice(RATE // 2, -RATE // 4)
    gain = 20 * np.log10(apply("multiband_-24dB", audio)[0, end].std() / audio[0, end].std())
    # 3:1 above -24; between two bands each is 6 dB lower, and is turned down by 4 dB less.
    assert -12.6 < gain < -7.5
    if hertz in (60, 600, 900, 10_000):
        assert gain == pytest.approx(-12, abs=1)


def test_compressor_takes_its_time() -> None:
    audio = np.concatenate([tone(-40, 1.0), tone(-6, 1.0), tone(-40, 1.0)], axis=1)
    result = apply("compressor_4to1_-24dB", audio)
    gain = np.abs(result[0]) / np.maximum(np.abs(audio[0]), 1e-9)

    def db(second: float) -> float:
        at = round(second * RATE)
        return float(20 * np.log10(np.max(gain[at : at + 60])))

    assert db(0.9) == pytest.approx(0, abs=0.01)
    assert -13 < db(1.005) < -4
    assert db(1.9) == pytest.approx(-13.5, abs=0.2)
    assert -8 < db(2.1) < -2
    assert db(2.9) == pytest.approx(0, abs=0.1)


def test_clipping(stereo: NDArray[np.float32]) -> None:
    result = apply("clip_-6dB", stereo)
    ceiling = np.abs(stereo).max() * 10 ** (-6 / 20)
    assert np.abs(result).max() == pytest.approx(ceiling)
    quiet = np.abs(stereo) < ceiling
    np.testing.assert_array_equal(result[quiet], stereo[quiet])
    assert np.abs(apply("softclip_12dB", stereo)).max() < 1


@pytest.mark.parametrize("lufs", [-9, -14, -16, -23, -31])
def test_loudness(lufs: int, stereo: NDArray[np.float32]) -> None:
    result = apply(f"loudness_{lufs}LUFS", stereo)
    measured = pyloudnorm.Meter(RATE).integrated_loudness(result.T.astype(np.float64))
    assert measured == pytest.approx(lufs, abs=0.1)
    assert np.abs(result).max() <= 10 ** (-1 / 20) + 1e-6


def test_loudness_of_what_cannot_be_measured(stereo: NDArray[np.float32]) -> None:
    for audio in (stereo[:, : RATE // 5], stereo * np.float32(1e-6)):
        np.testing.assert_array_equal(apply("loudness_-14LUFS", audio), audio)


def test_loudness_of_surround_leaves_the_low_frequencies_out(stereo: NDArray[np.float32]) -> None:
    six = np.concatenate([stereo, 0 * stereo[:1], 3 * stereo[:1], 0 * stereo])
    result = apply("loudness_-23LUFS", six)
    np.testing.assert_allclose(result[:2], apply("loudness_-23LUFS", stereo), rtol=1e-3, atol=1e-6)


def test_normalize(stereo: NDArray[np.float32]) -> None:
    assert np.abs(apply("normalize_-1dB", stereo)).max() == pytest.approx(10 ** (-1 / 20), rel=1e-6)
