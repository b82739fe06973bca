"""Undoing an equaliser: a gain and a phase for each critical band, found by the lattice itself.

A filter that changes slowly with frequency multiplies each band's projections by one complex factor, all the
time the same. Lattices forgive little of it (one part in ten of a projection of ten steps is all of a step),
but show it: of all factors, a band's slots fit with one only. No bits and no original are needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from soundsafe.aliases import Floats
from soundsafe.cells.code import Geometry
from soundsafe.cells.lattice import fits
from soundsafe.cells.layout import Features, Layout
from soundsafe.cells.masking import ANALYZER
from soundsafe.stft import RATE

__all__ = ["CHANCE", "Undone", "layout_fit", "supposed_features", "undo_equaliser"]

CHANCE = 10.0
"""What the best of all factors makes of the fit where there is no mark, less the fit of one of them."""

_GAINS = (0.3, 2.7)
"""Least and largest factor; the embedder's own scale is part of it."""

_FINE, _COARSE = 0.02, 0.045
"""Steps of the logarithm of the gain; those of the phase, in radians, are half as large again."""

_QUICK_BANDS, _QUICK_SLOTS = 5, 64
"""How much of a second is looked at to compare layouts."""

_LOST_DB, _FALL_DB = -80.0, 6.0
"""Level under which the highest bands may have been cut off, and how far they are supposed to have lain below
the one that was left."""

_PHASE, _DELAY = 0.5, 1.2
"""Largest phase in radians, and delay in samples beyond it."""

_CLEAR = 4.8
"""Fit of a band that chance does not reach with so many factors."""

_NEAR_PHASE, _NEAR_GAIN, _CLEAR_NEAR = 0.2, 0.3, 3.2
"""How far from its neighbours' phase and logarithm of the gain those of another band may be, and its fit."""


@lru_cache(maxsize=1)
def _hertz() -> Floats:
    """Mean frequency of the bins of each critical band, in Hz."""
    total = np.bincount(ANALYZER.band_indices, ANALYZER.bin_frequencies, ANALYZER.n_critical_bands)
    return np.maximum(total / np.maximum(ANALYZER.bins_per_band, 1), 30.0)


@lru_cache(maxsize=1)
def _gains_before() -> tuple[Floats, ...]:
    """What rough equalisers took from each band, in dB."""
    hz = _hertz()
    return (
        24.0 / (1.0 + (4000.0 / hz) ** 2),
        12.0 / (1.0 + (hz / 250.0) ** 4),
        -12.0 / (1.0 + (hz / 200.0) ** 2),
        24.0 / (1.0 + (hz / 100.0) ** 4),
        24.0 / (1.0 + (hz / 250.0) ** 4),
        -1.5 * np.log2(hz / 1000.0),
        3.0 * np.log2(hz / 1000.0),
        -6.0 / (1.0 + np.log2(hz / 1000.0) ** 2),
    )


def supposed_features(feats: Features) -> list[Features]:
    """`feats` as they are, and as they would be before some rough equalisers: high and low cuts, a boost of
    the bass or the middle, tilts; or before their highest one or all high bands were lost. Layouts forgive
    small differences from one of these."""
    heard = feats.level_db > -200.0
    if not heard.any():
        return [feats]
    levels = [np.where(heard, feats.level_db + gain, -200.0) for gain in _gains_before()]
    top = int(np.flatnonzero(feats.level_db > _LOST_DB).max(initial=0))
    for lost in (slice(top + 1, None), slice(top + 1, top + 2)) if top + 1 < len(heard) else ():
        level = feats.level_db.copy()
        level[lost] = level[top] - _FALL_DB
        levels.append(level)
    return [feats, *(Features(np.maximum(level - level.max(), -200.0)) for level in levels)]


@dataclass(frozen=True)
class Undone:
    """`p` ``[2040]``: projections in steps, the factors undone, and the embedder's scale with them; `fit`:
    how well they sit on the lattice, about standard normal plus `CHANCE`; `trusted` ``[2040]``: whether the
    band shows its factor."""

    p: torch.Tensor
    fit: float
    trusted: torch.Tensor


@lru_cache(maxsize=64)
def _factors(band: int, step: float) -> torch.Tensor:
    """Complex factors that are tried in a band ``[factors]``."""
    most = _PHASE + 2.0 * math.pi * float(_hertz()[band]) * _DELAY / RATE
    gain = np.exp(np.arange(math.log(_GAINS[0]), math.log(_GAINS[1]), step))
    phase = np.arange(-round(most / (1.5 * step)), round(most / (1.5 * step)) + 1) * 1.5 * step
    return torch.from_numpy((gain[:, None] * np.exp(1j * phase)).reshape(-1)).to(torch.complex64)


def _best(x: torch.Tensor, dither: torch.Tensor, factors: torch.Tensor) -> tuple[complex, float]:
    """Of `factors` the one with which complex projections `x` ``[slots]`` in steps fit best, and its fit."""
    position = torch.outer(factors.real, x.real) - torch.outer(factors.imag, x.imag) + dither
    z = fits(position)
    return complex(factors[z.argmax()]), float(z.max())


def _members(lay: Layout, geo: Geometry) -> dict[int, torch.Tensor]:
    """The slots of each band that has any."""
    band = geo.band[lay.slots]
    return {int(b): torch.from_numpy(np.flatnonzero(band == b)) for b in np.unique(band)}


def layout_fit(x: torch.Tensor, lay: Layout, geo: Geometry) -> float:
    """The fit of `undo_equaliser` from the bands of most slots, in coarser steps: to compare layouts."""
    largest = sorted(_members(lay, geo).items(), key=lambda item: -len(item[1]))[:_QUICK_BANDS]
    few = [(b, here[:_QUICK_SLOTS]) for b, here in largest]
    z = [_best(x[here], lay.dither[here], _factors(b, _COARSE))[1] for b, here in few]
    return sum(z) / math.sqrt(len(z))


def undo_equaliser(x: torch.Tensor, lay: Layout, geo: Geometry) -> Undone:
    """Each band's factor undone in the complex projections `x` ``[2040]`` of the slots of `lay`, in steps."""
    members = _members(lay, geo)
    found = {b: _best(x[here], lay.dither[here], _factors(b, _FINE)) for b, here in members.items()}
    total = sum(z for _, z in found.values()) / math.sqrt(len(found))
    shown = {b: factor for b, (factor, z) in found.items() if z >= _CLEAR}
    p, trusted = x.real.clone(), torch.zeros(len(x), dtype=torch.bool)
    for b, here in members.items() if shown else ():
        factor = shown[b] if b in shown else _like_neighbours(b, x[here], lay.dither[here], shown)
        if factor is not None:
            p[here] = (x[here] * factor).real
            trusted[here] = True
    return Undone(p, total, trusted)


def _like_neighbours(
    band: int, x: torch.Tensor, dither: torch.Tensor, shown: dict[int, complex]
) -> complex | None:
    """The factor of a `band` of too few slots, or too noisy, near those `shown` by other bands; or None."""
    phase = float(np.interp(band, list(shown), np.unwrap([np.angle(f) for f in shown.values()])))
    gain = math.log(abs(shown[min(shown, key=lambda t: abs(t - band))]))
    factors = _factors(band, _FINE)
    near = (factors.angle() - phase).abs() < _NEAR_PHASE
    near &= (factors.abs().log() - gain).abs() < _NEAR_GAIN
    if not bool(near.any()):
        return None
    factor, z = _best(x, dither, factors[near])
    return factor if z >= _CLEAR_NEAR else None
