"""StirMark's attacks that are exact enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100


def apply(name: str, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return attacks.get(f"stirmark_{name}").apply(audio, RATE, np.random.default_rng(0))


def ramp(samples: int) -> NDArray[np.float32]:
    return (np.arange(1, samples + 1) / 32768)[None].astype(np.float32)


NAMES = [
    "AddBrumm_100", "AddDynNoise", "AddFFTNoise", "AddNoise_900", "AddSinus",
    "Amplify_50", "CopySample", "CutSamples", "Echo", "ExtraStereo_50",
    "FFT_HLPassQuick", "FFT_Invert", "FlippSample", "Invert", "LSBZero",
    "Normalize", "Smooth", "VoiceRemove", "ZeroCross", "ZeroLength",
    "ZeroRemove",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_named_attacks_exist_and_are_in_the_suite(name: str) -> None:
    assert f"stirmark_{name}" in attacks.suite("stirmark").attacks


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("ZeroLength", "ZeroRemove", "ZeroCross")])
def test_they_do_something(name: str, stereo: NDArray[np.float32]) -> None:
    result = apply(name, stereo)
    assert result.shape != stereo.shape or not np.allclose(result, stereo, atol=1e-6)


def test_samples_copied_cut_and_exchanged() -> None:
    audio = ramp(20000)
    copied = apply("CopySample", audio)
    assert copied.shape[1] == 24000
    np.testing.assert_array_equal(copied[0, 6000:8000], audio[0, :2000])
    np.testing.assert_array_equal(copied[0, 8000:12000], audio[0, 6000:10000])
    flipped = apply("FlippSample", audio)
    np.testing.assert_array_equal(flipped[0, :2000], audio[0, 6000:8000])
    np.testing.assert_array_equal(flipped[0, 6000:8000], audio[0, :2000])
    np.testing.assert_array_equal(np.sort(flipped[0]), audio[0])
    cut = apply("CutSamples", audio)
    assert cut.shape[1] == 20000 - 20 * 7
    np.testing.assert_array_equal(cut[0, 993], audio[0, 1000])
    np.testing.assert_array_equal(apply("Exchange", audio)[0, :4], audio[0, [1, 0, 3, 2]])


def test_signs_and_bits(stereo: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(apply("Invert", stereo), -stereo)
    np.testing.assert_allclose(apply("FFT_Invert", stereo), -stereo, atol=1e-6)
    block = stereo[:, :1024]
    np.testing.assert_allclose(
        apply("FFT_RealReverse", block), -np.roll(block[:, ::-1], 1, axis=1), atol=1e-6
    )
    bits = apply("LSBZero", stereo) * 32768
    np.testing.assert_array_equal(bits % 2, 0)
    assert np.abs(apply("Normalize", stereo)).max() == pytest.approx(32767 / 32768, rel=1e-6)


def test_zeros() -> None:
    audio = ramp(100)
    audio[0, [20, 50]] = 0
    longer = apply("ZeroLength", audio)
    assert np.flatnonzero(longer[0] == 0).tolist() == [*range(20, 31), *range(50, 61)]
    removed = apply("ZeroRemove", audio)
    np.testing.assert_array_equal(removed[0], np.delete(audio[0], [20, 50]))
    quiet = apply("ZeroCross", ramp(2000))
    assert np.count_nonzero(quiet == 0) == 999


def test_zeros_of_one_channel_in_three_readings() -> None:
    audio = np.concatenate([ramp(100), ramp(100)])
    audio[:, 20] = 0
    audio[0, 50] = 0
    both, late = [*range(20, 31)], [*range(50, 61)]
    for name, left, right in (
        ("ZeroLength", [*both, 50], both),
        ("ZeroLength1", [*both, *late], both),
        ("ZeroLength2", [*both, *late], [*both, *late]),
    ):
        found = apply(name, audio)
        assert [np.flatnonzero(channel == 0).tolist() for channel in found] == [left, right]


def test_neighbours() -> None:
    audio = np.array([[0, 1, 0, 1, 2, 3, 0]], np.float32) / 4
    np.testing.assert_allclose(apply("Smooth", audio)[0] * 4, [0, 0, 1, 1, 2, 1, 0])
    np.testing.assert_allclose(apply("Smooth2", audio)[0] * 4, [0, 1, 0, 1, 2, 3, 0])
    np.testing.assert_allclose(apply("Stat1", audio)[0] * 4, [0.5, 0.5, 0.5, 1.5, 2.5, 1.5, 0])
    np.testing.assert_allclose(apply("Stat2", audio)[0] * 4, [0, 0.6, 0.4, 1, 2, 2.2, 0], atol=1e-6)


def test_tones_have_their_level() -> None:
    silence = np.zeros((1, RATE), np.float32)
    for name, hz, amplitude in (("AddBrumm_2500", 55, 2500), ("AddSinus", 900, 1300)):
        spectrum = np.abs(np.fft.rfft(apply(name, silence)[0])) / (RATE / 2) * 32768
        assert int(np.argmax(spectrum)) == hz
        assert spectrum[hz] == pytest.approx(amplitude, rel=1e-4)


@pytest.mark.parametrize(("name", "hz"), [("stirmark_RC_LowPass", 15000), ("stirmark_RC_HighPass", 150)])
def test_filters_of_one_resistor_lose_3_db_where_they_say(name: str, hz: int) -> None:
    impulse = np.zeros((1, RATE), np.float32)
    impulse[0, 0] = 1
    response = np.abs(np.fft.rfft(attacks.get(name).apply(impulse, RATE, np.random.default_rng(0))[0]))
    assert 20 * np.log10(response[hz]) == pytest.approx(-3.01, abs=0.05)
