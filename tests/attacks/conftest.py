"""Audio that the tests of attacks share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from soundsafe import datasets

RATE = 44100


def music(channels: int, seconds: float, rate: int = RATE) -> NDArray[np.float32]:
    """Notes over noise, with loud and quiet parts; channels that are alike but not equal; peak 0.8."""
    rng = np.random.default_rng(11)
    t = np.arange(round(seconds * rate)) / rate
    notes = sum(
        np.sin(2 * np.pi * f * t + p) / (i + 1) for i, (f, p) in enumerate([(220, 0), (277, 1), (440, 2)])
    )
    noise = sosfilt(
        butter(2, [100, 6000], "band", fs=rate, output="sos"), rng.standard_normal((channels, len(t)))
    )
    beat = 0.2 + np.exp(-8 * (t % 0.25))
    audio = beat * (notes + 2 * noise)
    return (0.8 * audio / np.abs(audio).max()).astype(np.float32)


@pytest.fixture(scope="session")
def stereo() -> NDArray[np.float32]:
    return music(2, 2.5)


@pytest.fixture(scope="session")
def mono() -> NDArray[np.float32]:
    return music(1, 2.5)


@pytest.fixture(scope="session")
def one_second() -> NDArray[np.float32]:
    return music(2, 1.0)


@pytest.fixture(scope="session")
def speech() -> NDArray[np.float32]:
    """A voice, read: the bundled corpus's first clip of speech, two and a half seconds of it."""
    file = Path(datasets.__file__).parent / "corpus" / "speech_hungarian.flac"
    samples, rate = soundfile.read(
        file, dtype="float32", always_2d=True, start=44100, frames=round(2.5 * RATE)
    )
    assert rate == RATE
    return np.ascontiguousarray(samples.T)
