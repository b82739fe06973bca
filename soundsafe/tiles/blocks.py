"""The symbols of each block: the key's alone, or those that follow from the block's audio too.

In profiles from version 3 on a block's audio is described by 8 bits (`soundsafe.pipeline.descriptions`).
Positions, signs and dithers of its symbols follow from key, description and place in the cycle; those of
pilots, by which tempo, pitch and offset are found, from the key. Which of a few likely descriptions a block
has shows in how well its symbols sit on their lattice; where it does not, all count, each as it is likely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from soundsafe.aliases import Floats, Ints
from soundsafe.keys import derive, keyed_integers
from soundsafe.pipeline.descriptions import band_edges, features_of_powers
from soundsafe.tiles.geometry import (
    BandPower,
    TileCode,
    TileGeometry,
    band_power,
    cumulative_until,
    edges_matrix,
)

__all__ = ["BlockSymbols", "block_features", "described_powers", "shared_symbols", "symbols_of_blocks"]

_FRAMES = 64
"""Frames by which a block is described."""


@dataclass(frozen=True)
class BlockSymbols:
    """Symbols of some blocks: `position` and `sign` ``[blocks, symbols, symbol_tiles]``, their tiles, and
    `phase` ``[blocks, symbols]``, their dither, 0 to 1 period."""

    geo: TileGeometry
    position: Ints
    sign: Floats
    phase: Floats

    def tiles_of(self, x: Floats) -> Floats:
        """Of values ``[bands, tiles]`` those of each symbol ``[blocks, symbols, symbol_tiles]``."""
        by_block = x.reshape(len(x), -1, self.geo.profile.block_tiles).transpose(1, 0, 2)
        each = np.arange(len(by_block))[:, None, None]
        chosen: Floats = by_block[each, self.geo.band[None, :, None], self.position]
        return chosen

    def values(self, rel: Floats) -> Floats:
        """Symbols in dB ``[blocks, symbols]`` of relative levels ``[bands, blocks * block_tiles]``."""
        norm = np.sqrt(self.geo.profile.symbol_tiles)
        return np.einsum("bsi,bsi->bs", self.tiles_of(rel), self.sign) / norm

    def means(self, x: Floats) -> Floats:
        """Mean of each symbol's tiles ``[blocks, symbols]`` of ``[bands, blocks * block_tiles]``."""
        return self.tiles_of(x).mean(axis=2)


def shared_symbols(numbers: Ints, code: TileCode) -> BlockSymbols:
    """The symbols that blocks with `numbers` ``[blocks]`` have by the key alone."""
    geo = code.geometry
    shape = len(numbers), *geo.position.shape
    return BlockSymbols(
        geo=geo,
        position=np.broadcast_to(geo.position, shape),
        sign=np.broadcast_to(geo.sign, shape),
        phase=geo.phase[numbers % geo.profile.cycle],
    )


def symbols_of_blocks(numbers: Ints, words: Sequence[int], code: TileCode) -> BlockSymbols:
    """The symbols of blocks that are described by `words` ``[blocks]``.

    Args:
        numbers: of the blocks, ``[blocks]``.
        words: the description of each.
        code: key and profile; one that does not bind marks to their audio takes no notice of `words`.
    """
    shared = shared_symbols(numbers, code)
    if not code.profile.host_bound:
        return shared
    each = [
        _own(code.long, int(number) % code.profile.cycle, int(word))
        for number, word in zip(numbers, words, strict=True)
    ]
    position, sign, phase = shared.position.copy(), shared.sign.copy(), shared.phase.copy()
    for i, own in enumerate(each):
        data = _data(code)
        position[i, data], sign[i, data], phase[i, data] = own.position, own.sign, own.phase
    return BlockSymbols(shared.geo, position, sign, phase)


@dataclass(frozen=True)
class _Own:
    """Symbols of one block that are no pilots, as in `BlockSymbols`."""

    position: Ints
    sign: Floats
    phase: Floats


@lru_cache(maxsize=8)
def _data(code: TileCode) -> Ints:
    return np.setdiff1d(np.arange(len(code.geometry.band)), code.geometry.pilot)


@lru_cache(maxsize=4)
def _hosts_secret(key: bytes) -> bytes:
    return derive(key, "hosts of tiles", 32)


@lru_cache(maxsize=2048)
def _own(code: TileCode, place: int, word: int) -> _Own:
    """The symbols of a block at `place` of the cycle that is described by `word`."""
    p, data = code.profile, _data(code)
    secret = _hosts_secret(code.key) + bytes([place]) + word.to_bytes(1, "big")
    groups = p.block_tiles // p.symbol_tiles
    draws = keyed_integers(secret, "tiles", len(data) // groups, p.block_tiles)
    position = np.argsort(draws, axis=1, kind="stable").reshape(len(data), p.symbol_tiles)
    # Any half of tiles in an order drawn by lot: as many up as down.
    sign = np.where(np.arange(p.symbol_tiles) < p.symbol_tiles // 2, 1.0, -1.0)
    phase = (keyed_integers(secret, "dither", len(data)) >> np.uint64(11)).astype(np.float64) / 2.0**53
    return _Own(position, np.broadcast_to(sign, position.shape), phase)


def described_powers(power: NDArray[np.floating], pitch: float, samples: int) -> BandPower:
    """The bands by which blocks are described, of a `soundsafe.tiles.geometry.power_spectrum`."""
    return band_power(power, edges_matrix(band_edges(), pitch), samples)


def block_features(bands: BandPower, start: float, span: float, blocks: int) -> Floats:
    """What describes some blocks ``[blocks, BITS]``, see `soundsafe.pipeline.descriptions`.

    Args:
        bands: of `described_powers`.
        start: sample at which the first block begins.
        span: samples of a block.
        blocks: how many.
    """
    at = start + np.arange(blocks * _FRAMES + 1) * span / _FRAMES
    energy = np.diff(cumulative_until(bands, at), axis=1)
    return features_of_powers(energy.reshape(len(energy), blocks, _FRAMES).transpose(1, 0, 2))
