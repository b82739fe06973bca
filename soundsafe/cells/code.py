"""A key and a profile in one object, and the carriers that they fix: `CellCode` and its `Geometry`.

Everything inside the codec that reads or writes cells takes a `CellCode`; only the public functions take key
and profile apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.aliases import Bits, Floats, Ints
from soundsafe.cells.masking import ANALYZER
from soundsafe.cells.profile import EUL_FRAMES, PATTERNS, PHASES, ROBUST, Profile
from soundsafe.keys import DEFAULT_KEY, derive, keyed_integers
from soundsafe.message import words
from soundsafe.message.coding import N

__all__ = ["CellCode", "Geometry"]

_COARSE, _FINE, _PILOT = range(3)
"""Kinds of carriers."""


@dataclass(frozen=True)
class Geometry:
    """All carriers of one second under one code: fixed by key and profile, not by audio.

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

    Example:
        >>> code = CellCode()
        >>> len(code.geometry.scramble)
        2040
    """

    key: bytes = field(default=DEFAULT_KEY, repr=False)
    profile: Profile = ROBUST

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


def _partition(
    cell_key: bytes, profile: Profile, usual: dict[int, Ints], fine: dict[int, Ints]
) -> tuple[list[_Carrier], Ints]:
    """The keyed partition of the bins of each band into carriers, for each pattern, and the quarter turns
    ``[PATTERNS, bins]`` of the cells."""
    hz = ANALYZER.bin_frequencies
    pilot_bands = [min(usual, key=lambda b: abs(float(hz[usual[b]].mean()) - f)) for f in profile.pilot_hz]
    carriers: list[_Carrier] = []
    turns = np.zeros((PATTERNS, len(hz)), np.int64)
    for pattern in range(PATTERNS):
        draws = keyed_integers(cell_key, f"bins {pattern}", 2 * len(hz))
        turns[pattern] = draws[len(hz) :] % 4
        pilots = []
        for band, bins in usual.items():
            shuffled = bins[np.argsort(draws[bins], kind="stable")]
            groups = np.array_split(shuffled, max(1, round(len(bins) / profile.cells)))
            if band in pilot_bands:
                pilots.append(groups[0])
                carriers.append(_Carrier(pattern, band, groups[0], _PILOT))
                groups = groups[1:]
            carriers.extend(_Carrier(pattern, band, cells, _COARSE) for cells in groups)
        taken = np.concatenate(pilots)
        for band, bins in fine.items():
            free = np.setdiff1d(bins, taken)
            free = free[np.argsort(draws[free], kind="stable")]
            if len(free):
                groups = np.array_split(free, max(1, round(len(free) / profile.fine_cells)))
                carriers.extend(_Carrier(pattern, band, cells, _FINE) for cells in groups)
    return carriers, turns


def _cells(table: list[tuple[int, _Carrier]], turns: Ints) -> tuple[Ints, NDArray[np.complex64]]:
    """Bins ``[carriers, cells]`` of the carriers of all frames, and their complex weights."""
    width = max(len(carrier.cells) for _, carrier in table)
    bins = np.zeros((len(table), width), np.int64)
    weight = np.zeros((len(table), width), np.complex64)
    roots = np.array([1, 1j, -1, -1j], np.complex64)
    for i, (_, (pattern, _, cells, _)) in enumerate(table):
        bins[i, : len(cells)] = cells
        weight[i, : len(cells)] = roots[turns[pattern, cells]] / np.sqrt(len(cells))
    return bins, weight


@lru_cache(maxsize=8)
def _geometry(code: CellCode) -> Geometry:
    """The carriers that the key makes of the profile's bands."""
    key, profile = code.key, code.profile
    usual = _bins_between(profile.band_low, profile.band_high)
    fine_bands = _bins_between(profile.fine_low, profile.fine_high)
    carriers, turns = _partition(derive(key, "cells", 32), profile, usual, fine_bands)
    by_pattern = [[c for c in carriers if c.pattern == p] for p in range(PATTERNS)]
    table = [(t, c) for t in range(EUL_FRAMES) for c in by_pattern[t % PATTERNS]]
    bins, weight = _cells(table, turns)
    frame = np.array([t for t, _ in table])
    band = np.array([c.band for _, c in table])
    kind = np.array([c.kind for _, c in table])
    is_pilot = kind == _PILOT
    band_hz = np.zeros(ANALYZER.n_critical_bands)
    for b, its_bins in {**fine_bands, **usual}.items():
        band_hz[b] = float(ANALYZER.bin_frequencies[its_bins].mean())
    step = np.interp(band_hz[band], profile.step_hz, profile.step)
    step[is_pilot] *= profile.pilot_scale
    step[kind == _FINE] *= profile.fine_scale
    order = np.argsort(frame[is_pilot] * 1000 + band[is_pilot], kind="stable")
    pilot = np.flatnonzero(is_pilot)[order].reshape(EUL_FRAMES, -1)
    dither, sign = _pilot_draws(derive(key, "pilots", 32), pilot)
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


def _pilot_draws(secret: bytes, pilot: Ints) -> tuple[torch.Tensor, torch.Tensor]:
    """Dithers ``[EUL_FRAMES, pilots]`` and signs ``[PHASES, EUL_FRAMES, pilots]`` of the pilots."""
    count = pilot.shape[1]
    drawn = keyed_integers(secret, "dither", PATTERNS * count) % (1 << 32)
    dither = (drawn.astype(np.float64) / (1 << 31)).reshape(PATTERNS, count)
    sign = (keyed_integers(secret, "sign", PHASES * pilot.size) % 2).astype(np.float32) * 2 - 1
    return (
        torch.tensor(dither[np.arange(EUL_FRAMES) % PATTERNS], dtype=torch.float32),
        torch.from_numpy(sign.reshape(PHASES, EUL_FRAMES, count)),
    )
