"""How noisy each symbol of the tile layer is, as the audio alone shows, and what its place says of its bit.

Noise differs between groups of bands, and within them: symbols whose tiles lie deep under their neighbours,
or whose level is unsteady, suffer most. By how much depends on what was done to the audio; the likeliest is
taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from soundsafe.aliases import Floats, Ints
from soundsafe.message.noise_walk import sizes_along

__all__ = ["Noise", "noise_of"]

_SIGMAS = np.geomspace(0.05, 0.7, 18)
"""Sizes of the noise, in periods of the lattice, among which each group of bands chooses."""

_PER_DEPTH, _DEPTHS = (0.05, 0.0, 0.1), (-10.0, 25.0)
_PER_FLUTTER, _FLUTTERS = (0.15, 0.0, 0.3), (-3.0, 9.0)
"""Logarithm by which the noise grows for each dB of depth, and of flutter above `_USUAL_FLUTTER`, within
these bounds; the first is tried first."""

_USUAL_FLUTTER = 3.0

_GROWTH = (-1.0, 1.2)
"""Logarithm of the least and the largest growth of a symbol's noise over that of its group."""

_NEIGHBOURS = 1.0
"""By how many of `_SIGMAS` neighbouring groups differ (standard deviation of a random walk)."""

_OUTLIERS = 0.05
"""Share of symbols that say nothing."""


def _log_density(position: Floats, sigma: Floats, bit: int) -> Floats:
    """Of places on the lattice (in periods) where `bit` was sent, noise of size `sigma` and some outliers."""
    d = (position - np.round(position))[..., None] - (np.arange(-2, 3) + 0.5 * bit)
    wrapped = np.exp(-0.5 * (d / sigma[..., None]) ** 2).sum(axis=-1) / (sigma * math.sqrt(2.0 * math.pi))
    return np.log((1.0 - _OUTLIERS) * wrapped + _OUTLIERS)


def _likelihoods(position: Floats, growth: Floats, group: Ints, known: NDArray[np.bool_]) -> Floats:
    """Log-likelihood ``[sigmas, groups]`` of all sizes of the noise; symbols not `known` to be 0 may be 1."""
    like = np.empty((len(_SIGMAS), int(group.max()) + 1))
    for i, sigma in enumerate(_SIGMAS):
        zero = _log_density(position, sigma * growth, 0)
        one = _log_density(position[~known], sigma * growth[~known], 1)
        zero[~known] = np.logaddexp(zero[~known], one) - math.log(2.0)
        like[i] = np.bincount(group, zero.sum(axis=0), minlength=like.shape[1])
    return like


@dataclass(frozen=True)
class Noise:
    """How noisy symbols are.

    `size` ``[symbols]``, in periods: that of their group of bands; `per_depth`, `per_flutter`: by how much
    its logarithm grows for each dB of depth and of flutter.
    """

    size: Floats
    per_depth: float
    per_flutter: float

    def soft_values(self, position: Floats, depth: Floats, flutter: Floats) -> Floats:
        """Log-likelihood ratios ln P0/P1 of symbols at `position` ``[blocks, symbols]``, in periods.

        The others as in `noise_of`.
        """
        sigma = self.size * _growth(depth, flutter, self.per_depth, self.per_flutter)
        return _log_density(position, sigma, 0) - _log_density(position, sigma, 1)


def _growth(depth: Floats, flutter: Floats, per_depth: float, per_flutter: float) -> Floats:
    depth = np.clip(depth, *_DEPTHS)
    flutter = np.clip(flutter - _USUAL_FLUTTER, *_FLUTTERS)
    return np.exp(np.clip(per_depth * depth + per_flutter * flutter, *_GROWTH))


def noise_of(
    position: Floats, depth: Floats, flutter: Floats, group: Ints, known: NDArray[np.bool_]
) -> Noise:
    """The likeliest noise of symbols at `position` ``[blocks, symbols]``, in periods.

    `depth`, `flutter` in dB, likewise: how far a symbol's tiles lie under their neighbours, and how much the
    level changes within them. `group` ``[symbols]``: their group of bands. `known`, ``[blocks, symbols]``
    too: those that are known to be 0; what the others say of the noise, whatever their bits, counts as well.
    """

    def fitted(per_depth: float, per_flutter: float) -> tuple[float, Noise]:
        growth = _growth(depth, flutter, per_depth, per_flutter)
        posterior, evidence = sizes_along(_likelihoods(position, growth, group, known), _NEIGHBOURS)
        size = np.exp(np.log(_SIGMAS) @ softmax(posterior, axis=0))  # the likeliest alone claims too much
        return evidence, Noise(size[group], per_depth, per_flutter)

    by_depth = {a: fitted(a, _PER_FLUTTER[0]) for a in _PER_DEPTH}
    deepest = max(by_depth, key=lambda a: by_depth[a][0])
    tried = [by_depth[deepest], *map(partial(fitted, deepest), _PER_FLUTTER[1:])]
    return max(tried, key=lambda fit: fit[0])[1]
