"""The embedder of the tile layer: gains on tiles, the same for all channels, until the symbols are right.

Each symbol is moved towards the nearest point of its lattice that says the right bit, by a share of the way
(distortion compensation: Chen and Wornell, IEEE Trans. Inf. Theory 47, 2001; Costa 1983).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from soundsafe.aliases import Audio, Bits, Floats
from soundsafe.message.container import pack
from soundsafe.message.low_rate_code import encode_identifier, encode_payload
from soundsafe.message.short_words import encode_short_word
from soundsafe.pipeline.descriptions import description
from soundsafe.tiles.blocks import (
    BlockSymbols,
    block_features,
    described_powers,
    shared_symbols,
    symbols_of_blocks,
)
from soundsafe.tiles.geometry import (
    GRID,
    TileCode,
    TileProfile,
    band_power,
    edges_matrix,
    levels,
    power_spectrum,
    relative,
)

__all__ = ["DEFAULT_EFFORT", "SHORT_EFFORT", "TileEffort", "mark_tiles", "tile_bits"]


@dataclass(frozen=True)
class TileEffort:
    """`steps` of the solver and the factor of each, `reach` (frames overlap, so that less of a gain is found
    again than was put in); `compensation`: share of the way to the lattice point, and `pilot_compensation`
    that of pilots; `limit_db`: largest gain."""

    steps: int = 10
    reach: float = 1.0
    compensation: float = 0.75
    limit_db: float = 2.0
    pilot_compensation: float = 0.75

    def louder(self, factor: float) -> TileEffort:
        """The same, with gains about `factor` times as large."""
        shares = (
            min(max(share, _MOST_COMPENSATION), factor * share)
            for share in (self.compensation, self.pilot_compensation)
        )
        return replace(
            self,
            compensation=next(shares),
            pilot_compensation=next(shares),
            limit_db=factor * self.limit_db,
        )


DEFAULT_EFFORT = TileEffort()

SHORT_EFFORT = TileEffort(steps=2, reach=1.6, compensation=0.5, pilot_compensation=0.65)
"""For short payloads. Half of the way is the cheapest: with a lattice of 0.7 times the period and three
quarters of the way music is a quarter further from the original, and phase vocoders leave less to read.
Pilots, an eighth of all symbols, go further: in a few seconds they are what is missing first."""

_MOST_COMPENSATION = 0.9


def tile_bits(payload: bytes, code: TileCode, blocks: int, first: int = 0) -> Bits:
    """The bits of some blocks.

    Cycle c carries part c modulo the number of parts; the identifier runs on from block to block.

    Args:
        payload: 1 to 4096 bytes.
        code: key and profile.
        blocks: how many.
        first: number of the first.

    Returns:
        ``[blocks, symbols]``, each 0 or 1; pilots are 0.

    Raises:
        InputError: a payload of another length.
        ValueError: one of more than 24 bytes, and a profile of short words.
    """
    geo = code.geometry
    bits = np.zeros((blocks, len(geo.band)), np.uint8)
    if code.profile.is_short:
        word = encode_short_word(payload, code.key, geo.word)
        for i in range(blocks):
            c = (first + i) % geo.profile.cycle
            bits[i, geo.payload[c]] = word[geo.payload_index[c]]
        return bits
    words = [encode_payload(block, geo.word) for block in pack(payload, code.key)]
    ident = encode_identifier(payload, code.key)
    for i in range(blocks):
        number = first + i
        c = number % geo.profile.cycle
        word = words[number // geo.profile.cycle % len(words)]
        bits[i, geo.payload[c]] = word[geo.payload_index[c]]
        bits[i, geo.identifier[c]] = ident[geo.identifier_bits(c)]
    return bits


def mark_tiles(
    audio: Audio,
    payload: bytes,
    code: TileCode,
    *,
    effort: TileEffort = DEFAULT_EFFORT,
    first_block: int = 0,
    lead: int = 0,
    blocks: int | None = None,
    beside: Audio | None = None,
) -> Audio:
    """`audio` with `payload` in its tiles; outside the marked blocks only the transform's overlap changes it.

    Args:
        audio: ``[channels, samples]`` at 44.1 kHz.
        payload: 1 to 4096 bytes.
        code: key and profile.
        effort: how hard to work.
        first_block: number of the first block that is marked.
        lead: tiles of context before it.
        blocks: how many are marked; None: all whole ones.
        beside: what another layer will add, ``[channels, samples]``; the gains are solved with it in place,
            and it is not part of the result.

    Raises:
        InputError: a payload of another length.
    """
    geo, profile = code.geometry, code.profile
    room = max(0, audio.shape[1] // profile.tile - lead)
    blocks = room // profile.block_tiles if blocks is None else min(blocks, room // profile.block_tiles)
    bits = tile_bits(payload, code, blocks, first_block)
    if not blocks:
        return audio.copy()
    core = slice(lead, lead + blocks * profile.block_tiles)
    # The neighbours' levels count as far as the detector hears them too.
    tiles = min(room + lead, core.stop + 2 * profile.radius)
    matrix = edges_matrix(geo.edges)
    x = torch.from_numpy(np.ascontiguousarray(audio))
    inside = slice(*_ends(matrix.sum(axis=0) > 0.0))  # bins that lie in bands
    matrix = matrix[:, inside]
    to_bins = csr_array(matrix.T)
    to_frames = csr_array(_frames_matrix(tiles, GRID.frames(audio.shape[1]), profile))
    own = _symbols(audio, code, first_block, lead, blocks)
    gain = np.zeros((geo.bands, tiles))
    target: Floats | None = None
    compensation = np.full((blocks, len(geo.band)), effort.compensation)
    compensation[:, geo.pilot] = effort.pilot_compensation
    named = geo.named[(first_block + np.arange(blocks)) % profile.cycle]
    np.put_along_axis(compensation, named, effort.pilot_compensation, axis=1)
    tile_of = lead + np.arange(blocks)[:, None, None] * profile.block_tiles + own.position
    other = None if beside is None else torch.from_numpy(np.ascontiguousarray(beside))
    spectrum, power = _rows(x, inside)
    if other is not None:
        power = _rows(x + other, inside)[1]
    y = x
    for step in range(effort.steps):
        if step:
            power = _rows(y if other is None else y + other, inside)[1]
        level, share = levels(band_power(power, matrix, audio.shape[1]), 0.0, 1.0, tiles, profile)
        s = own.values(relative(level, profile)[:, core])
        if target is None:
            u = s / geo.period + own.phase - 0.5 * bits
            target = s - compensation * (u - np.round(u)) * geo.period
        w = share[geo.band[None, :, None], tile_of]
        move = (target - s)[..., None] * np.sqrt(profile.symbol_tiles) / ((w**2).sum(-1, keepdims=True) + 0.5)
        gain[geo.band[None, :, None], tile_of] += effort.reach * own.sign * w * move
        np.clip(gain, -effort.limit_db, effort.limit_db, out=gain)
        y = x + _change(spectrum, to_bins @ (gain @ to_frames), inside, audio.shape[1])
    return y.numpy()


def _rows(x: torch.Tensor, inside: slice) -> tuple[torch.Tensor, NDArray[np.float32]]:
    """The bins `inside` of the spectrum of ``[channels, samples]``, ``[channels, frames, bins]``, and their
    power ``[bins, frames]`` summed over the channels."""
    padded = GRID.padded(x)
    count, width = GRID.frames(x.shape[-1]), inside.stop - inside.start
    rows = torch.empty(len(x), count, width, dtype=torch.complex64)
    power = torch.empty(count, width)
    for here in GRID.pieces(x.shape[-1]):
        rows[:, here] = GRID.rows(padded, here)[..., inside]
        power[here] = (rows[:, here].real.square() + rows[:, here].imag.square()).sum(0)
    return rows, power.numpy().T


def _change(spectrum: torch.Tensor, db: Floats, inside: slice, samples: int) -> torch.Tensor:
    """What gains in `db` ``[bins, frames]`` of the rows `spectrum` add to audio ``[channels, samples]``."""
    rows = torch.zeros(*spectrum.shape[:2], inside.stop, dtype=spectrum.dtype)
    for here in GRID.pieces(samples):
        # Not torch's exponential, whose last bits depend on the processor; in twice the time were it real.
        factor = np.expm1(db[:, here].T * (np.log(10.0) / 20.0)).astype(np.complex64)
        rows[:, here, inside] = spectrum[:, here] * torch.from_numpy(factor)
    return GRID.inverse_rows(rows, samples)


def _ends(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """The first that is true, and the one after the last."""
    at = np.flatnonzero(flags)
    return int(at[0]), int(at[-1]) + 1


def _symbols(audio: Audio, code: TileCode, first_block: int, lead: int, blocks: int) -> BlockSymbols:
    """The symbols of the blocks that are marked, as the unmarked audio names them."""
    numbers = first_block + np.arange(blocks)
    if not code.profile.host_bound:
        return shared_symbols(numbers, code)
    bands = described_powers(power_spectrum(audio), 1.0, audio.shape[1])
    features = block_features(bands, lead * code.profile.tile, code.profile.block, blocks)
    return symbols_of_blocks(numbers, [description(each) for each in features], code)


def _frames_matrix(tiles: int, frames: int, profile: TileProfile) -> Floats:
    """Share of each frame's hop in each tile ``[tiles, frames]``."""
    edge = np.arange(tiles + 1) * profile.tile / GRID.hop
    low = np.arange(frames) - 0.5
    return np.diff(np.clip(edge[:, None] - low[None], 0.0, 1.0), axis=0)
