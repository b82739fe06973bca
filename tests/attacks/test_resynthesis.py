"""Linear prediction, spectrograms and wavelets with rounded values: fewer bits, more error."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100


def error(name: str, audio: NDArray[np.float32]) -> float:
    out = attacks.get(name).apply(audio, RATE, np.random.default_rng(0))
    assert out.shape == audio.shape
    return float(np.sum((out - audio) ** 2) / np.sum(audio**2))


@pytest.mark.parametrize(
    "names",
    [
        ("lpc_16_4bit", "lpc_16_3bit", "lpc_16_2bit", "lpc_16_noise"),
        ("spectral_levels_1.5dB", "spectral_levels_3dB", "spectral_levels_6dB"),
        ("spectral_phases_16", "spectral_phases_8", "spectral_phases_4"),
        ("wavelet_round_8bit", "wavelet_round_6bit", "wavelet_round_4bit"),
        ("wavelet_threshold_0.5", "wavelet_threshold_1.0", "wavelet_threshold_2.0"),
    ],
)
def test_errors_grow_with_the_strength(names: tuple[str, ...], one_second: NDArray[np.float32]) -> None:
    errors = [error(name, one_second[:1]) for name in names]
    assert errors == sorted(errors)
    assert 1e-5 < errors[0] < 0.15


def test_prediction_with_noise_keeps_the_spectrum(one_second: NDArray[np.float32]) -> None:
    out = attacks.get("lpc_16_noise").apply(one_second[:1], RATE, np.random.default_rng(0))
    edges = (0, 300, 1000, 3000, 6000)
    powers = [np.abs(np.fft.rfft(x[0])) ** 2 for x in (out, one_second)]
    levels = [[10 * np.log10(p[a:b].sum()) for a, b in pairwise(edges)] for p in powers]
    np.testing.assert_allclose(levels[0], levels[1], atol=4)
