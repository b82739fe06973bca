"""Rooms have the reverberation time that they are named for; echoes are exact."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100


@pytest.mark.parametrize("rt60", [0.15, 0.3, 0.5, 0.8, 1.5])
def test_reverberation_time(rt60: float) -> None:
    impulse = np.zeros((1, 2 * RATE), np.float32)
    impulse[0, 0] = 1
    response = attacks.get(f"reverb_{rt60}s").apply(impulse, RATE, np.random.default_rng(0))[0]
    assert response[0] == pytest.approx(1)
    # Schroeder's backward integral, between -5 and -25 dB after the direct sound.
    energy = np.cumsum(response[50:][::-1] ** 2)[::-1]
    decay = 10 * np.log10(np.maximum(energy / energy[0], 1e-12))
    first, last = np.argmax(decay < -5), np.argmax(decay < -25)
    assert 3 * (last - first) / RATE == pytest.approx(rt60, rel=0.3)


def test_rooms_differ_by_channel(stereo: NDArray[np.float32]) -> None:
    same = stereo[:1].repeat(2, axis=0)
    result = attacks.get("reverb_0.3s").apply(same, RATE, np.random.default_rng(0))
    assert not np.allclose(result[0], result[1])


def test_echo(stereo: NDArray[np.float32]) -> None:
    result = attacks.get("echo_0.1s_30%").apply(stereo, RATE, np.random.default_rng(0))
    np.testing.assert_allclose(result[:, 4410:], stereo[:, 4410:] + 0.3 * stereo[:, :-4410], atol=1e-6)
    np.testing.assert_array_equal(result[:, :4410], stereo[:, :4410])


@pytest.mark.parametrize("snr", [12, 0])
def test_a_room_under_the_audio(snr: int, stereo: NDArray[np.float32]) -> None:
    result = attacks.get(f"reverb_mix_{snr}dB").apply(stereo, RATE, np.random.default_rng(0))
    dry, wet = stereo.astype(np.float64), (result - stereo).astype(np.float64)
    assert 10 * np.log10(np.sum(dry**2) / np.sum(wet**2)) == pytest.approx(snr, abs=0.01)
    silence = np.zeros((1, RATE), np.float32)
    assert not attacks.get("reverb_mix_0dB").apply(silence, RATE, np.random.default_rng(0)).any()


@pytest.mark.parametrize("rate", [8000, RATE, 192_000])
@pytest.mark.parametrize("rt60", [0.15, 0.5, 1.5])
def test_rooms_do_not_boom(rt60: float, rate: int) -> None:
    """Below its lowest modes a room adds little to the direct sound, whatever the sampling rate."""
    impulse = np.zeros((1, 2 * rate), np.float32)
    impulse[0, 0] = 1
    response = attacks.get(f"reverb_{rt60}s").apply(impulse, rate, np.random.default_rng(0))[0]
    power = np.abs(np.fft.rfft(response)) ** 2
    hz = np.fft.rfftfreq(len(response), 1 / rate)

    def db(low: float, high: float) -> float:
        return float(10 * np.log10(power[(hz >= low) & (hz < high)].mean()))

    assert db(0, 40) < db(200, 3500) + 1.0
