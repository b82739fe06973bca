"""The masking threshold of every cell, as embedder and detector both compute it from the audio at hand.

Power is averaged in the 24 critical bands of `MooreGlasbergAnalyzer`, spread over neighbours with two slopes
on the Bark scale (Schroeder, Atal and Hall, J. Acoust. Soc. Am. 66, 1979), lowered by a fixed offset and
interpolated between band centres: linear in power throughout, so one matrix does it and gain only scales it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from soundsafe.cells.learned import LearnedProfile, learned_factors
from soundsafe.cells.profile import Profile
from soundsafe.pipeline.moore_glasberg import MooreGlasbergAnalyzer, bark

__all__ = ["ANALYZER", "band_power", "masked", "threshold"]

ANALYZER = MooreGlasbergAnalyzer()


@lru_cache(maxsize=4)
def _matrices(profile: Profile) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean power of bands ``[bands, bins]`` and from it the threshold's power ``[bins, bands]``."""
    index, count = ANALYZER.band_indices, ANALYZER.bins_per_band
    bands = np.flatnonzero(count)
    mean = np.zeros((len(count), len(index)))
    mean[index, np.arange(len(index))] = 1.0 / count[index]
    z_bins = bark(ANALYZER.bin_frequencies)
    centre = np.array([z_bins[index == b].mean() for b in bands])
    up = centre[:, None] - centre[None, :]
    spread = 10.0 ** (-np.where(up < 0, -up * profile.spread_low_db, up * profile.spread_high_db) / 10.0)
    spread *= 10.0 ** (-profile.masking_offset_db / 10.0)
    between = np.stack([np.interp(z_bins, centre, row) for row in np.eye(len(bands))], axis=1)
    full = np.zeros((len(index), len(count)))
    full[:, bands] = between @ spread
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(full, dtype=torch.float32)


def band_power(power: torch.Tensor, profile: Profile) -> torch.Tensor:
    """Mean power ``[..., bands, frames]`` of cells with power ``[..., bins, frames]``."""
    return torch.matmul(_matrices(profile)[0], power)


def masked(spectrum: torch.Tensor, profile: Profile, bins: torch.Tensor | None = None) -> torch.Tensor:
    """Masking threshold (a magnitude) of the cells of `spectrum` ``[..., bins, frames]``.

    ``[..., bins, frames]``, or of the chosen `bins` alone. Never below the square root of
    ``profile.threshold_floor``. A spectrum may end at some bin below the last: nothing is then above it.
    """
    rows = slice(spectrum.shape[-2]) if bins is None else bins
    return _spread(_by_band(spectrum, profile), profile, rows)


def threshold(spectrum: torch.Tensor, profile: Profile) -> torch.Tensor:
    """What the lattice of the cells of `spectrum` ``[..., bins, frames]`` is measured in, of the same shape.

    The masking threshold; where the profile has a network, times the factor of each band and frame.
    """
    by_band, bins = _by_band(spectrum, profile), slice(spectrum.shape[-2])
    level = _spread(by_band, profile, bins)
    if isinstance(profile, LearnedProfile):
        index = torch.from_numpy(ANALYZER.band_indices[bins])
        level = level * learned_factors(by_band, profile)[..., index, :]
    return level


def _by_band(spectrum: torch.Tensor, profile: Profile) -> torch.Tensor:
    """Mean power ``[..., bands, frames]`` of the bands; the spectrum may end at some bin below the last."""
    mean = _matrices(profile)[0][:, : spectrum.shape[-2]]
    return torch.matmul(mean, spectrum.real.square() + spectrum.imag.square())


def _spread(by_band: torch.Tensor, profile: Profile, bins: torch.Tensor | slice) -> torch.Tensor:
    """The masking threshold of the chosen bins, from the power of all bands."""
    return torch.sqrt(torch.matmul(_matrices(profile)[1][bins], by_band) + profile.threshold_floor)
