"""Removing noise in the spectrum, as restoration programs do."""

from __future__ import annotations

import numpy as np

from soundsafe.attacks.registry import Audio, attack


@attack("denoise", {f"denoise_{db}dB": {"reduction_db": db} for db in (6, 12, 24)}, differentiable=True)
def denoise(audio: Audio, rate: int, rng: np.random.Generator, *, reduction_db: float) -> Audio:
    """Spectral subtraction, down to `reduction_db` less.

    Boll, "Suppression of acoustic noise in speech using spectral subtraction", IEEE Trans. ASSP 27(2), 1979,
    with power for magnitude. The noise in a bin is the 10th percentile in time of its power, averaged over
    nine frames of 512 samples; twice that is taken away.
    """
    import torch

    from soundsafe.stft import Stft

    grid = Stft(2048, 512)
    spectrum = grid.forward(audio)
    power = spectrum.abs().square()
    steady = torch.nn.functional.avg_pool1d(power, 9, 1, padding=4, count_include_pad=False)
    noise = torch.quantile(steady, 0.1, dim=-1, keepdim=True)
    gain = (1 - 2 * noise / power.clamp(min=1e-20)).clamp(min=10 ** (-reduction_db / 10)).sqrt()
    return grid.inverse(spectrum * gain, audio.shape[1]).numpy()
