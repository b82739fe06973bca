"""Moving means and medians, and the removal of noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100


def apply(name: str, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return attacks.get(name).apply(audio, RATE, np.random.default_rng(0))


def test_mean_and_median(stereo: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(
        apply("smooth_3", stereo)[0, 10], stereo[0, 9:12].mean(dtype=np.float64), atol=1e-6
    )
    np.testing.assert_array_equal(apply("median_5", stereo)[1, 100], np.median(stereo[1, 98:103]))


def _noisy_tone() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    t = np.arange(2 * RATE) / RATE
    clean = (0.3 * np.sin(2 * np.pi * 440 * t) * (t % 0.5 < 0.25))[None].astype(np.float32)
    noise = 0.02 * np.random.default_rng(1).standard_normal(clean.shape)
    return clean, (clean + noise).astype(np.float32)


def test_denoising_removes_noise_and_leaves_the_tone() -> None:
    clean, noisy = _noisy_tone()
    errors = [float(np.mean((apply(f"denoise_{db}dB", noisy) - clean) ** 2)) for db in (6, 12, 24)]
    assert errors[0] < 0.6 * np.mean((noisy - clean) ** 2)
    assert errors == sorted(errors, reverse=True)


def test_wiener_brings_noise_down() -> None:
    clean, noisy = _noisy_tone()
    assert np.mean((apply("wiener_15", noisy) - clean) ** 2) < np.mean((noisy - clean) ** 2)
