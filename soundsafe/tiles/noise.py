"""How noisy each symbol of the tile layer is, as the audio alone shows, and what its place says of its bit.

Noise differs between groups of bands, and within them: symbols whose tiles lie deep under their neighbours,
or whose level is unsteady, suffer most. By how much depends on what was done to the audio; the likeliest is
taken. Besides, whole blocks are noisier than others, or less so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from soundsafe.aliases import Floats, Ints
from soundsafe.message.noise_walk import sizes_along

__all__ = ["Noise", "noise_of"]

_SIGMAS = np.geomspace(0.05, 0.9, 22)
"""Sizes of the noise, in periods of the lattice."""

_STEP = math.log(_SIGMAS[1] / _SIGMAS[0])

_PER_DEPTH, _DEPTHS = (0.05, 0.0, 0.1), (-10.0, 25.0)
_PER_FLUTTER, _FLUTTERS = (0.15, 0.0, 0.3), (-3.0, 9.0)
"""Logarithm by which the noise grows for each dB of depth, and of flutter above `_USUAL_FLUTTER`, within
these bounds; the first is tried first."""

_USUAL_FLUTTER = 3.0

_GROWTH = (-1.0, 1.2)
"""Logarithm of the least and the largest growth of a symbol's noise over that of its group."""

_NEIGHBOURS = 1.0
"""By how many of `_SIGMAS` neighbouring groups differ (standard deviation of a random walk)."""

_SHIFTS = np.arange(-6, 7)
"""By how many of `_SIGMAS` the noise of a block differs from that of its groups."""

_BLOCK_WALK, _BLOCK_PULL = 1.0, 0.1
"""By how many of `_SIGMAS` neighbouring blocks differ, and how they draw back to no difference."""

_ROUNDS = 2
_OUTLIERS = 0.05
"""Share of symbols that say nothing."""

_LEAST = 1e-9


def _log_densities(position: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of places on the lattice (in periods), where bits 0 and 1 were sent ``[..., sizes]``."""
    away = (position - np.round(position))[..., None, None] - np.arange(-2, 3)

    def of(bit: int) -> NDArray[np.float32]:
        wrapped = np.exp(-0.5 * ((away - 0.5 * bit) / _SIGMAS[:, None]) ** 2).sum(axis=-1)
        size = _SIGMAS * math.sqrt(2.0 * math.pi)
        return np.log((1.0 - _OUTLIERS) * wrapped / size + _OUTLIERS).astype(np.float32)

    return of(0), of(1)


def _at(log: NDArray[np.float32], size: Floats) -> NDArray[np.float32]:
    """`log` ``[..., sizes]`` at sizes between those of `_SIGMAS` ``[..., n]``."""
    low = np.clip(np.floor(size).astype(np.intp), 0, len(_SIGMAS) - 2)
    share = np.clip(size - low, 0.0, 1.0).astype(np.float32)
    below, above = np.take_along_axis(log, low, axis=-1), np.take_along_axis(log, low + 1, axis=-1)
    return below + share * (above - below)


@dataclass(frozen=True)
class Noise:
    """How noisy symbols are.

    `size` ``[symbols]``: that of their group of bands, by number in `_SIGMAS`; `shifts`
    ``[blocks, shifts]``: how likely each block differs from that by so many; `per_depth`, `per_flutter`: by
    how much its logarithm grows for each dB of depth and of flutter.
    """

    size: Floats
    shifts: Floats
    per_depth: float
    per_flutter: float

    def soft_values(self, position: Floats, depth: Floats, flutter: Floats) -> Floats:
        """Log-likelihood ratios ln P0/P1 of symbols at `position` ``[blocks, symbols]``, in periods.

        The others as in `noise_of`.
        """
        size = self.size + _growth(depth, flutter, self.per_depth, self.per_flutter)
        weight = np.log(np.maximum(self.shifts, _LEAST))[:, None]
        zero, one = (
            logsumexp(_at(log, size[..., None] + _SHIFTS) + weight, axis=-1)
            for log in _log_densities(position)
        )
        return np.asarray(zero - one, np.float64)


def _growth(depth: Floats, flutter: Floats, per_depth: float, per_flutter: float) -> Floats:
    """Of a symbol's noise over that of its group, in steps of `_SIGMAS`."""
    depth = np.clip(depth, *_DEPTHS)
    flutter = np.clip(flutter - _USUAL_FLUTTER, *_FLUTTERS)
    return np.clip(per_depth * depth + per_flutter * flutter, *_GROWTH) / _STEP


def noise_of(position: Floats, depth: Floats, flutter: Floats, group: Ints, zero: Floats) -> Noise:
    """The likeliest noise of symbols at `position` ``[blocks, symbols]``, in periods.

    `depth`, `flutter` in dB, likewise: how far a symbol's tiles lie under their neighbours, and how much the
    level changes within them. `group` ``[symbols]``: their group of bands. `zero` ``[blocks, symbols]``: how
    likely each is to be 0, 1 where that is known; what symbols say of the noise whatever their bits counts
    as well.
    """
    evens, odds = _log_densities(position)
    chance = np.clip(zero, _LEAST, 1.0 - _LEAST)[..., None]
    log = np.logaddexp(evens + np.log(chance).astype(np.float32), odds + np.log1p(-chance).astype(np.float32))
    groups, sizes = int(group.max()) + 1, np.arange(len(_SIGMAS))

    def by_group(growth: Floats) -> tuple[Floats, float]:
        """Sizes ``[symbols]``, where the noise grows so, and the evidence for that growth."""
        each = _at(log, growth[..., None] + sizes).sum(axis=0)
        like = np.array([np.bincount(group, column, minlength=groups) for column in each.T], np.float64)
        posterior, evidence = sizes_along(like, _NEIGHBOURS)
        return (sizes @ softmax(posterior, axis=0))[group], evidence  # the likeliest alone claims too much

    fits: dict[tuple[float, float], tuple[Floats, float]] = {}

    def fit(pair: tuple[float, float]) -> float:
        fits.setdefault(pair, by_group(_growth(depth, flutter, *pair)))
        return fits[pair][1]

    per_depth, _ = max(product(_PER_DEPTH, _PER_FLUTTER[:1]), key=fit)
    best = max(product((per_depth,), _PER_FLUTTER), key=fit)
    growth, size = _growth(depth, flutter, *best), fits[best][0]
    for i in range(_ROUNDS):
        each = _at(log, (growth + size)[..., None] + _SHIFTS).sum(axis=1)
        shifts = softmax(sizes_along(each.T, _BLOCK_WALK, _BLOCK_PULL)[0], axis=0).T
        if i + 1 < _ROUNDS:
            size, _ = by_group(growth + (shifts @ _SHIFTS)[:, None])
    return Noise(size, shifts, *best)
