"""Studios, stations, disc jockeys."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks, codecs
from soundsafe.attacks.production import controlled

RATE = 44100


def apply(name: str, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return attacks.get(name).apply(audio, RATE, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("name", "ceiling_db"), [("true_peak_-1dBTP_drive_12dB", -1), ("true_peak_-2dBTP_drive_6dB", -2)]
)
def test_no_peak_between_samples_passes_the_ceiling(
    name: str, ceiling_db: float, stereo: NDArray[np.float32]
) -> None:
    peak = np.abs(codecs.resample(apply(name, stereo), RATE, 4 * RATE)).max()
    assert 20 * np.log10(peak) == pytest.approx(ceiling_db, abs=0.4)


def test_gain_control_evens_out(mono: NDArray[np.float32]) -> None:
    audio = np.concatenate([0.3 * mono, mono, 0.5 * mono], axis=1)
    out = controlled(audio, RATE, -20.0)
    third = mono.shape[1]
    levels = [
        20 * np.log10(np.sqrt(np.mean(out[:, k * third + RATE : (k + 1) * third - RATE // 2] ** 2)))
        for k in range(3)
    ]
    assert max(levels) - min(levels) < 2


def test_broadcast_makes_what_is_quiet_loud(mono: NDArray[np.float32]) -> None:
    quiet = np.float32(0.1) * mono
    assert np.sqrt(np.mean(apply("broadcast_loud", quiet) ** 2)) > 3 * np.sqrt(np.mean(quiet**2))
    assert np.abs(apply("broadcast_loud", mono)).max() <= 10 ** (-1 / 20) + 1e-6


@pytest.mark.parametrize("percent", [4, -4, 8, -8])
def test_a_fader_changes_the_length(percent: int, mono: NDArray[np.float32]) -> None:
    fixed, ride = (apply(f"dj_{how}_{percent:+d}%", mono) for how in ("fader", "ride"))
    assert fixed.shape[1] == pytest.approx(mono.shape[1] / (1 + percent / 100), abs=2)
    assert min(mono.shape[1], fixed.shape[1]) < ride.shape[1] < max(mono.shape[1], fixed.shape[1])


def test_pauses_go_and_sound_stays(mono: NDArray[np.float32]) -> None:
    pause = np.zeros((1, RATE), np.float32)
    audio = np.concatenate([pause, mono, pause, mono], axis=1)
    out = apply("silence_trimmed_-60dB", audio)
    assert out.shape[1] == pytest.approx(2 * mono.shape[1], abs=0.3 * RATE)
    np.testing.assert_array_equal(apply("silence_trimmed_-60dB", pause), pause)


def test_a_crossfade_shortens_by_its_length(mono: NDArray[np.float32]) -> None:
    out = apply("crossfade_0.25s", mono)
    assert out.shape[1] == mono.shape[1] - round(0.25 * RATE)
    np.testing.assert_array_equal(out[:, :1000], mono[:, :1000])
    np.testing.assert_array_equal(out[:, -1000:], mono[:, -1000:])


def test_the_centre_is_removed(mono: NDArray[np.float32]) -> None:
    assert not apply("stems_centre_removed", np.repeat(mono, 2, axis=0)).any()
    np.testing.assert_array_equal(apply("stems_centre_removed", mono), mono)
