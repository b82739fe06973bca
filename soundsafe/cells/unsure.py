"""Seconds of a short word of which none shows how it was marked.

After strong noise or a codec of low rate a second no longer tells under which description of its audio, on
which layout and at which scale it was marked. Each of these has a few likely values. All of them together are
weighed, for all seconds at once: by how well known bits, and the lattice, fit at the noise that the bands of
all seconds show, which is estimated in turn (expectation maximisation: Dempster, Laird and Rubin, J. R. Stat.
Soc. B 39, 1977). Soft values are those of the mixture: what is half as likely counts half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp, softmax

from soundsafe.aliases import Floats
from soundsafe.cells.code import CellCode
from soundsafe.cells.joint import Positions
from soundsafe.cells.pooled import CELLS, SIZES, Part, densities, mixed_soft_values
from soundsafe.cells.profile import SHORT_SCALES
from soundsafe.cells.reading import Projected
from soundsafe.message.noise_walk import sizes_along

__all__ = ["Ways", "likely_ways"]

_COMMON = np.log([0.05, 0.05, 0.1, 0.18, 0.22, 0.3, 0.05, 0.05])
"""Logarithm of how common each of `SHORT_SCALES` is: seconds that would be heard are marked weaker."""

_USUAL, _SPREAD = SHORT_SCALES.index(1.0), 0.8
"""The scale of the default strength, and how far from it seconds lie whose audio is alike, in scales."""

_AWAY_DB = 1.0
"""Decibels of a description's distance that make it less likely by a factor of e."""

_FIRST_SIZE, _FIRST_SPREAD = 9, 2.0
"""Size of the noise that is supposed first, by number, and its spread: what the code can just bear."""

_SHIFTS = np.arange(-4, 5)
"""By how many of `SIZES` a second's noise differs from that of all, and"""
_SHIFT_SPREAD = 2.0
"""how much it mostly does."""

_BAND_WALK = 0.7
"""By how many sizes neighbouring bands differ."""

_ROUNDS = 4

_LEAST = 0.03
"""Ways less likely than this are left out."""

_BANDS = 24

# Scales are about as far apart as sizes: noise of one size is, in steps of a smaller scale, a larger one.
_STEPS = np.rint(np.log(SHORT_SCALES) / np.log(SIZES[1] / SIZES[0])).astype(np.intp)


@dataclass(frozen=True)
class _Way:
    """One way in which a mixture of a second may have been marked, but for the scale."""

    positions: Positions
    second: int
    mixture: int
    away: float


@dataclass(frozen=True)
class Ways:
    """Ways in which all seconds may have been marked; those of one mixture follow each other.

    `weight` ``[ways, SHORT_SCALES]``: how likely each is, with each scale; `evidence`: logarithm of how
    likely what was received is, for all of them.
    """

    ways: tuple[_Way, ...]
    weight: Floats
    evidence: float

    def soft_values(self, code: CellCode, believed: Floats | None = None) -> Floats:
        """Soft values ``[2040]`` of the word, positive for 0, where such values of it are `believed`."""
        parts = [
            Part(way.positions, SHORT_SCALES[which], way.second, way.mixture, float(row[which]))
            for way, row in zip(self.ways, self.weight, strict=True)
            for which in np.flatnonzero(row >= _LEAST)
        ]
        return mixed_soft_values(parts, code, believed)

    def weighed(self, code: CellCode, believed: Floats | None = None, usual: bool = True) -> Ways:
        """The same with weights anew.

        Args:
            code: key and profile.
            believed: soft values ``[2040]`` of the word; None: but for named bits nothing is known.
            usual: suppose that scales lie near the one of the default strength.
        """
        zero = np.full(len(code.geometry.scramble), 0.5) if believed is None else expit(believed)
        zero[: code.profile.named_bits] = 1.0
        like = np.stack([_likelihoods(way.positions, zero, code) for way in self.ways])
        of = np.array([way.mixture for way in self.ways])
        scale = -0.5 * ((np.arange(len(SHORT_SCALES)) - _USUAL) / _SPREAD) ** 2 if usual else _COMMON
        prior = -np.array([way.away for way in self.ways])[:, None] / _AWAY_DB + scale
        return Ways(self.ways, *_weights(like, prior, of))

    def weighed_soft_values(self, code: CellCode, usual: bool, believed: Floats) -> Floats:
        """`soft_values` of what is `believed`, weighed by it."""
        return self.weighed(code, believed, usual).soft_values(code, believed)


def likely_ways(seconds: Sequence[Sequence[Sequence[Projected]]], code: CellCode, most: int) -> list[Ways]:
    """Ways in which seconds may have been marked, by the highest band that was alive in all, which noise may
    have hidden, or a filter taken.

    Args:
        seconds: projections of the mixtures of each, under each likely code.
        code: key and profile.
        most: of how many such bands at most.

    Returns:
        The likeliest first, weighed.
    """
    found: dict[bytes, Ways] = {}
    for top in (None, *np.flatnonzero(code.geometry.capacity)):
        ways = _ways(seconds, top)
        if ways:
            slots = b"".join(way.positions.layout.slots.tobytes() for way in ways)
            found.setdefault(slots, Ways(tuple(ways), np.zeros((len(ways), len(SHORT_SCALES))), 0.0))
    weighed = [ways.weighed(code) for ways in found.values()]
    return sorted(weighed, key=lambda ways: -ways.evidence)[:most]


def _ways(seconds: Sequence[Sequence[Sequence[Projected]]], top: int | None) -> list[_Way]:
    """All ways with one highest band; none where some second cannot have it."""
    ways, mixture = [], 0
    for number, mixtures in enumerate(seconds):
        for codes in mixtures:
            for projected in codes:
                positions = projected.on_layout(top)
                if positions is None:
                    return []
                ways.append(_Way(positions, number, mixture, projected.away))
            mixture += 1
    return ways


def _likelihoods(positions: Positions, zero: Floats, code: CellCode) -> NDArray[np.float32]:
    """Logarithms ``[SHORT_SCALES, bands, SIZES]`` of how much likelier than by chance the positions of each
    band are at each scale, with noise of each size in steps of scale 1; bits are 0 with chance `zero`."""
    geo, lay = code.geometry, positions.layout
    band = geo.band[lay.slots]
    order = np.argsort(band, kind="stable")
    first = np.flatnonzero(np.diff(band[order], prepend=-1))
    u = positions.p / np.array(SHORT_SCALES)[:, None] + lay.dither.numpy() - geo.scramble
    cell = (np.mod(u[:, order], 2.0) * (CELLS / 2)).astype(np.intp) % CELLS
    chance = zero[order].astype(np.float32)[:, None]
    even, odd = densities()[cell], densities()[(cell + CELLS // 2) % CELLS]
    log = np.log(2.0 * (chance * even + (1.0 - chance) * odd))
    by_band = np.add.reduceat(log, first, axis=1)
    out = np.zeros((len(SHORT_SCALES), _BANDS, len(SIZES)), np.float32)
    for which, step in enumerate(_STEPS):
        size = np.clip(np.arange(len(SIZES)) - step, 0, len(SIZES) - 1)
        out[which, band[order][first]] = by_band[which][:, size]
    return out


def _weights(like: NDArray[np.float32], prior: Floats, mixture: NDArray[np.intp]) -> tuple[Floats, float]:
    """How likely each way is at each scale ``[ways, scales]``, and the logarithm of the evidence.

    Args:
        like: ``[ways, scales, bands, SIZES]``.
        prior: logarithms ``[ways, scales]``.
        mixture: ``[ways]``, whose they are.
    """
    last = like.shape[-1] - 1
    moved = [np.clip(np.arange(last + 1) + shift, 0, last) for shift in _SHIFTS]
    chance = softmax(-0.5 * ((np.arange(last + 1) - _FIRST_SIZE) / _FIRST_SPREAD) ** 2)
    by_band = np.tile(chance, (like.shape[2], 1)).astype(np.float32)
    evidence, shape = 0.0, (*prior.shape, len(_SHIFTS))
    shifted = -0.5 * (_SHIFTS / _SHIFT_SPREAD) ** 2
    for _ in range(_ROUNDS):
        value = np.stack([np.einsum("wsba,ba->ws", like[..., at], by_band) for at in moved], axis=-1)
        value = value + prior[..., None] + shifted
        total = np.full(mixture.max() + 1, -np.inf)
        np.logaddexp.at(total, mixture, logsumexp(value.reshape(len(value), -1), axis=1))
        weight = np.exp(value - total[mixture, None, None]).reshape(shape)
        evidence = float(total.sum())
        sums = np.zeros_like(by_band)
        for at, own in zip(moved, np.moveaxis(weight, -1, 0), strict=True):
            sums += np.einsum("ws,wsba->ba", own, like[..., at])
        by_band = softmax(sizes_along(sums.T.astype(np.float64), _BAND_WALK)[0], axis=0).T.astype(np.float32)
    return weight.sum(axis=-1), evidence
