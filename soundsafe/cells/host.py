"""What describes the audio of one second: 16 bits that codecs, gain, filters and noise leave as they are.

They say how the levels of eight bands from 300 Hz to 5 kHz move within the second::

    band     7  |  .  :  |  .        level of each quarter, in a logarithm
             :                   ->  over time: (rise) and (hump), two cosines of a discrete transform
             0  |  :  .  :  |        over bands: its eight cosines
             quarters of the second  16 signs

Static differences between bands do not count, so that an equaliser changes little; a floor under all levels
makes bands that hold next to nothing say nothing. Signs near zero may come out either way after an attack:
`host_words` lists the likeliest descriptions, the nearest first.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from scipy.fft import dct

from soundsafe.aliases import Floats
from soundsafe.cells.code import CellCode
from soundsafe.cells.profile import EUL_FRAMES
from soundsafe.pipeline.features import cheapest_subsets
from soundsafe.stft import RATE, Stft

__all__ = ["BITS", "code_of_second", "host_features", "host_word", "host_words"]

BITS = 16
"""Bits of a description."""

_BANDS, _LOW, _HIGH = 8, 300.0, 5000.0
_PARTS = 4
_LOUDNESS = 0.25
"""Powers are averaged with this exponent: between their mean, which one onset decides, and the mean of their
logarithms, which the quietest frames decide."""

_NOTHING = 1e-6
"""A feature in dB that is less than what rounding makes of none counts as none, and its bit is 0."""

_FLOOR = 1e-3
"""Share of the mean power of all bands that is added to each."""


@lru_cache(maxsize=4)
def _band_shares(bins: int) -> torch.Tensor:
    """Share of each bin in each band ``[bands, bins]``."""
    edges = np.geomspace(_LOW, _HIGH, _BANDS + 1)
    width = RATE / Stft().n_fft
    low = (np.arange(bins) - 0.5) * width
    return torch.from_numpy(
        np.diff(np.clip((edges[:, None] - low) / width, 0.0, 1.0), axis=0).astype(np.float32)
    )


@lru_cache(maxsize=1)
def _part_weights() -> Floats:
    """Weights ``[frames, parts]`` of a second's frames in its quarters, which overlap, so that a shift by a
    few milliseconds changes little."""
    at = (np.arange(EUL_FRAMES) + 0.5) / EUL_FRAMES * _PARTS
    weight = np.clip(1.0 - np.abs(at[:, None] - np.arange(_PARTS) - 0.5), 0.0, None)
    return weight / weight.sum(axis=0)


def band_powers(spectrum: torch.Tensor) -> Floats:
    """Power ``[bands, frames]`` of the bands of a `spectrum` ``[bins, frames]``."""
    power = spectrum.real.square() + spectrum.imag.square()
    return (_band_shares(len(power)) @ power).double().numpy()


def features_of(powers: Floats) -> Floats:
    """`host_features` ``[..., BITS]`` of `band_powers` ``[..., bands, EUL_FRAMES]``."""
    mean = powers.sum(axis=-2).mean(axis=-1)[..., None, None]
    level = powers / np.maximum(mean, 1e-20) + _FLOOR
    parts = 10.0 / _LOUDNESS * np.log10(np.sqrt(np.sqrt(level)) @ _part_weights())
    cosines = dct(dct(parts, axis=-2, norm="ortho"), axis=-1, norm="ortho")
    return np.concatenate([cosines[..., 1], cosines[..., 2]], axis=-1)


def host_features(spectrum: torch.Tensor) -> Floats:
    """How the levels of bands move in a second.

    Args:
        spectrum: ``[bins, EUL_FRAMES]`` of one mixture of channels on the detector's grid; it may end at some
            bin above 5 kHz.

    Returns:
        ``[BITS]`` in dB: cosines of the transform over time (rise, then hump) and bands.
    """
    return features_of(band_powers(spectrum))


def host_word(features: Floats) -> int:
    """The description that the features name, 0 to 2^BITS - 1."""
    return int((np.asarray(features) > _NOTHING) @ (1 << np.arange(BITS)))


def code_of_second(mixed: torch.Tensor, code: CellCode) -> CellCode:
    """The code of a second to be marked.

    Args:
        mixed: its spectrum ``[bins, EUL_FRAMES]``, of the mixture of channels that is to carry it.
        code: key and profile.

    Returns:
        `code` itself, unless its profile binds marks to their audio.
    """
    return code.of_host(host_word(host_features(mixed))) if code.profile.host_bound else code


def host_words(features: Floats, most: int) -> list[tuple[int, float]]:
    """The descriptions that small changes of the features would name.

    Args:
        features: of `host_features`.
        most: how many at most, at least 1.

    Returns:
        Pairs of a description and of how far in dB features, all together, would have to move for it, in
        ascending order of that.

    Example:
        >>> import numpy as np
        >>> features = np.full(16, 3.0)
        >>> features[2] = -0.1
        >>> [(f"{word:016b}", round(away, 1)) for word, away in host_words(features, 2)]
        [('1111111111111011', 0.0), ('1111111111111111', 0.1)]
    """
    cost = np.abs(features)
    order = np.argsort(cost, kind="stable")
    named, out = host_word(features), []
    for flipped in cheapest_subsets([float(cost[i]) for i in order], most):
        bits = order[list(flipped)].astype(np.int64)
        out.append((named ^ int(np.sum(1 << bits)), float(cost[bits].sum())))
    return out
