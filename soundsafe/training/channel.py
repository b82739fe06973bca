"""What happens between embedder and detector while training; audio ``[batch, samples]`` at 44,100 Hz.

*Channel spectral distortion.* Every bin of band b is multiplied by 10^(g_b / 20). Without regard to features
g_b is uniform within 6 s dB, s being the schedule's scale. Feature-aware, it also stays

- ``robust``: where the allocator still finds the same bands alive and the same anchors: a band keeps off the
  edge of what is dead and off the middle between anchors and others, and the loudest, to which all are
  relative, is not moved. Most bands have room for all 6 dB;
- ``seed``: within d, the least distance in dB, over all bands, of the median threshold (plus the allocator's
  eps) from an edge of its integer cell. Thresholds are sums of band powers, so no gain within d of every band
  can move one out of its cell as long as tonality and slopes stay. It is mostly a fraction of a dB.

*Attacks* are straight through: their value is the codec's own, their gradient that of the identity.
"""

from __future__ import annotations

import numpy as np
import torch

from soundsafe.aliases import Floats
from soundsafe.cells.layout import features
from soundsafe.cells.profile import EUL_FRAMES
from soundsafe.cells.profile import ROBUST as PROFILE
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
_SURE = 0.8
"""Share of the room that is used: frames overlap, and what is gained in one band leaks into the next."""


def channel_spectral_distortion(
    model: INNWatermarker,
    x: torch.Tensor,
    scale: float,
    feature_aware: bool,
    rng: np.random.Generator,
    profile: str = "robust",
) -> torch.Tensor:
    """`x` through a random gain for each band, differentiable; `scale` is s of the module, 0 or more."""
    if scale == 0:
        return x
    analyzer = MooreGlasbergAnalyzer()
    spectrum = model.stft(x)
    most = scale * _LARGEST_DB
    gains = []
    for one in spectrum:
        down, up = np.full((2, analyzer.n_critical_bands), most)
        if feature_aware and profile == "seed":
            mag = one.detach().double().square().sum(0).sqrt().cpu().numpy()
            down = up = np.minimum(up, _room_of_thresholds(analyzer, mag))
        elif feature_aware:
            down, up = (np.minimum(most, room) for room in _room_of_levels(one.detach().cpu().float()))
        u = rng.uniform(-1.0, 1.0, analyzer.n_critical_bands)
        gains.append(10.0 ** (np.where(u < 0, u * down, u * up) / 20.0)[analyzer.band_indices])
    gain = torch.as_tensor(np.stack(gains)).to(x)[:, None, :, None]
    return model.stft.inverse(spectrum * gain, x.shape[-1])


def _room_of_levels(spectrum: torch.Tensor) -> tuple[Floats, Floats]:
    """How far each band ``[bands]`` may go down and up in dB, for the robust allocator to find what it finds
    in a spectrum ``[2, bins, frames]``."""
    level = features(torch.complex(spectrum[0], spectrum[1])[:, :EUL_FRAMES], PROFILE).level_db
    order = np.argsort(level, kind="stable")
    anchors, others = order[-PROFILE.anchors :], order[: -PROFILE.anchors]
    middle = (level[anchors[0]] + level[others[-1]]) / 2.0
    low, high = np.full(len(level), -PROFILE.dead_db), np.zeros(len(level))
    low[level < -PROFILE.dead_db], high[level < -PROFILE.dead_db] = -np.inf, -PROFILE.dead_db
    low[anchors] = np.maximum(low[anchors], middle)
    high[others] = np.minimum(high[others], middle)
    low[order[-1]] = high[order[-1]] = level[order[-1]]
    return _SURE * (level - low), _SURE * (high - level)


def _room_of_thresholds(analyzer: MooreGlasbergAnalyzer, mag: Floats) -> float:
    """Least distance in dB of median thresholds, of magnitudes ``[bins, frames]``, from the integers around
    them."""
    median = np.median(analyzer.band_thresholds(mag), axis=1)
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
