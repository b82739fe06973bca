"""Marking a block with a short payload, in one layer or both.

Without a codec in the loop there is nothing to alternate for: tiles first, then cells on the tiled audio.
After a few steps one looks at what will be too loud; that is marked anew, more quietly, the rest goes on.
"""

from __future__ import annotations

import numpy as np

from soundsafe.aliases import Audio, Bits, Floats
from soundsafe.cells.code import CellCode
from soundsafe.cells.embedder import HEADROOM, ShortBlock, distances_of_change
from soundsafe.cells.settings import RETREAT, Quality
from soundsafe.streams.both_layers import as_loud, shared, tiled_block
from soundsafe.tiles.embedder import SHORT_EFFORT
from soundsafe.tiles.geometry import TileCode

__all__ = ["mark_short"]

_QUIETEST = 0.35
"""Least factor of a second that is too loud: below it neither layer would read."""

_GROWTH = 1.1
"""How much further the steps that follow a first look move a second from the original."""


def mark_short(
    audio: Audio,
    first: int,
    coded: Bits,
    first_second: int,
    phase: int,
    payload: bytes,
    code: CellCode,
    tiles: TileCode | None,
    quality: Quality,
    strength: float,
    *,
    last: bool = True,
) -> Audio:
    """The marked block ``[channels, samples]`` at 44.1 kHz; see `soundsafe.streams.both_layers.mark_both`.

    Args:
        audio: the block and its surroundings, ``[channels, samples]``.
        first: sample at which the first second starts, a multiple of 1764 (a tile).
        coded: the bits of each second for the cells, ``[seconds, 2040]``.
        first_second: its number in the file; with tiles a multiple of `CHUNK_EULS`.
        phase: that of the first second.
        payload: for the tiles, 1 to 24 bytes.
        code: key and profile of the cells.
        tiles: key and profile of the tiles, that of short payloads; None: seconds alone are marked.
        quality: how hard to work on the cells.
        strength: factor of the tiles' gains.
        last: whether the file ends with this block.

    Raises:
        ValueError: tiles and seconds do not fall together.
    """
    tiled = audio
    if tiles is not None:
        effort = SHORT_EFFORT.louder(strength)
        tiled = tiled_block(audio, first, len(coded), first_second, payload, tiles, effort, None, last)
    block = ShortBlock(audio, first, coded, phase, code, quality)

    def marked(factor: Floats, steps: int) -> Audio:
        host = audio if tiles is None else _host(audio, tiled, factor, first)
        return block.mark(host, factor, steps)

    ones = np.ones(len(coded))
    rough = marked(ones, quality.probe)
    loud = _GROWTH * distances_of_change(audio, rough, first, len(coded)) / quality.distance_limit
    factor = np.clip(loud, 1.0, _QUIETEST ** (-1.0 / RETREAT)) ** -RETREAT
    return marked(factor, quality.steps)


def _host(audio: Audio, tiled: Audio, factor: Floats, first: int) -> Audio:
    """What the cells are put into: a share of the tiles' gains, at the level of the audio."""
    bound = np.maximum(np.abs(audio), HEADROOM)
    quieter = tiled if factor.min() == 1.0 else shared(audio, tiled, factor, first)
    return np.clip(as_loud(audio, quieter, first, len(factor)), -bound, bound)
