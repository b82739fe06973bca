"""Messengers and live streams."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100


def apply(name: str, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return attacks.get(name).apply(audio, RATE, np.random.default_rng(0))


def test_a_call_has_one_channel_at_one_level(speech: NDArray[np.float32]) -> None:
    levels = []
    for gain in (1.0, 2.0):
        out = apply("messenger_voice_24", np.float32(gain) * speech)
        assert out.shape == (1, speech.shape[1])
        levels.append(20 * np.log10(np.sqrt(np.mean(out**2))))
    assert abs(levels[1] - levels[0]) < 2.5


def test_suppression_lowers_steady_noise(speech: NDArray[np.float32]) -> None:
    rng = np.random.default_rng(1)
    noisy = speech + (0.02 * rng.standard_normal(speech.shape)).astype(np.float32)

    def quietest(audio: NDArray[np.float32]) -> float:
        size = audio.shape[1] // 4410 * 4410
        return float(np.percentile(np.sqrt(np.mean(audio[0, :size].reshape(-1, 4410) ** 2, axis=1)), 10))

    assert quietest(apply("messenger_voice_24", noisy)) < quietest(
        apply("messenger_voice_24_no_suppression", noisy)
    )


def test_a_stream_keeps_channels_and_stays_under_its_ceiling(stereo: NDArray[np.float32]) -> None:
    out = apply("messenger_stream_160", 2 * stereo)
    assert out.shape == stereo.shape
    assert np.abs(out).max() < 1.0
