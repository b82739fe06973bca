"""Both layers in one signal: tiles first, then cells on the tiled audio, each solved knowing of the other.

The cells' perturbation costs the tiles up to half of what they carry. So the tiles are solved again with a
rough version of the cells in place, and the cells once more on the result; the audible difference stays the
same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundsafe.cells.embedder import HEADROOM, RETREAT, ROUGH, Loudness, Quality, mark_block
from soundsafe.cells.profile import EUL_SAMPLES, Profile
from soundsafe.tiles.embedder import mark_tiles
from soundsafe.tiles.geometry import ROBUST_TILES, TileProfile

__all__ = ["CHUNK_EULS", "mark_both"]

Audio = NDArray[np.float32]

TILE_DISTANCE = 1.6e-4
"""Zimtohrli distance that the tiles may make of a second; they are weaker where they would make more."""

CHUNK_EULS = 16
"""EULs that are a whole number of tile blocks: a stream is marked in such pieces."""


def mark_both(
    audio: Audio,
    first: int,
    coded: NDArray[np.uint8],
    first_eul: int,
    phase: int,
    payload: bytes,
    key: bytes,
    profile: Profile,
    quality: Quality,
    tiles: TileProfile = ROBUST_TILES,
    last: bool = True,
) -> Audio:
    """The marked block ``[channels, samples]`` at 44.1 kHz; see `soundsafe.cells.embedder.mark_block`.

    `first_eul`: number in the file of the EUL at sample `first`, a multiple of `CHUNK_EULS`. `last`: whether
    the file ends with this block, whose tiles then reach to its end; otherwise the block holds `CHUNK_EULS`.
    Raises ValueError where tiles and EULs do not fall together.
    """
    begin = first_eul * EUL_SAMPLES
    if begin % tiles.block or first % tiles.tile:
        raise ValueError(f"a block of both layers starts with a multiple of {CHUNK_EULS} EULs")
    blocks = None if last else len(coded) * EUL_SAMPLES // tiles.block
    bound = np.maximum(np.abs(audio), HEADROOM)

    def tiled(beside: Audio | None) -> Audio:
        marked = mark_tiles(
            audio,
            payload,
            key,
            profile=tiles,
            first_block=begin // tiles.block,
            lead=first // tiles.tile,
            blocks=blocks,
            beside=beside,
        )
        return np.clip(marked, -bound, bound)

    origin = begin - first
    host = tiled(None)
    rough = mark_block(host, first, coded, phase, key, profile, ROUGH, origin, audio)
    host = _quieter(audio, tiled(rough - host), first, len(coded))
    host = np.clip(_as_loud(audio, host, first, len(coded)), -bound, bound)
    return mark_block(host, first, coded, phase, key, profile, quality, origin, audio)


def _quieter(audio: Audio, marked: Audio, first: int, euls: int) -> Audio:
    """`marked` with a smaller share of the change in seconds that differ by more than `TILE_DISTANCE`."""
    share = np.ones(euls)
    for eul, excess in Loudness(audio, first, euls).over(marked, TILE_DISTANCE).items():
        share[eul] = excess**-RETREAT
    middles = first + (np.arange(euls) + 0.5) * EUL_SAMPLES
    each = np.interp(np.arange(audio.shape[1]), middles, share).astype(np.float32)
    return audio + each * (marked - audio)


def _as_loud(audio: Audio, marked: Audio, first: int, euls: int) -> Audio:
    """`marked` with the energy that `audio` has in each second; tiles do not see so slow a gain."""
    gain = np.ones(euls)
    for i in range(euls):
        here = slice(first + i * EUL_SAMPLES, first + (i + 1) * EUL_SAMPLES)
        before, after = (float(np.sum(x[:, here].astype(np.float64) ** 2)) for x in (audio, marked))
        gain[i] = np.sqrt(before / after) if before and after else 1.0
    at = first + np.concatenate([[0.0], np.arange(euls) + 0.5, [euls]]) * EUL_SAMPLES
    each = np.interp(np.arange(audio.shape[1]), at, np.concatenate([[1.0], gain, [1.0]]))
    return marked * each.astype(np.float32)
