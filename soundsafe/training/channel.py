"""What happens between embedder and detector while training; audio ``[batch, samples]`` at 44,100 Hz.

*Channel spectral distortion.* Every bin of band b is multiplied by

    10^(s u_b a_b / 20),   u_b uniform in -1 ... 1,   s the schedule's scale,   a_b = 6 dB,

and, feature-aware, a_b = min(6, d / s), where d is the least distance in dB, over all bands, of the median
threshold (plus the allocator's eps) from an edge of its integer cell. Thresholds are sums of band powers, so
no gain within ±d of every band can move one out of its cell as long as tonality and slopes stay.

*Attacks* are straight through: their value is the codec's own, their gradient that of the identity.
"""

from __future__ import annotations

import numpy as np
import torch

from soundsafe.codecs import aac_roundtrip, fit_length, mp3_roundtrip, opus_roundtrip, resample
from soundsafe.models import INNWatermarker
from soundsafe.pipeline.moore_glasberg import MooreGlasbergAnalyzer
from soundsafe.stft import RATE

__all__ = ["ATTACKS", "attack", "channel_spectral_distortion"]

ATTACKS = (
    "none",
    "mp3_128",
    "aac_128",
    "opus_96",
    "softclip_-3dB",
    "gain_-3dB",
    "resample_22050",
    "noise_30dB",
)
_LARGEST_DB = 6.0


def channel_spectral_distortion(
    model: INNWatermarker, x: torch.Tensor, scale: float, feature_aware: bool, rng: np.random.Generator
) -> torch.Tensor:
    """`x` through a random gain for each band, differentiable; `scale` is s of the formula, 0 or more."""
    if scale == 0:
        return x
    analyzer = MooreGlasbergAnalyzer()
    spectrum = model.stft(x)
    gains = []
    for one in spectrum:
        largest = _LARGEST_DB
        if feature_aware:
            mag = one.detach().double().square().sum(0).sqrt().cpu().numpy()
            largest = min(largest, _room_db(np.median(analyzer.band_thresholds(mag), axis=1)) / scale)
        db = scale * largest * rng.uniform(-1.0, 1.0, analyzer.n_critical_bands)
        gains.append(10.0 ** (db / 20.0)[analyzer.band_indices])
    gain = torch.as_tensor(np.stack(gains)).to(x)[:, None, :, None]
    return model.stft.inverse(spectrum * gain, x.shape[-1])


def _room_db(median: np.ndarray) -> float:
    """Least distance in dB of positive thresholds ``[bands]`` from the integers around them."""
    below, above = np.floor(median), np.floor(median) + 1.0
    up = 20.0 * np.log10(above / median)
    down = np.where(below > 0, 20.0 * np.log10(median / np.maximum(below, 1.0)), np.inf)
    return float(np.minimum(up, down).min())


def attack(x: torch.Tensor, name: str, rng: np.random.Generator) -> torch.Tensor:
    """`x` after the attack `name` of ``ATTACKS``, each row by itself; the gradient passes unchanged.

    Raises ValueError for an unknown name.
    """
    if name not in ATTACKS:
        raise ValueError(f"unknown attack {name!r}")
    if name == "none":
        return x
    if name == "gain_-3dB":
        return x * 10.0 ** (-3.0 / 20.0)
    rows = [_attacked(row[None], name, rng) for row in x.detach().cpu().float().numpy()]
    out = torch.as_tensor(np.concatenate(rows)).to(x)
    return x + (out - x).detach()


def _attacked(x: np.ndarray, name: str, rng: np.random.Generator) -> np.ndarray:
    if name == "mp3_128":
        y = mp3_roundtrip(x, RATE, kbps=128, align=True, effort=3)
    elif name == "aac_128":
        y = aac_roundtrip(x, RATE, kbps=128, align=True)
    elif name == "opus_96":
        y = opus_roundtrip(x, RATE, kbps=96, align=True)
    elif name == "resample_22050":
        y = resample(resample(x, RATE, 22_050), 22_050, RATE)
    elif name == "softclip_-3dB":
        ceiling = max(float(np.abs(x).max()), 1e-6) * 10.0 ** (-3.0 / 20.0)
        y = (ceiling * np.tanh(x / ceiling)).astype(np.float32)
    else:
        noise = rng.standard_normal(x.shape).astype(np.float32)
        y = x + noise * float(np.sqrt(np.mean(x**2)) * 10.0 ** (-30.0 / 20.0))
    return fit_length(y, x.shape[1])
