"""Seconds of one short word added up where each says next to nothing of how noisy it is.

How far slots lie from their lattice shows how noisy they are, but noise of half a step leaves a hundredth of
it. All slots of a band, over all seconds, still show it, and all slots of some frames show how much more or
less noisy these are than the rest. So sizes are estimated for bands and for times in turn, each by the
likelihood of what was received: bits that are known count as such, of the others both values.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from soundsafe.aliases import Floats, Ints
from soundsafe.cells.code import CellCode
from soundsafe.cells.joint import Positions
from soundsafe.cells.profile import EUL_FRAMES
from soundsafe.message.noise_walk import sizes_along

__all__ = ["pooled_soft_values"]

_SIZES = np.geomspace(0.08, 1.1, 16)
"""Sizes of the noise in steps of the lattice."""

_OUTLIERS = 0.05
"""Share of slots that say nothing."""

_CELLS = 2048
"""Positions that the table of densities tells apart."""

_BANDS = 24

_FRAMES = 12
"""Frames whose noise is of one size: 120 ms."""

_SHIFTS = np.arange(-5, 6)
"""By how many of `_SIZES` times differ from the bands' own."""

_BAND_WALK, _TIME_WALK, _TIME_PULL = 0.7, 0.5, 0.1
"""By how many sizes neighbouring bands, and times, differ; how times draw back to none."""

_ROUNDS = 2

_AT_ONCE = 60
"""Seconds whose bands share their sizes: more would not show more."""


@lru_cache(maxsize=1)
def _densities() -> NDArray[np.float32]:
    """Of positions 0 to 2 where bit 0 was sent ``[_CELLS, sizes]``."""
    u = np.mod((np.arange(_CELLS) + 0.5) * 2.0 / _CELLS + 1.0, 2.0) - 1.0
    away = u[:, None, None] - 2.0 * np.arange(-2, 3)
    wrapped = np.exp(-0.5 * (away / _SIZES[:, None]) ** 2).sum(axis=-1) / (_SIZES * np.sqrt(2.0 * np.pi))
    return ((1.0 - _OUTLIERS) * wrapped + _OUTLIERS / 2.0).astype(np.float32)


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
        total += _pooled(seconds[here], scales[here], code, believed)
    return total


def _pooled(
    seconds: Sequence[Sequence[Positions]], scales: Sequence[float], code: CellCode, believed: Floats | None
) -> Floats:
    geo, named = code.geometry, code.profile.named_bits
    places, bands, times, zero = [], [], [], []
    unknown = np.full(len(geo.scramble), 0.5) if believed is None else expit(believed)
    each_second = -(-EUL_FRAMES // _FRAMES)
    for number, (mixtures, scale) in enumerate(zip(seconds, scales, strict=True)):
        for one in mixtures:
            slots = one.layout.slots
            # Even where the coded bit is 0, whatever the bit on the lattice.
            places.append(one.p / scale + one.layout.dither.numpy() - geo.scramble)
            bands.append(geo.band[slots])
            times.append(number * each_second + geo.frame[slots] // _FRAMES)
            is_named = (np.arange(len(slots)) < named) & (one.layout.host is not None)
            zero.append(np.where(is_named, 1.0, unknown))
    slot = np.tile(np.arange(len(geo.scramble)), len(places))
    cell = (np.mod(np.concatenate(places), 2.0) * (_CELLS / 2)).astype(np.intp) % _CELLS
    even, odd = _densities()[cell], _densities()[(cell + _CELLS // 2) % _CELLS]
    chance = np.concatenate(zero).astype(np.float32)[:, None]
    log = np.log(chance * even + (1.0 - chance) * odd)
    sizes, chances = _sizes(log, np.concatenate(bands), np.concatenate(times), each_second * len(seconds))
    ratio = np.log(_mean(even, sizes, chances)) - np.log(_mean(odd, sizes, chances))
    return np.asarray(np.bincount(slot, ratio, minlength=len(geo.scramble)), np.float64)


def _mean(density: NDArray[np.float32], sizes: Ints, chances: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.einsum("nd,nd->n", np.take_along_axis(density, sizes, axis=1), chances)


def _sizes(log: NDArray[np.float32], band: Ints, time: Ints, times: int) -> tuple[Ints, NDArray[np.float32]]:
    """Sizes that the noise of each slot may have, by number ``[slots, shifts]``, and how likely each is.

    `log` ``[slots, sizes]``: log-likelihood of each; `band`, `time` ``[slots]``.
    """
    last = len(_SIZES) - 1
    shift = np.zeros(times)
    for _ in range(_ROUNDS):
        of = np.arange(len(_SIZES)) + np.rint(shift).astype(np.intp)[time][:, None]
        by_band = _sums(np.take_along_axis(log, np.clip(of, 0, last), axis=1), band, _BANDS)
        middle = np.arange(len(_SIZES)) @ softmax(sizes_along(by_band, _BAND_WALK)[0], axis=0)
        sizes = np.clip(np.rint(middle[band][:, None] + _SHIFTS).astype(np.intp), 0, last)
        by_time = _sums(np.take_along_axis(log, sizes, axis=1), time, times)
        chance = softmax(sizes_along(by_time, _TIME_WALK, _TIME_PULL)[0], axis=0)
        shift = _SHIFTS @ chance
    return sizes, chance.T.astype(np.float32)[time]


def _sums(values: NDArray[np.float32], group: Ints, groups: int) -> Floats:
    """Sums ``[columns, groups]`` of `values` ``[slots, columns]``."""
    return np.stack([np.bincount(group, column, minlength=groups) for column in values.T])
