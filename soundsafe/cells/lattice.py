"""Bits on a lattice: projections of carriers, their distance from the right points, and soft values.

Spread-transform dither modulation (Chen and Wornell, IEEE Trans. Inf. Theory 47, 2001). A carrier's
projection p, in units of the masking threshold, carries 0 at even and 1 at odd multiples of its step Delta,
shifted by a keyed dither.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from soundsafe.aliases import Floats
from soundsafe.cells.code import Geometry
from soundsafe.cells.layout import Layout
from soundsafe.cells.profile import EUL_FRAMES, SHORT_SCALES

__all__ = [
    "cell_index",
    "concentration",
    "correlate",
    "displacement",
    "faint_soft_values",
    "fit_by_region",
    "fits",
    "named_fits",
    "project",
    "project_slots",
    "short_fits",
    "soft_values",
]

_NEAR = (1.0, 1.5)
"""Widths of a neighbourhood in bands and frames (standard deviations)."""

_CAUTION = (0.9, 0.05)
"""Scale and offset of the expected fit: errors of a whole step look like a fit."""

_PRIOR = 15.0
"""Weight of the band's and the frame's mean against the neighbours', in slots."""

_ERASURE = 1e-6
"""Factor of soft values where nothing fits."""

_LEAST_FIT = 0.03
"""Expected fit under which a slot is erased."""

_WIDE, _FAINT_CAUTION, _FAINTEST_FIT = (1.5, 4.0), (0.95, 0.02), 0.01
"""For a code of low rate, which has use for what fits next to nowhere: a wider neighbourhood, its caution and
the least fit that is assumed of any slot."""


def cell_index(geo: Geometry, first_frames: torch.Tensor, frames: int) -> torch.Tensor:
    """Flat indices ``[seconds, carriers, cells]`` into a spectrum ``[bins, frames]`` laid out row by row.

    `first_frames` ``[seconds]``: the frame with which each second starts.
    """
    at = first_frames[:, None, None] + torch.from_numpy(geo.frame)[None, :, None]
    return torch.from_numpy(geo.bins)[None] * frames + at


def correlate(ratio: torch.Tensor, index: torch.Tensor, geo: Geometry) -> torch.Tensor:
    """Complex projections ``[seconds, carriers]`` of `ratio` ``[bins, frames]``, spectrum over threshold."""
    return (ratio.reshape(-1)[index] * geo.weight.conj()).sum(-1)


def project_slots(ratio: torch.Tensor, lay: Layout, geo: Geometry) -> torch.Tensor:
    """Projections ``[2040]`` in steps of the slots of a layout, of one second ``[bins, EUL_FRAMES]``."""
    at = torch.from_numpy(geo.bins[lay.slots] * ratio.shape[1] + geo.frame[lay.slots][:, None])
    picked = ratio.reshape(-1)[at] * geo.weight[lay.slots].conj()
    return picked.real.sum(-1) / geo.step[lay.slots]


def project(ratio: torch.Tensor, index: torch.Tensor, geo: Geometry) -> torch.Tensor:
    """The real part of `correlate`, which carries the bits."""
    return correlate(ratio, index, geo).real


def displacement(position: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
    """Signed distance in steps from the nearest lattice point of `bits`; `position` is p/Delta + dither."""
    half = (position - bits) / 2.0
    return (half - torch.round(half)) * 2.0


def fits(positions: torch.Tensor) -> torch.Tensor:
    """How well each row of positions ``[..., n]`` sits on the lattice, whatever the bits: standard normal if
    there is none, 0 for no positions."""
    return torch.cos(2.0 * math.pi * positions).sum(-1) / math.sqrt(max(positions.shape[-1], 1) / 2.0)


def fit_by_region(position: torch.Tensor, lay: Layout, geo: Geometry) -> torch.Tensor:
    """`fits` ``[regions, scales]`` of each region's slots at each scale; `position`: p/Delta, ``[2040]``."""
    scales = torch.tensor(geo.profile.scales)[:, None]
    of = torch.from_numpy(geo.region[lay.slots])
    out = torch.zeros(geo.profile.regions, len(scales))
    for r in range(geo.profile.regions):
        here = of == r
        out[r] = fits(position[here] / scales + lay.dither[here])
    return out


def named_fits(position: torch.Tensor, lay: Layout, geo: Geometry) -> torch.Tensor:
    """How well the slots of the named bits of a short word sit where these bits lie, at each of
    `SHORT_SCALES`.

    What counts is the first harmonic of positions, of which noise leaves the fourth root of what it leaves
    of the second (`fits`), by which bits do not matter: noise of 0.4 steps, as after MP3 at 128 kbit/s,
    leaves 6.3 by 96 named bits, and 2.6 by all 2040.

    Args:
        position: p/Delta ``[2040]``.
        lay: its layout.
        geo: of the layout's code.

    Returns:
        ``[SHORT_SCALES]``, standard normal by chance; 0 for marks of version 1, which have no named bits.
    """
    named = geo.profile.named_bits
    if lay.host is None or not named:
        return torch.zeros(len(SHORT_SCALES))
    u = position[:named] / torch.tensor(SHORT_SCALES)[:, None] + lay.dither[:named]
    bits = torch.from_numpy(geo.scramble[:named])
    return torch.cos(math.pi * (u - bits)).sum(-1) / math.sqrt(named / 2.0)


def short_fits(position: torch.Tensor, lay: Layout, named: torch.Tensor) -> torch.Tensor:
    """How well all slots, as those of a short word, sit on the lattice at each of `SHORT_SCALES`.

    Args:
        position: p/Delta ``[2040]``.
        lay: its layout.
        named: its `named_fits`.

    Returns:
        ``[SHORT_SCALES]``: `fits` of all slots and `named`, as the root of the sum of their squares.
    """
    every = fits(position / torch.tensor(SHORT_SCALES)[:, None] + lay.dither)
    if lay.host is None:
        return every
    return torch.hypot(every.clamp(min=0.0), named.clamp(min=0.0))


def soft_values(position: torch.Tensor, lay: Layout, geo: Geometry) -> Floats:
    """Log-likelihood ratios ``[2040]`` (positive for 0) from `position` ``[2040]``, in the coded bits' order.

    The noise is Gaussian, wrapped round the lattice; its size is estimated from the fit of the neighbours in
    time and frequency, drawn towards what band and frame suggest where they are few. Where nothing fits, the
    value is next to nothing, an erasure: of the bit only the likelier sign is kept.
    """
    u = position.double().numpy()
    near = concentration(np.cos(2.0 * np.pi * u), np.ones_like(u), lay, geo)
    mean = np.clip(_CAUTION[0] * near - _CAUTION[1], 0.0, 0.995)
    ratios = _log_ratios(u, np.maximum(mean, _LEAST_FIT))
    return np.where(mean > _LEAST_FIT, 1.0, _ERASURE) * ratios


def faint_soft_values(position: torch.Tensor, lay: Layout, geo: Geometry) -> Floats:
    """`soft_values` for a code of low rate: none is erased.

    Of three bits in a second such a code needs to know one in ten, and finds it where no fit can be seen any
    more: noise of 0.4 steps leaves 0.04 of the fit, but a fifth of a bit. Music after MP3 at 128 kbit/s:
    550 bits of information in 2040 slots; with erasures 170.
    """
    u = position.double().numpy()
    near = concentration(np.cos(2.0 * np.pi * u), np.ones_like(u), lay, geo, _WIDE)
    return _log_ratios(u, np.clip(_FAINT_CAUTION[0] * near - _FAINT_CAUTION[1], _FAINTEST_FIT, 0.995))


def _log_ratios(u: Floats, mean: Floats) -> Floats:
    """Log-likelihood ratios of positions `u` where the expected fit is `mean`."""
    variance = np.maximum(-np.log(mean) / (2.0 * np.pi**2), 2e-3)
    wrapped = np.mod(u + 1.0, 2.0) - 1.0
    shift = 2.0 * np.arange(-2, 3)
    even = np.logaddexp.reduce(-((wrapped[:, None] - shift) ** 2) / (2.0 * variance[:, None]), axis=1)
    odd = np.logaddexp.reduce(-((wrapped[:, None] - shift - 1.0) ** 2) / (2.0 * variance[:, None]), axis=1)
    return np.asarray(even - odd, np.float64)


def concentration(
    cosine: Floats, weight: Floats, lay: Layout, geo: Geometry, near: tuple[float, float] = _NEAR
) -> Floats:
    """Mean cosine expected at each slot, ``[2040]``, of `cosine` ``[2040]`` per `weight` ``[2040]``.

    From the neighbours in time and frequency, `near` in bands and frames, drawn towards what band and frame
    suggest where they are few.
    """
    at = geo.band[lay.slots], geo.frame[lay.slots]
    total = np.zeros((24, EUL_FRAMES))
    count = np.zeros((24, EUL_FRAMES))
    np.add.at(total, at, cosine)
    np.add.at(count, at, weight)
    size = 2.0 * np.pi * near[0] * near[1]
    near_total, near_count = (gaussian_filter(a, near, mode="constant") * size for a in (total, count))
    by_band = total.sum(1) / np.maximum(count.sum(1), 1.0)
    by_frame = gaussian_filter1d(total.sum(0), 1.0) / np.maximum(gaussian_filter1d(count.sum(0), 1.0), 1e-9)
    overall = max(float(total.sum() / max(count.sum(), 1e-9)), 1e-3)
    expected = np.clip(by_band[:, None] * np.clip(by_frame / overall, 0.0, 1.5), 0.0, 0.995)
    return ((near_total + _PRIOR * expected) / (near_count + _PRIOR))[at]
