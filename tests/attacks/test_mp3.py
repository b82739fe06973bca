"""MP3: the real delay, and mono that has the whole bit rate."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from soundsafe import attacks, codecs


@pytest.mark.parametrize("name", ["mp3_320", "mp3_192", "mp3_128", "mp3_V2", "mp3_mono_192"])
def test_delay_is_1105_samples(name: str, mono: NDArray[np.float32]) -> None:
    result = attacks.get(name).apply(mono, 44100, np.random.default_rng(0))
    correlation = fftconvolve(result[0], mono[0, ::-1])
    assert int(np.argmax(correlation)) - (mono.shape[1] - 1) == 1105
    assert attacks.get(name).delay_samples(44100, 1) == 1105


def test_mono_variants_mix_first(stereo: NDArray[np.float32]) -> None:
    result = attacks.get("mp3_mono_128").apply(stereo, 44100, np.random.default_rng(0))
    expected = codecs.mp3_roundtrip(stereo.mean(axis=0, keepdims=True), 44100, kbps=128)
    np.testing.assert_array_equal(result, expected)
