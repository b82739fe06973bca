"""Finding where tiles begin without their pilots: whoever learned those from marked audio can undo them.

Short payloads have 24 symbols in each block whose bits are known, at places that follow from key and audio.
Audio that was cut, at its own tempo and pitch, is found by them: a block begins at one of some places in its
length, and is one of those of a cycle.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from soundsafe.aliases import Floats, Ints
from soundsafe.pipeline.descriptions import description
from soundsafe.tiles.blocks import block_features, described_powers, symbols_of_blocks
from soundsafe.tiles.geometry import BandPower, TileCode
from soundsafe.tiles.warp import Spectrogram, Warp, aligned_tiles

__all__ = ["find_unpiloted"]

_STEP = 441
"""Samples between places that are tried: a quarter of a tile."""

_NEAR = (-220, -110, 110, 220)
"""Samples from the best of them that are tried then."""

_MOST_BLOCKS = 24
"""Blocks that are looked at, from the first on."""

_LEAST_BLOCKS = 3


class _Named:
    """The symbols whose bits are known, by place in the cycle and description; worked out when first asked
    for."""

    def __init__(self, code: TileCode) -> None:
        self._code = code
        self.geo = code.geometry
        self._kept: dict[int, tuple[Ints, Floats, Floats]] = {}

    def of(self, word: int) -> tuple[Ints, Floats, Floats]:
        """`position` and `sign` ``[cycle, named, symbol_tiles]`` and `phase` ``[cycle, named]`` of blocks
        that are described by `word`."""
        if word not in self._kept:
            cycle = self.geo.profile.cycle
            own = symbols_of_blocks(np.arange(cycle), [word] * cycle, self._code)
            rows, named = np.arange(cycle)[:, None], self.geo.named
            self._kept[word] = own.position[rows, named], own.sign[rows, named], own.phase[rows, named]
        return self._kept[word]


def _agreements(spec: Spectrogram, bands: BandPower, start: float, named: _Named) -> Floats:
    """Mean cosines of the known symbols ``[blocks, cycle]`` of blocks from sample `start` on, were each at
    any place of the cycle."""
    geo = named.geo
    p = geo.profile
    tiles = aligned_tiles(spec.bands(1.0), Warp(1.0, 1.0, start, 0), p)
    count = min(len(tiles.numbers), _MOST_BLOCKS)
    features = block_features(bands, tiles.start, p.block, count)
    band, period = geo.band[geo.named], geo.period[geo.named]
    out = np.zeros((count, p.cycle))
    for i, each in enumerate(features):
        position, sign, phase = named.of(description(each))
        block = tiles.relative[:, i * p.block_tiles : (i + 1) * p.block_tiles]
        value = (block[band[..., None], position] * sign).sum(axis=-1) / np.sqrt(p.symbol_tiles)
        out[i] = np.cos(2.0 * np.pi * (value / period + phase)).mean(axis=1)
    return out


def _best_place(agreements: Floats) -> tuple[float, int]:
    """The place in the cycle of the first block at which all agree best, and how well: standard normal."""
    blocks, cycle = agreements.shape
    at = (np.arange(cycle) + np.arange(blocks)[:, None]) % cycle
    total = np.take_along_axis(agreements, at, axis=1).sum(axis=0)
    return float(total.max()), int(total.argmax())


def find_unpiloted(spec: Spectrogram, code: TileCode) -> Warp | None:
    """Where blocks of short payloads begin in audio at its own tempo and pitch.

    Args:
        spec: the audio, with the bands of `code`.
        code: key and a profile that binds marks to their audio.

    Returns:
        The best warp of all, with its z and how many it is the best of; None where the audio is shorter than
        three blocks.
    """
    named = _Named(code.short)
    geo = named.geo
    p = geo.profile
    if spec.samples < (_LEAST_BLOCKS + 1) * p.block:
        return None
    bands = described_powers(spec.power, 1.0, spec.samples)
    best, tried = Warp(1.0, 1.0, 0.0, 0, z=-np.inf), 0
    for near in (np.arange(0, p.block, _STEP), np.array(_NEAR)):
        middle = best.start
        for start in (middle + near).tolist():
            agreements = _agreements(spec, bands, start, named)
            total, place = _best_place(agreements)
            z = total * np.sqrt(2.0 * geo.named.shape[1] / len(agreements))
            tried += p.cycle
            if z > best.z:
                best = Warp(1.0, 1.0, start, place, z=z)
    return replace(best, tried=tried)
