"""A key and a profile in one object, and the carriers that they fix: `CellCode` and its `Geometry`.

Everything inside the codec that reads or writes cells takes a `CellCode`; only the public functions take key
and profile apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.aliases import Bits, Floats, Ints
from soundsafe.cells.masking import ANALYZER
from soundsafe.cells.profile import EUL_FRAMES, PATTERNS, PHASES, ROBUST, Profile
from soundsafe.keys import DEFAULT_KEY, derive, keyed_integers
from soundsafe.message import short_words, words
from soundsafe.message.coding import N

__all__ = ["CellCode", "Geometry"]

_COARSE, _FINE, _PILOT = range(3)
"""Kinds of carriers."""

_CAUTION, _SURE, _KNOWN = 0.7, 12.0, 30.0
"""Factor of what a code believes, its soft values being a guess; its largest soft value; and that of
bits that are known."""


@dataclass(frozen=True)
class Geometry:
    """All carriers of one second under one code: fixed by key, profile and the code's description of audio.

    Arrays of length ``[carriers]``: `frame`, `band`, `step` (Delta), `region` (that share a scale), with
    `bins` ``[carriers, cells]`` (unused places have weight 0) and `weight` ``[carriers, cells]``,
    complex: unit-norm weights times keyed fourth roots of one. `pilot` ``[EUL_FRAMES, pilots]`` indexes
    the pilot carriers, `pilot_dither` (in steps) and `pilot_sign` ``[PHASES, EUL_FRAMES, pilots]`` their
    dither and signs. `data` indexes the usual carriers of bits, `fine` the smaller and lower ones of narrow
    sounds (of the same cells: a second uses one kind or the other); `capacity` and `fine_capacity` count them
    by band. `scramble` ``[2040]``: bits that are added to the coded ones.
    """

    profile: Profile
    frame: Ints
    band: Ints
    bins: Ints
    weight: torch.Tensor
    step: torch.Tensor
    region: Ints
    pilot: Ints
    pilot_dither: torch.Tensor
    pilot_sign: torch.Tensor
    data: Ints
    capacity: Ints
    fine: Ints
    fine_capacity: Ints
    slot_key: bytes
    dither_key: bytes
    anchor_salt: str
    scramble: Bits


@dataclass(frozen=True)
class CellCode:
    """What embedder and detector of the cell layer must share to understand each other.

    Args:
        key: a secret, not empty; the public default key where none is given.
        profile: the carrier's parameters.
        host: what describes the audio of a second that is marked (`soundsafe.pipeline.descriptions`), times
            four, and its phase; None for what all seconds share, the pilots, and for whole seconds of marks
            of version 1.

    Example:
        >>> code = CellCode()
        >>> len(code.geometry.scramble)
        2040
    """

    key: bytes = field(default=DEFAULT_KEY, repr=False)
    profile: Profile = ROBUST
    host: int | None = None

    def of_host(self, word: int, phase: int) -> CellCode:
        """The code of seconds of `phase` whose audio is described by `word`: carriers, dithers and order of
        the bits are theirs alone; pilots, and what decides the payload's authenticity, stay the same."""
        return replace(self, host=PHASES * word + phase)

    @property
    def secret(self) -> bytes:
        """What carriers of bits, their dithers and order are derived from."""
        if self.host is None:
            return self.key
        return _hosts_secret(self.key) + self.host.to_bytes(4, "big")

    @property
    def geometry(self) -> Geometry:
        """The carriers, made when first asked for and kept for the codes last used."""
        return _geometry(self)

    def encode_block(self, block: bytes) -> Bits:
        """The coded bits ``[2040]`` of a block of 191 bytes."""
        return words.encode_block(block, self.profile.code)

    def read_word(self, llr: Floats) -> tuple[words.Word | None, int]:
        """The word that soft values ``[2040]`` authenticate as, or None; and how many blocks were tried."""
        return words.read_word(llr, self.key, self.profile.code)

    @property
    def has_short_words(self) -> bool:
        """Whether short payloads travel in words of their own: beside a code that reads soft values."""
        return self.profile.code == "ldpc"

    @property
    def learnable(self) -> CellCode:
        """The same key with version 1 of the profile."""
        return replace(self, profile=replace(self.profile, version=1), host=None)

    def encode_short_word(self, payload: bytes) -> Bits:
        """The coded bits ``[2040]`` of a payload of 1 to 24 bytes: named bits, which are 0, and its word."""
        named = self.profile.named_bits
        word = short_words.encode_short_word(payload, self.key, N - named)
        return np.concatenate([np.zeros(named, word.dtype), word])

    def read_short_word(self, llr: Floats) -> short_words.ShortRead:
        """The short payload that soft values ``[2040]`` authenticate as."""
        return short_words.read_short_word(llr[self.profile.named_bits :], self.key)

    def short_beliefs(self, llr: Floats) -> Floats | None:
        """What the code of short words makes of soft values ``[2040]``, named bits being known; None where
        there is too little to believe."""
        named = self.profile.named_bits
        believed = short_words.short_beliefs(llr[named:])
        if believed is None:
            return None
        return np.concatenate([np.full(named, _KNOWN), np.clip(_CAUTION * believed, -_SURE, _SURE)])

    def short_margin_db(self, payload: bytes, llr: Floats) -> float:
        """How many decibels noisier soft values ``[2040]`` of a payload of 1 to 24 bytes could be."""
        named = self.profile.named_bits
        return short_words.short_margin_db(payload, llr[named:], self.encode_short_word(payload)[named:])

    @property
    def beliefs(self) -> Callable[[Floats], Floats] | None:
        """What the error-correcting code makes of soft values; None for one that reads hard decisions."""
        return words.beliefs(self.profile.code)


class _Carrier(NamedTuple):
    """The cells that one carrier has in each frame of a pattern."""

    pattern: int
    band: int
    cells: Ints
    kind: int


def _by_band(bins: Ints) -> dict[int, Ints]:
    """`bins` by critical band, in ascending order."""
    of = ANALYZER.band_indices[bins]
    return {int(b): bins[of == b] for b in np.unique(of)}


def _bins_between(low: float, high: float) -> dict[int, Ints]:
    """The bins from `low` to `high` Hz by critical band."""
    hz = ANALYZER.bin_frequencies
    return _by_band(np.flatnonzero((hz >= low) & (hz <= high)))


def _pilot_bands(profile: Profile, usual: dict[int, Ints]) -> list[int]:
    """The bands that give their first carrier of each frame to pilots."""
    hz = ANALYZER.bin_frequencies
    return [min(usual, key=lambda b: abs(float(hz[usual[b]].mean()) - f)) for f in profile.pilot_hz]


def _groups(bins: Ints, draws: NDArray[np.uint64], cells: int) -> list[Ints]:
    """`bins` in an order that is drawn, in groups of about so many."""
    shuffled = bins[np.argsort(draws[bins], kind="stable")]
    return np.array_split(shuffled, max(1, round(len(bins) / cells)))


def _partition(
    cell_key: bytes, profile: Profile, usual: dict[int, Ints], fine: dict[int, Ints]
) -> tuple[list[_Carrier], Ints]:
    """The keyed partition of the bins of each band into carriers, for each pattern, and the quarter turns
    ``[PATTERNS, bins]`` of the cells."""
    hz = ANALYZER.bin_frequencies
    pilot_bands = _pilot_bands(profile, usual)
    carriers: list[_Carrier] = []
    turns = np.zeros((PATTERNS, len(hz)), np.int64)
    for pattern in range(PATTERNS):
        draws = keyed_integers(cell_key, f"bins {pattern}", 2 * len(hz))
        turns[pattern] = draws[len(hz) :] % 4
        pilots = []
        for band, bins in usual.items():
            groups = _groups(bins, draws, profile.cells)
            if band in pilot_bands:
                pilots.append(groups[0])
                carriers.append(_Carrier(pattern, band, groups[0], _PILOT))
                groups = groups[1:]
            carriers.extend(_Carrier(pattern, band, cells, _COARSE) for cells in groups)
        taken = np.concatenate(pilots)
        for band, bins in fine.items():
            free = np.setdiff1d(bins, taken)
            if len(free):
                groups = _groups(free, draws, profile.fine_cells)
                carriers.extend(_Carrier(pattern, band, cells, _FINE) for cells in groups)
    return carriers, turns


def _cells(by_pattern: list[list[_Carrier]], turns: Ints) -> tuple[Ints, NDArray[np.complex64]]:
    """Bins ``[PATTERNS, carriers, cells]`` of the carriers, and their complex weights."""
    shape = PATTERNS, len(by_pattern[0]), max(len(carrier.cells) for own in by_pattern for carrier in own)
    bins, weight = np.zeros(shape, np.int64), np.zeros(shape, np.complex64)
    roots = np.array([1, 1j, -1, -1j], np.complex64)
    for pattern, own in enumerate(by_pattern):
        for i, (_, _, cells, _) in enumerate(own):
            bins[pattern, i, : len(cells)] = cells
            weight[pattern, i, : len(cells)] = roots[turns[pattern, cells]] / np.sqrt(len(cells))
    return bins, weight


@lru_cache(maxsize=64)
def _geometry(code: CellCode) -> Geometry:
    """The carriers that the key makes of the profile's bands, for the code's description of audio."""
    return _shared_geometry(code) if code.host is None else _own_geometry(code)


@lru_cache(maxsize=16)
def _hosts_secret(key: bytes) -> bytes:
    return derive(key, "hosts", 32)


def _shared_geometry(code: CellCode) -> Geometry:
    """What seconds have whatever their audio: all of marks of version 1; of later ones pilots, and where
    carriers are of which kind and size."""
    key, profile = code.key, code.profile
    usual = _bins_between(profile.band_low, profile.band_high)
    fine_bands = _bins_between(profile.fine_low, profile.fine_high)
    carriers, turns = _partition(derive(key, "cells", 32), profile, usual, fine_bands)
    by_pattern = [[c for c in carriers if c.pattern == p] for p in range(PATTERNS)]
    # Patterns take turns from frame to frame, each with as many carriers of the same kinds.
    turn = np.arange(EUL_FRAMES) % PATTERNS
    cells, weights = _cells(by_pattern, turns)
    bins, weight = (cells[turn].reshape(-1, cells.shape[-1]), weights[turn].reshape(-1, cells.shape[-1]))
    frame = np.repeat(np.arange(EUL_FRAMES), len(by_pattern[0]))
    band = np.array([[c.band for c in own] for own in by_pattern])[turn].reshape(-1)
    kind = np.array([[c.kind for c in own] for own in by_pattern])[turn].reshape(-1)
    is_pilot = kind == _PILOT
    band_hz = np.zeros(ANALYZER.n_critical_bands)
    for b, its_bins in {**fine_bands, **usual}.items():
        band_hz[b] = float(ANALYZER.bin_frequencies[its_bins].mean())
    step = np.interp(band_hz[band], profile.step_hz, profile.step)
    step[is_pilot] *= profile.pilot_scale
    step[kind == _FINE] *= profile.fine_scale
    order = np.argsort(frame[is_pilot] * 1000 + band[is_pilot], kind="stable")
    pilot = np.flatnonzero(is_pilot)[order].reshape(EUL_FRAMES, -1)
    dither, sign = _pilot_draws(derive(key, "pilots", 32), pilot.shape[1])
    data = np.flatnonzero(kind == _COARSE)
    fine = np.flatnonzero(kind == _FINE)
    return Geometry(
        profile=profile,
        frame=frame,
        band=band,
        bins=bins,
        weight=torch.from_numpy(weight),
        step=torch.tensor(step, dtype=torch.float32),
        region=np.searchsorted(profile.region_hz, band_hz[band]),
        pilot=pilot,
        pilot_dither=dither,
        pilot_sign=sign,
        data=data,
        capacity=np.bincount(band[data], minlength=ANALYZER.n_critical_bands),
        fine=fine,
        fine_capacity=np.bincount(band[fine], minlength=ANALYZER.n_critical_bands),
        slot_key=derive(key, "slots", 32),
        dither_key=derive(key, "dither", 32),
        anchor_salt=derive(key, "anchors", 16).hex(),
        scramble=(keyed_integers(derive(key, "scramble", 32), "bits", N) % 2).astype(np.uint8),
    )


@dataclass(frozen=True)
class _Places:
    """Where the bins of carriers of bits may be put anew: one pool for each pattern, band and kind.

    `pool` ``[n]``, ascending, and `bin` ``[n]``: the bins that a pool holds. `row`, `cell` ``[n]``: places of
    its carriers, rows of one frame of each pattern ``[PATTERNS * carriers a frame]``. `norm`
    ``[carriers, cells]``: size of the weights, 0 in unused places and for pilots.
    """

    pool: Ints
    bin: Ints
    row: Ints
    cell: Ints
    norm: NDArray[np.float32]


@lru_cache(maxsize=8)
def _places(shared: CellCode) -> _Places:
    """The places of a code without a host."""
    geo = shared.geometry
    rows = PATTERNS * (len(geo.frame) // EUL_FRAMES)  # the first frame of each pattern
    used = geo.weight.numpy() != 0
    used[geo.pilot.reshape(-1)] = False
    is_fine = np.isin(np.arange(rows), geo.fine)
    row, cell = np.nonzero(used[:rows])
    pool = (geo.frame[row] * ANALYZER.n_critical_bands + geo.band[row]) * 2 + is_fine[row]
    order = np.argsort(pool, kind="stable")
    row, cell = row[order], cell[order]
    size = np.sqrt(np.maximum(used.sum(axis=1, keepdims=True), 1))
    return _Places(pool[order], geo.bins[row, cell], row, cell, (used / size).astype(np.float32))


_ROOTS = np.array([1, 1j, -1, -1j], np.complex64)


def _own_geometry(code: CellCode) -> Geometry:
    """The shared geometry with the bins of each band dealt anew to its carriers, and the quarter turn of each
    cell drawn anew for every frame, so that no two frames weigh their cells alike."""
    base = replace(code, host=None)
    shared, places = base.geometry, _places(base)
    secret = code.secret
    draws = keyed_integers(secret, "cells", len(places.pool))
    dealt = places.bin[np.lexsort((draws, places.pool))]
    pattern = len(shared.frame) // EUL_FRAMES * PATTERNS
    cells = shared.bins[:pattern].copy()
    cells[places.row, places.cell] = dealt
    bins = np.concatenate([cells] * (EUL_FRAMES // PATTERNS))
    count = len(ANALYZER.bin_frequencies)
    stream = hashlib.shake_256(secret + b"turns").digest(EUL_FRAMES * count)
    turns = np.frombuffer(stream, np.uint8).reshape(EUL_FRAMES, count)
    weight = _ROOTS[turns[shared.frame[:, None], bins] % 4] * places.norm
    pilots = shared.pilot.reshape(-1)
    weight[pilots] = shared.weight.numpy()[pilots]
    return replace(
        shared,
        bins=bins,
        weight=torch.from_numpy(weight),
        slot_key=secret + b"slots",
        dither_key=secret + b"dither",
    )


def _pilot_draws(secret: bytes, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Dithers ``[EUL_FRAMES, pilots]`` and signs ``[PHASES, EUL_FRAMES, pilots]`` of pilots."""
    drawn = keyed_integers(secret, "dither", PATTERNS * count) % (1 << 32)
    dither = (drawn.astype(np.float64) / (1 << 31)).reshape(PATTERNS, count)
    sign = (keyed_integers(secret, "sign", PHASES * EUL_FRAMES * count) % 2).astype(np.float32) * 2 - 1
    return (
        torch.tensor(dither[np.arange(EUL_FRAMES) % PATTERNS], dtype=torch.float32),
        torch.from_numpy(sign.reshape(PHASES, EUL_FRAMES, count)),
    )
