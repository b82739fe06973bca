"""Both layers in one signal: tiles first, then cells on the tiled audio, each solved knowing of the other.

The cells' perturbation costs the tiles up to half of what they carry. So the tiles are solved again with a
rough version of the cells in place, and the cells once more on the result; the audible difference stays the
same.
"""

from __future__ import annotations

import numpy as np

from soundsafe.aliases import Audio, Bits, Floats
from soundsafe.cells.code import CellCode
from soundsafe.cells.embedder import HEADROOM, Loudness, mark_block
from soundsafe.cells.profile import EUL_SAMPLES
from soundsafe.cells.settings import RETREAT, ROUGH, Quality
from soundsafe.tiles.embedder import DEFAULT_EFFORT, TileEffort, mark_tiles
from soundsafe.tiles.geometry import TileCode

__all__ = ["CHUNK_EULS", "as_loud", "mark_both", "shared", "tiled_block"]

TILE_DISTANCE = 1.6e-4
"""Zimtohrli distance that the tiles may make of a second; they are weaker where they would make more."""

CHUNK_EULS = 16
"""Seconds that are a whole number of tile blocks: a stream is marked in such pieces."""


def mark_both(
    audio: Audio,
    first: int,
    coded: Bits,
    first_second: int,
    phase: int,
    payload: bytes,
    code: CellCode,
    tiles: TileCode,
    quality: Quality,
    *,
    last: bool = True,
) -> Audio:
    """The marked block ``[channels, samples]`` at 44.1 kHz; see `soundsafe.cells.embedder.mark_block`.

    Args:
        audio: the block and its surroundings, ``[channels, samples]``.
        first: sample at which the first second starts, a multiple of 1764 (a tile).
        coded: the bits of each second for the cells, ``[seconds, 2040]``.
        first_second: its number in the file, a multiple of `CHUNK_EULS`.
        phase: that of the first second.
        payload: for the tiles.
        code: key and profile of the cells.
        tiles: key and profile of the tiles.
        quality: how hard to work on the cells.
        last: whether the file ends with this block, whose tiles then reach to its end; otherwise the block
            holds `CHUNK_EULS` seconds.

    Raises:
        ValueError: tiles and seconds do not fall together.
    """
    effort = DEFAULT_EFFORT.louder(quality.strength)

    def tiled(beside: Audio | None) -> Audio:
        return tiled_block(audio, first, len(coded), first_second, payload, tiles, effort, beside, last)

    origin = first_second * EUL_SAMPLES - first
    bound = np.maximum(np.abs(audio), HEADROOM)
    host = tiled(None)
    rough = mark_block(host, first, coded, phase, code, ROUGH, origin=origin, named_by=audio)
    limit = TILE_DISTANCE * quality.strength ** (1.0 / RETREAT)
    host = _quieter(audio, tiled(rough - host), first, len(coded), limit)
    host = np.clip(as_loud(audio, host, first, len(coded)), -bound, bound)
    return mark_block(host, first, coded, phase, code, quality, origin=origin, named_by=audio)


def tiled_block(
    audio: Audio,
    first: int,
    seconds: int,
    first_second: int,
    payload: bytes,
    tiles: TileCode,
    effort: TileEffort,
    beside: Audio | None,
    last: bool,
) -> Audio:
    """The block with tiles alone; raises ValueError where they and seconds do not fall together."""
    begin, profile = first_second * EUL_SAMPLES, tiles.profile
    if begin % profile.block or first % profile.tile:
        raise ValueError(f"a block of both layers starts with a multiple of {CHUNK_EULS} seconds")
    bound = np.maximum(np.abs(audio), HEADROOM)
    marked = mark_tiles(
        audio,
        payload,
        tiles,
        effort=effort,
        first_block=begin // profile.block,
        lead=first // profile.tile,
        blocks=None if last else seconds * EUL_SAMPLES // profile.block,
        beside=beside,
    )
    return np.clip(marked, -bound, bound)


def _quieter(audio: Audio, marked: Audio, first: int, euls: int, limit: float) -> Audio:
    """`marked` with a smaller share of the change in seconds that differ by more than `limit`."""
    share = np.ones(euls)
    for eul, excess in Loudness(audio, first, euls).over(marked, limit).items():
        share[eul] = excess**-RETREAT
    return shared(audio, marked, share, first)


def shared(audio: Audio, marked: Audio, share: Floats, first: int) -> Audio:
    """`marked` with a `share` ``[seconds]`` of the change in each second from sample `first` on, linear from
    middle to middle."""
    middles = first + (np.arange(len(share)) + 0.5) * EUL_SAMPLES
    each = np.interp(np.arange(audio.shape[1]), middles, share).astype(np.float32)
    return audio + each * (marked - audio)


def as_loud(audio: Audio, marked: Audio, first: int, euls: int) -> Audio:
    """`marked` with the energy that `audio` has in each second; tiles do not see so slow a gain."""
    gain = np.ones(euls)
    for i in range(euls):
        here = slice(first + i * EUL_SAMPLES, first + (i + 1) * EUL_SAMPLES)
        before, after = (float(np.sum(x[:, here].astype(np.float64) ** 2)) for x in (audio, marked))
        gain[i] = np.sqrt(before / after) if before and after else 1.0
    at = first + np.concatenate([[0.0], np.arange(euls) + 0.5, [euls]]) * EUL_SAMPLES
    each = np.interp(np.arange(audio.shape[1]), at, np.concatenate([[1.0], gain, [1.0]]))
    return marked * each.astype(np.float32)
