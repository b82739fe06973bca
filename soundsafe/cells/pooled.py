"""Seconds of one short word added up where each says next to nothing of how noisy it is.

How far slots lie from their lattice shows how noisy they are, but noise of half a step leaves a hundredth of
it. All slots of a band, over all seconds, still show it, and all slots of some frames show how much more or
less noisy these are than the rest. So sizes are estimated for bands and for times in turn, each by the
likelihood of what was received: bits that are known count as such, of the others both values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from soundsafe.aliases import Floats, Ints
from soundsafe.cells.code import CellCode
from soundsafe.cells.joint import Positions
from soundsafe.cells.profile import EUL_FRAMES
from soundsafe.message.noise_walk import sizes_along

__all__ = ["CELLS", "SIZES", "Part", "densities", "mixed_soft_values", "pooled_soft_values"]

SIZES = np.geomspace(0.08, 1.1, 16)
"""Sizes of the noise in steps of the lattice."""

_OUTLIERS = 0.05
"""Share of slots that say nothing."""

CELLS = 2048
"""Positions that the table of densities tells apart."""

_BANDS = 24

_FRAMES = 12
"""Frames whose noise is of one size: 120 ms."""

_SHIFTS = np.arange(-5, 6)
"""By how many of `SIZES` times differ from the bands' own."""

_BAND_WALK, _TIME_WALK, _TIME_PULL = 0.7, 0.5, 0.1
"""By how many sizes neighbouring bands, and times, differ; how times draw back to none."""

_ROUNDS = 2

_AT_ONCE = 60
"""Seconds whose bands share their sizes: more would not show more."""


@lru_cache(maxsize=1)
def densities() -> NDArray[np.float32]:
    """Densities ``[CELLS, SIZES]`` of positions 0 to 2 where bit 0 was sent."""
    u = np.mod((np.arange(CELLS) + 0.5) * 2.0 / CELLS + 1.0, 2.0) - 1.0
    away = u[:, None, None] - 2.0 * np.arange(-2, 3)
    wrapped = np.exp(-0.5 * (away / SIZES[:, None]) ** 2).sum(axis=-1) / (SIZES * np.sqrt(2.0 * np.pi))
    return ((1.0 - _OUTLIERS) * wrapped + _OUTLIERS / 2.0).astype(np.float32)


@dataclass(frozen=True)
class Part:
    """What one mixture of channels in one second says, read at one scale.

    Args:
        positions: of its slots, at scale 1.
        scale: at which it is read.
        second: its number.
        mixture: its number, of all seconds'; of one mixture there may be several parts, which differ in what
            they suppose of how it was marked.
        weight: how likely that is, 0 to 1.
    """

    positions: Positions
    scale: float
    second: int
    mixture: int
    weight: float = 1.0


def pooled_soft_values(
    seconds: Sequence[Sequence[Positions]],
    scales: Sequence[float],
    code: CellCode,
    believed: Floats | None = None,
) -> Floats:
    """Soft values of a short word, the sum of what all seconds say.

    Args:
        seconds: the mixtures of channels of each.
        scales: at which each is read.
        code: key and profile.
        believed: soft values ``[2040]`` of the word's bits, by which the noise is measured; None: of all but
            the named bits nothing is known.

    Returns:
        ``[2040]`` in the order of the coded bits, positive for 0.
    """
    total = np.zeros(len(code.geometry.scramble))
    for first in range(0, len(seconds), _AT_ONCE):
        here = slice(first, first + _AT_ONCE)
        pairs = enumerate(zip(seconds[here], scales[here], strict=True))
        each = [(one, scale, number) for number, (mixtures, scale) in pairs for one in mixtures]
        parts = [Part(one, scale, number, mixture) for mixture, (one, scale, number) in enumerate(each)]
        total += mixed_soft_values(parts, code, believed)
    return total


def mixed_soft_values(parts: Sequence[Part], code: CellCode, believed: Floats | None = None) -> Floats:
    """The same of parts that may suppose different things of one mixture: each counts as it is likely.

    Args:
        parts: at least one; those of one mixture follow each other, and their weights are at most 1 together.
        code: key and profile.
        believed: as in `pooled_soft_values`.

    Returns:
        ``[2040]`` in the order of the coded bits, positive for 0.
    """
    geo, named = code.geometry, code.profile.named_bits
    places, bands, times, zero = [], [], [], []
    unknown = np.full(len(geo.scramble), 0.5) if believed is None else expit(believed)
    each_second = -(-EUL_FRAMES // _FRAMES)
    for part in parts:
        lay = part.positions.layout
        # Even where the coded bit is 0, whatever the bit on the lattice.
        places.append(part.positions.p / part.scale + lay.dither.numpy() - geo.scramble)
        bands.append(geo.band[lay.slots])
        times.append(part.second * each_second + geo.frame[lay.slots] // _FRAMES)
        is_named = (np.arange(len(lay.slots)) < named) & (lay.host is not None)
        zero.append(np.where(is_named, 1.0, unknown))
    bits = len(geo.scramble)
    cell = (np.mod(np.concatenate(places), 2.0) * (CELLS / 2)).astype(np.intp) % CELLS
    even, odd = densities()[cell], densities()[(cell + CELLS // 2) % CELLS]
    chance = np.concatenate(zero).astype(np.float32)[:, None]
    weight = np.array([part.weight for part in parts], np.float32)
    log = np.log(chance * even + (1.0 - chance) * odd) * np.repeat(weight, bits)[:, None]
    count = each_second * (1 + max(part.second for part in parts))
    sizes, chances = _sizes(log, np.concatenate(bands), np.concatenate(times), count)
    first = np.flatnonzero(np.diff([-1, *(part.mixture for part in parts)]))
    # Of what no part supposes nothing is known.
    rest = np.clip(1.0 - np.add.reduceat(weight, first), 0.0, None)[:, None] / 2.0
    zeros, ones = (
        rest + np.add.reduceat(weight[:, None] * _mean(d, sizes, chances).reshape(-1, bits), first)
        for d in (even, odd)
    )
    return np.asarray((np.log(zeros) - np.log(ones)).sum(axis=0), np.float64)


def _mean(density: NDArray[np.float32], sizes: Ints, chances: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.einsum("nd,nd->n", np.take_along_axis(density, sizes, axis=1), chances)


def _sizes(log: NDArray[np.float32], band: Ints, time: Ints, times: int) -> tuple[Ints, NDArray[np.float32]]:
    """Sizes that the noise of each slot may have, by number ``[slots, shifts]``, and how likely each is.

    `log` ``[slots, sizes]``: log-likelihood of each; `band`, `time` ``[slots]``.
    """
    last = len(SIZES) - 1
    shift = np.zeros(times)
    for _ in range(_ROUNDS):
        of = np.arange(len(SIZES)) + np.rint(shift).astype(np.intp)[time][:, None]
        by_band = _sums(np.take_along_axis(log, np.clip(of, 0, last), axis=1), band, _BANDS)
        middle = np.arange(len(SIZES)) @ softmax(sizes_along(by_band, _BAND_WALK)[0], axis=0)
        sizes = np.clip(np.rint(middle[band][:, None] + _SHIFTS).astype(np.intp), 0, last)
        by_time = _sums(np.take_along_axis(log, sizes, axis=1), time, times)
        chance = softmax(sizes_along(by_time, _TIME_WALK, _TIME_PULL)[0], axis=0)
        shift = _SHIFTS @ chance
    return sizes, chance.T.astype(np.float32)[time]


def _sums(values: NDArray[np.float32], group: Ints, groups: int) -> Floats:
    """Sums ``[columns, groups]`` of `values` ``[slots, columns]``."""
    return np.stack([np.bincount(group, column, minlength=groups) for column in values.T])
