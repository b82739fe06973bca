"""What describes a stretch of audio: 8 bits that codecs, gain, filters and noise leave as they are.

They say how the levels of four bands from 200 Hz to 3 kHz move within the stretch::

    band     3  |  .  :  |  .        level of each quarter, in a logarithm
             :                   ->  over time: (rise) and (hump), two cosines of a discrete transform
             0  |  :  .  :  |        over bands: its four cosines
             quarters of the stretch  8 signs

Static differences between bands do not count, so that an equaliser changes little; a floor under all levels
makes bands that hold next to nothing say nothing. Signs near zero may come out either way after an attack:
`likely_descriptions` lists the likeliest, the nearest first.

A mark whose geometry follows from key and description repeats nowhere, and fits no other audio.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.fft import dct

from soundsafe.aliases import Floats
from soundsafe.pipeline.features import cheapest_subsets

__all__ = [
    "BANDS",
    "BITS",
    "band_edges",
    "description",
    "features_of_powers",
    "likely_descriptions",
]

BITS = 8
"""Bits of a description."""

BANDS = 4
"""Bands whose levels are looked at."""

_LOW, _HIGH = 200.0, 3000.0
_PARTS = 4
_LOUDNESS = 0.25
"""Powers are averaged with this exponent: between their mean, which one onset decides, and the mean of their
logarithms, which the quietest frames decide."""

_NOTHING = 1e-6
"""A feature in dB that is less than what rounding makes of none counts as none, and its bit is 0."""

_FLOOR = 1e-3
"""Share of the mean power of all bands that is added to each."""


def band_edges() -> Floats:
    """Edges in Hz ``[bands + 1]`` of the bands whose levels are looked at."""
    return np.geomspace(_LOW, _HIGH, BANDS + 1)


@lru_cache(maxsize=4)
def _part_weights(frames: int) -> Floats:
    """Weights ``[frames, parts]`` of a stretch's frames in its quarters, which overlap, so that a shift by a
    few milliseconds changes little."""
    at = (np.arange(frames) + 0.5) / frames * _PARTS
    weight = np.clip(1.0 - np.abs(at[:, None] - np.arange(_PARTS) - 0.5), 0.0, None)
    return weight / weight.sum(axis=0)


def features_of_powers(powers: Floats) -> Floats:
    """How the levels of bands move in a stretch.

    Args:
        powers: of the bands in each frame of the stretch, ``[..., bands, frames]``.

    Returns:
        ``[..., BITS]`` in dB: cosines of the transform over time (rise, then hump) and bands.
    """
    mean = powers.sum(axis=-2).mean(axis=-1)[..., None, None]
    level = powers / np.maximum(mean, 1e-20) + _FLOOR
    parts = 10.0 / _LOUDNESS * np.log10(np.sqrt(np.sqrt(level)) @ _part_weights(powers.shape[-1]))
    cosines = dct(dct(parts, axis=-2, norm="ortho"), axis=-1, norm="ortho")
    return np.concatenate([cosines[..., 1], cosines[..., 2]], axis=-1)


def description(features: Floats) -> int:
    """The description that features ``[BITS]`` name, 0 to 2^BITS - 1."""
    return int((np.asarray(features) > _NOTHING) @ (1 << np.arange(BITS)))


def likely_descriptions(features: Floats, most: int) -> list[tuple[int, float]]:
    """The descriptions that small changes of the features would name.

    Args:
        features: of `features_of_powers`, ``[BITS]``.
        most: how many at most, at least 1.

    Returns:
        Pairs of a description and of how far in dB features, all together, would have to move for it, in
        ascending order of that.

    Example:
        >>> features = np.full(8, 3.0)
        >>> features[2] = -0.1
        >>> [(f"{word:08b}", round(away, 1)) for word, away in likely_descriptions(features, 2)]
        [('11111011', 0.0), ('11111111', 0.1)]
    """
    cost = np.abs(features)
    order = np.argsort(cost, kind="stable")
    named, out = description(features), []
    for flipped in cheapest_subsets([float(cost[i]) for i in order], most):
        bits = order[list(flipped)].astype(np.int64)
        out.append((named ^ int(np.sum(1 << bits)), float(cost[bits].sum())))
    return out
