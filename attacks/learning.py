"""What marked audio tells of its key to somebody who has the program: keyed patterns that repeat.

Everything here works from audio alone. In marks of version 1 the lattice phase of a symbol or pilot is the
same whenever its place in the cycle comes again, so the sum of unit phasors of the right candidate grows with
every repetition, and that of a wrong one does not. Where symbols follow from the audio too, only blocks of
one description at one place of the cycle repeat, which are few (`learn_described`). A phasor of a sum is a
product of phasors, one for each tile or cell, so the candidates are two tables multiplied with each other:
450,450 symbols of a band take a few hundredths of a second.

The audio must start where its mark starts, and be at 44.1 kHz.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.aliases import Audio
from soundsafe.cells.masking import ANALYZER, threshold
from soundsafe.cells.profile import EUL_FRAMES, PATTERNS, PHASES, ROBUST, Profile
from soundsafe.pipeline.descriptions import description
from soundsafe.stft import RATE, stft
from soundsafe.tiles import geometry as tiles
from soundsafe.tiles.blocks import block_features, described_powers
from soundsafe.tiles.geometry import ROBUST_TILES, TileProfile

__all__ = [
    "DescribedSymbols",
    "Pilot",
    "TileSymbols",
    "best_symbols",
    "learn_described",
    "learn_pilots",
    "learn_tiles",
    "periods",
    "pilot_bins",
    "pilot_tile_bands",
    "tile_edges",
    "together_seconds",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Phasors = NDArray[np.complex64]

MOST_PILOT_S = 600.0
"""Seconds of audio from which pilots are learned, at most: they stand out after some ten, and an hour would
take 20 GB."""

_KEPT = 300
"""Candidates of a band that a rough look leaves for an exact one."""

_ROUGH = 3
"""The rough look is at every third place of the cycle."""


@dataclass(frozen=True)
class TileSymbols:
    """Learned symbols of the tile layer, all up to one common sign each.

    `pattern` ``[bands, 2, block_tiles]``: -1, 0 or 1 for each tile of a block. `turn` ``[bands, 2, cycle]``:
    the lattice phase at each place of the cycle in turns, 0 to 1, what dither and bit make together; NaN
    where it was not heard. `score` ``[bands, 2]``: how far phases concentrate, in standard deviations of
    chance.
    """

    pattern: Ints
    turn: Floats
    score: Floats


@dataclass(frozen=True)
class Pilot:
    """A learned pilot carrier of the cell layer, up to a common sign.

    Of frames `pattern` modulo the number of patterns; `bins` ``[cells]`` and `root` ``[cells]`` (fourth roots
    of one); `dither` in steps, 0 to 1; `sign` ``[frames of a period / PATTERNS]``: -1 or 1, 0 where not
    heard; `score`: how far phases concentrate: about exponential with mean 1 by chance.
    """

    pattern: int
    band: int
    bins: Ints
    root: NDArray[np.complex64]
    step: float
    dither: float
    sign: Floats
    score: float


def tile_edges(profile: TileProfile = ROBUST_TILES) -> Floats:
    """Edges of the tile layer's bands in Hz ``[bands + 1]``: no secret."""
    return tiles.TileCode(bytes(32), profile).geometry.edges


def pilot_tile_bands(profile: TileProfile = ROBUST_TILES) -> Ints:
    """Bands of the tile layer whose symbols are all pilots: no secret."""
    return tiles.TileCode(bytes(32), profile).geometry.pilot_bands


def _tile_levels(audio: Audio, profile: TileProfile) -> Floats:
    """Relative levels in dB ``[bands, blocks, block_tiles]`` of the whole blocks of `audio`."""
    blocks = audio.shape[1] // profile.block
    power = tiles.band_power(
        tiles.power_spectrum(audio), tiles.edges_matrix(tile_edges(profile)), audio.shape[1]
    )
    level, _ = tiles.levels(power, 0.0, 1.0, blocks * profile.block_tiles, profile)
    return tiles.relative(level, profile).reshape(len(level), blocks, profile.block_tiles)


def periods(profile: TileProfile) -> Floats:
    """Period of the lattice in dB of each band, for a sum of tiles without its norm ``[bands]``."""
    edges = tile_edges(profile)
    period: Floats = np.interp((edges[:-1] + edges[1:]) / 2, profile.period_hz, profile.period_db)
    return period * np.sqrt(profile.symbol_tiles)


@lru_cache(maxsize=1)
def _signed(length: int) -> tuple[Ints, dict[tuple[int, int], Ints]]:
    """All patterns ``[3^length, length]`` of -1, 0, 1 in the order of `_products`; rows by number of each."""
    rows = np.array(list(itertools.product((-1, 0, 1), repeat=length)), np.int64)
    up, down = (rows > 0).sum(1), (rows < 0).sum(1)
    some = range(length // 2 + 1)
    return rows, {(p, m): np.flatnonzero((up == p) & (down == m)) for p in some for m in some}


def _products(phasors: Sequence[Phasors]) -> Phasors:
    """Products ``[choices, n]`` of one choice of each of ``[its choices, n]``, the last changing fastest."""
    out = np.ones((1, phasors[0].shape[1]), np.complex64)
    for own in phasors:
        out = (out[:, None] * own[None]).reshape(len(out) * len(own), own.shape[1])
    return out


def _concentration(phasors: NDArray[np.complexfloating], place: Ints) -> Floats:
    """How far phasors ``[candidates, blocks]`` of the same `place` ``[blocks]`` agree, ``[candidates]``."""
    total, variance = np.zeros(len(phasors)), 0.0
    for here in np.unique(place):
        own = phasors[:, place == here]
        n = own.shape[1]
        total += np.abs(own.sum(axis=1)) ** 2 - n
        variance += n * (n - 1)
    return total / np.sqrt(max(variance, 1.0))


def _symbol_phasors(patterns: Ints, levels: Floats, period: float, fold: int) -> NDArray[np.complex128]:
    return np.exp(2j * np.pi * fold / period * (patterns @ levels.T))


def _candidates(levels: Floats, place: Ints, period: float, fold: int) -> Ints:
    """The patterns ``[_KEPT, block_tiles]`` that a rough look at ``[blocks, block_tiles]`` finds best."""
    half = levels.shape[1] // 2
    z = np.exp(2j * np.pi * fold / period * levels).astype(np.complex64)
    halves = [
        _products([np.stack([z[:, t].conj(), np.ones(len(z), np.complex64), z[:, t]]) for t in tiles_])
        for tiles_ in (range(half), range(half, 2 * half))
    ]
    rows, alike = _signed(half)
    heard, count = np.unique(place, return_counts=True)
    groups = [np.flatnonzero(place == at) for at in heard[count > 1][::_ROUGH]]
    found: list[tuple[Floats, Ints]] = []
    for (up, down), first in alike.items():
        if up < down:
            continue  # the same with the other sign
        second = alike[half // 2 - up, half // 2 - down]
        total = np.zeros((len(first), len(second)), np.float32)
        for here in groups:
            sums = halves[0][np.ix_(first, here)] @ halves[1][np.ix_(second, here)].T
            total += sums.real**2 + sums.imag**2
        best = np.argsort(-total, axis=None, kind="stable")[:_KEPT]
        i, j = np.unravel_index(best, total.shape)
        found.append((total[i, j].astype(np.float64), np.hstack([rows[first[i]], rows[second[j]]])))
    score = np.concatenate([s for s, _ in found])
    return np.concatenate([p for _, p in found])[np.argsort(-score, kind="stable")[:_KEPT]]


def _beside(first: Ints) -> Ints:
    """All patterns of the other symbol of a block whose one is `first`, up to their sign."""
    free = np.flatnonzero(first == 0)
    out = []
    for up in itertools.combinations(range(1, len(free)), len(free) // 2 - 1):
        row = np.zeros(len(first), np.int64)
        row[free] = -1
        row[free[[0, *up]]] = 1
        out.append(row)
    return np.array(out)


def best_symbols(levels: Floats, place: Ints, period: float, fold: int = 1) -> tuple[Ints, Floats]:
    """Both symbols of a band whose lattice phases agree most where they should be alike.

    Args:
        levels: relative levels in dB ``[blocks, block_tiles]``.
        place: blocks of equal number should have equal phases ``[blocks]``.
        period: of the lattice in dB, for a sum of tiles without its norm.
        fold: 2 where bits may differ.

    Returns:
        Patterns ``[2, block_tiles]`` of -1, 0 and 1, and how far their phases concentrate ``[2]``.
    """
    tried = _candidates(levels, place, period, fold)
    first = tried[_concentration(_symbol_phasors(tried, levels, period, fold), place).argmax()]
    beside = _beside(first)
    second = beside[_concentration(_symbol_phasors(beside, levels, period, fold), place).argmax()]
    pattern = np.stack([first, second])
    return pattern, _concentration(_symbol_phasors(pattern, levels, period, fold), place)


@dataclass(frozen=True)
class DescribedSymbols:
    """What was learned of the blocks that are described by `word` at `place` of the cycle, of which there are
    so many `blocks`: `pattern` ``[bands, 2, block_tiles]`` and `score` ``[bands, 2]`` as in `TileSymbols`."""

    word: int
    place: int
    blocks: int
    pattern: Ints
    score: Floats


def learn_described(
    files: Sequence[Audio], *, bands: Ints, classes: int = 3, profile: TileProfile = ROBUST_TILES
) -> tuple[list[DescribedSymbols], int]:
    """What repeats in marks that are bound to their audio: blocks of one description, which everybody can
    work out, at one place of the cycle.

    Args:
        files: float32 ``[channels, samples]`` each, at 44.1 kHz, from the start of the mark on, with one
            payload of one part.
        bands: those that are looked at.
        classes: how many sets of blocks alike are tried, the largest first.
        profile: of the tile layer.

    Returns:
        What stands out most in each, right or not; and how many sets there are.
    """
    levels, named = [], []
    for audio in files:
        own = _tile_levels(audio, profile)
        powers = described_powers(tiles.power_spectrum(audio), 1.0, audio.shape[1])
        features = block_features(powers, 0.0, profile.block, own.shape[1])
        levels.append(own)
        named += [(description(each), i % profile.cycle) for i, each in enumerate(features)]
    every = np.concatenate(levels, axis=1)
    found = []
    for (word, place), count in Counter(named).most_common(classes):
        here = np.array([i for i, each in enumerate(named) if each == (word, place)])
        pattern = np.zeros((len(every), 2, profile.block_tiles), np.int64)
        score = np.zeros((len(every), 2))
        for band in bands.tolist() if count > 1 else []:
            same = np.zeros(len(here), np.int64)
            pattern[band], score[band] = best_symbols(every[band, here], same, periods(profile)[band])
        found.append(DescribedSymbols(word, place, count, pattern, score))
    return found, len(set(named))


def learn_tiles(
    files: Sequence[Audio],
    *,
    alike: bool = True,
    bands: Ints | None = None,
    profile: TileProfile = ROBUST_TILES,
) -> TileSymbols:
    """The symbols of the tile layer, from marked files of one key.

    Args:
        files: float32 ``[channels, samples]`` each, at 44.1 kHz, from the start of the mark on.
        alike: all carry the same payload of one part, so that bits repeat as dithers do. Otherwise only
            pilots repeat as they are, of the others twice the phase, and their `turn` is known up to a half.
        bands: those that are looked at, all without; of others the pattern is 0.
        profile: of the tile layer.

    Returns:
        What stands out most in each band, right or not: see `TileSymbols.score`.
    """
    read = [_tile_levels(audio, profile) for audio in files]
    levels = np.concatenate(read, axis=1)
    place = np.concatenate([np.arange(one.shape[1]) % profile.cycle for one in read])
    n = len(levels)
    pattern = np.zeros((n, 2, profile.block_tiles), np.int64)
    turn, score = np.full((n, 2, profile.cycle), np.nan), np.zeros((n, 2))
    pilots = set(pilot_tile_bands(profile).tolist())
    for band, period in enumerate(periods(profile)):
        if bands is not None and band not in bands:
            continue
        own, fold = levels[band], 1 if alike or band in pilots else 2
        pattern[band], score[band] = best_symbols(own, place, period, fold)
        phasors = _symbol_phasors(pattern[band], own, period, fold)
        for at in np.unique(place):
            angle = np.angle(phasors[:, place == at].sum(axis=1))
            turn[band, :, at] = angle / (2 * np.pi * fold) % (1.0 / fold)
    return TileSymbols(pattern, turn, score)


def pilot_bins(profile: Profile = ROBUST) -> dict[int, Ints]:
    """Bins of the bands that hold pilots of the cell layer: no secret."""
    hz = ANALYZER.bin_frequencies
    usable = np.flatnonzero((hz >= profile.band_low) & (hz <= profile.band_high))
    bands = {int(b): usable[ANALYZER.band_indices[usable] == b] for b in ANALYZER.band_indices[usable]}
    near = [min(bands, key=lambda b: abs(float(hz[bands[b]].mean()) - f)) for f in profile.pilot_hz]
    return {band: bands[band] for band in near}


def together_seconds(audio: Audio) -> NDArray[np.bool_]:
    """Which whole seconds mark the mean of all channels."""
    seconds = np.arange(audio.shape[1] // (EUL_FRAMES * 441))
    return (seconds % PHASES < PHASES - 1) | (len(audio) == 1)


def learn_pilots(
    files: Sequence[Audio], profile: Profile = ROBUST, *, most_s: float = MOST_PILOT_S
) -> list[Pilot]:
    """The pilots of the cell layer, one for each pattern and band, from marked files of one key.

    Args:
        files: float32 ``[channels, samples]`` each, at 44.1 kHz, from the start of the mark on.
        profile: of the cell layer.
        most_s: the first so many seconds of them all are used, positive.

    Returns:
        What stands out most, right or not: see `Pilot.score`.
    """
    ratios, frames, room = [], [], round(most_s * RATE)
    for audio in files:
        if room < RATE:
            break
        audio = audio[:, :room]
        room -= audio.shape[1]
        mixed = stft(torch.from_numpy(np.ascontiguousarray(audio.mean(axis=0))))
        use = np.repeat(together_seconds(audio), EUL_FRAMES)[: mixed.shape[1]]
        at = np.flatnonzero(use)
        ratios.append((mixed / threshold(mixed, profile)).numpy()[:, at])
        frames.append(at)
    ratio, frame = np.concatenate(ratios, axis=1), np.concatenate(frames)
    return [
        _learn_pilot(ratio[:, frame % PATTERNS == p], frame[frame % PATTERNS == p], p, band, bins, profile)
        for p in range(PATTERNS)
        for band, bins in pilot_bins(profile).items()
    ]


_ROOTS = np.array([0, 1, 1j, -1, -1j], np.complex64)
"""What a cell may weigh in a carrier; 0: it is not one of its cells."""


@lru_cache(maxsize=4)
def _weights(cells: int) -> tuple[Ints, dict[int, Ints]]:
    """All choices of `_ROOTS` ``[5^cells, cells]`` in the order of `_products`, and rows by cells taken."""
    rows = np.array(list(itertools.product(range(len(_ROOTS)), repeat=cells)), np.int64)
    taken = (rows > 0).sum(1)
    return rows, {k: np.flatnonzero(taken == k) for k in range(cells + 1)}


def _learn_pilot(
    ratio: NDArray[np.complex64], frame: Ints, pattern: int, band: int, bins: Ints, profile: Profile
) -> Pilot:
    """The carrier of `band` whose phases in ``ratio [all bins, frames]`` concentrate most."""
    centre = float(ANALYZER.bin_frequencies[bins].mean())
    step = float(np.interp(centre, profile.step_hz, profile.step)) * profile.pilot_scale
    cells = -(-len(bins) // max(1, round(len(bins) / profile.cells)))
    own = ratio[bins]
    turns = (own[:, None] * _ROOTS.conj()[None, :, None]).real / (step * np.sqrt(cells))
    z = np.exp(2j * np.pi * turns).astype(np.complex64)  # [bins, roots, frames]
    half = len(bins) // 2
    low, high = _products(list(z[:half])), _products(list(z[half:]))
    (low_rows, low_taken), (high_rows, high_taken) = _weights(half), _weights(len(bins) - half)
    best: tuple[float, Ints] = (-1.0, np.zeros(len(bins), np.int64))
    for k in range(cells + 1):
        if k not in low_taken or cells - k not in high_taken:
            continue
        first, second = low_taken[k], high_taken[cells - k]
        for part in np.array_split(first, max(1, len(first) * len(second) // 2_000_000)):
            sums = np.abs(low[part] @ high[second].T)
            i, j = np.unravel_index(int(sums.argmax()), sums.shape)
            if sums[i, j] > best[0]:
                best = float(sums[i, j]), np.r_[low_rows[part[i]], high_rows[second[j]]]
    size, chosen = best
    taken = np.flatnonzero(chosen)
    root = _ROOTS[chosen[taken]]
    place = (own[taken] * root.conj()[:, None]).real.sum(axis=0) / (step * np.sqrt(cells))
    dither = float(np.angle(np.exp(2j * np.pi * place).sum()) / (2 * np.pi) % 1.0)
    sign = np.zeros(PHASES * EUL_FRAMES // PATTERNS)
    np.add.at(sign, frame % (PHASES * EUL_FRAMES) // PATTERNS, np.cos(np.pi * (place - dither)))
    return Pilot(pattern, band, bins[taken], root, step, dither, np.sign(sign), size**2 / max(len(frame), 1))
