"""Removal and forgery with what `soundsafe.attacks.learning` finds out: without the key, at little distance.

Removal moves the pilots of both layers by half a step, where they say nothing: a detector that does not find
the mark's clock reads nothing of it. Forgery writes learned symbols into audio that was never marked: tag and
payload are the owner's, so they are genuine.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.attacks.learning import (
    Pilot,
    TileSymbols,
    periods,
    pilot_tile_bands,
    tile_edges,
    together_seconds,
)
from soundsafe.attacks.registry import Audio
from soundsafe.cells.masking import threshold
from soundsafe.cells.profile import EUL_FRAMES, PATTERNS, ROBUST, Profile
from soundsafe.stft import istft, stft
from soundsafe.tiles import geometry as tiles
from soundsafe.tiles.geometry import ROBUST_TILES, TileProfile

__all__ = ["remove_pilots", "remove_tile_pilots", "write_tiles"]

Floats = NDArray[np.float64]

_STEPS, _LIMIT_DB = 8, 3.0
"""Steps of the solvers, and the largest gain of a tile."""


def write_tiles(audio: Audio, symbols: TileSymbols, profile: TileProfile = ROBUST_TILES) -> Audio:
    """`audio` ``[channels, samples]`` at 44.1 kHz with its tiles moved to the phases that `symbols` have.

    Least squares over gains of tiles, as far as phases are known; the first block starts at the first sample.
    """
    blocks = audio.shape[1] // profile.block
    count = blocks * profile.block_tiles
    if not blocks:
        return audio.copy()
    matrix = tiles.edges_matrix(tile_edges(profile))
    period = periods(profile)[:, None, None]
    turn = symbols.turn[:, :, np.arange(blocks) % profile.cycle]
    spectrum = tiles.GRID.forward(torch.from_numpy(np.ascontiguousarray(audio)))
    to_frames = _frames_of_tiles(count, spectrum.shape[-1], profile)
    gain = np.zeros((len(matrix), blocks, profile.block_tiles))
    target: Floats | None = None
    y = audio
    for _ in range(_STEPS):
        power = tiles.band_power(tiles.power_spectrum(y), matrix, y.shape[1])
        level, share = tiles.levels(power, 0.0, 1.0, count, profile)
        shape = (len(matrix), blocks, profile.block_tiles)
        relative, share = tiles.relative(level, profile).reshape(shape), share.reshape(shape)
        place = np.einsum("bst,bkt->bsk", symbols.pattern, relative)
        if target is None:
            away = place / period - turn
            target = place - np.nan_to_num(away - np.round(away)) * period
        heard = np.einsum("bst,bkt->bsk", symbols.pattern**2.0, share**2)
        each = (target - place) / (heard + 0.5)
        gain += np.einsum("bsk,bst,bkt->bkt", each, symbols.pattern, share)
        gain = gain.clip(-_LIMIT_DB, _LIMIT_DB)
        db = matrix.T.astype(np.float32) @ (gain.reshape(len(matrix), count) @ to_frames).astype(np.float32)
        factor = torch.exp(torch.from_numpy(db) * (np.log(10.0) / 20.0))
        y = tiles.GRID.inverse(spectrum * factor, audio.shape[1]).numpy()
    return y


def _frames_of_tiles(count: int, frames: int, profile: TileProfile) -> Floats:
    """Share of each frame's hop in each tile ``[tiles, frames]``."""
    edge = np.arange(count + 1) * profile.tile / tiles.GRID.hop
    return np.diff(np.clip(edge[:, None] - (np.arange(frames) - 0.5)[None], 0.0, 1.0), axis=0)


def remove_tile_pilots(audio: Audio, symbols: TileSymbols, profile: TileProfile = ROBUST_TILES) -> Audio:
    """`audio` with the pilots of the tile layer half a period from where they were."""
    turn = np.full_like(symbols.turn, np.nan)
    pilots = pilot_tile_bands(profile)
    turn[pilots] = (symbols.turn[pilots] + 0.5) % 1.0
    return write_tiles(audio, dataclasses.replace(symbols, turn=turn), profile)


def remove_pilots(audio: Audio, pilots: Sequence[Pilot], profile: Profile = ROBUST) -> Audio:
    """`audio` ``[channels, samples]`` at 44.1 kHz with the pilots of the cell layer half a step from where
    they were, by the shortest way for each."""
    apart = np.repeat(~together_seconds(audio), EUL_FRAMES)
    y = torch.from_numpy(audio.copy())
    for _ in range(_STEPS):
        spectrum = stft(y)
        change = torch.zeros_like(spectrum)
        own = np.zeros(spectrum.shape[-1], np.bool_)
        own[: len(apart)] = apart[: len(own)]
        mean = _to_half(spectrum.mean(dim=0), pilots, ~own, profile)
        for channel, now in zip(change, spectrum, strict=True):
            channel += mean + (_to_half(now, pilots, own, profile) if own.any() else 0.0)
        y = y + istft(change, y.shape[-1])
    return y.numpy()


def _to_half(
    spectrum: torch.Tensor, pilots: Sequence[Pilot], use: NDArray[np.bool_], profile: Profile
) -> torch.Tensor:
    """What brings the pilots of a `spectrum` ``[bins, frames]`` half a step away, in the frames to `use`."""
    out = torch.zeros_like(spectrum)
    own = threshold(spectrum, profile)
    for pilot in pilots:
        at = torch.from_numpy(np.flatnonzero(use & (np.arange(len(use)) % PATTERNS == pilot.pattern)))
        cells = torch.from_numpy(pilot.bins)[:, None]
        weight = torch.from_numpy(pilot.root)[:, None] / np.sqrt(len(pilot.bins))
        place = (spectrum[cells, at] / own[cells, at] * weight.conj()).real.sum(dim=0) / pilot.step
        away = place - pilot.dither
        away = away - torch.floor(away) - 0.5
        out[cells, at] -= (away * pilot.step).float() * own[cells, at] * weight
    return out
