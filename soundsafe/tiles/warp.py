"""Finding tempo, pitch and offset from the audio alone, by the pilots of the tile layer.

A hypothesis only moves the edges of tiles (`soundsafe.tiles.geometry`). The statistic z is the normalised
sum of cosines of the pilots' places on their lattice; their dithers are keyed and differ from block to block
in a cycle, so it is standard normal where there is no mark.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from soundsafe.aliases import Audio, Floats, Ints
from soundsafe.stft import RATE
from soundsafe.tiles import geometry
from soundsafe.tiles.geometry import GRID, BandPower, TileGeometry, TileProfile

__all__ = ["AlignedTiles", "Spectrogram", "Warp", "find", "likeliest", "refine", "search"]

REACH = 0.06
"""Largest change of tempo and of pitch that is looked for, where both changed."""

_ALONE = 0.105
"""Largest change of tempo or of speed alone that is looked for: faders of players go so far."""

_TEMPO_STEP, _PITCH_STEP = 0.0045, 0.004
_LEVELS_STEP = 0.04
"""Tempos that have levels of their own; others take those of the nearest, whose tiles are up to 2 % off."""
_FIRST_S, _LONGEST_S = 5.0, 30.0
"""Of the middle of the audio so much is looked at first, and at most for changes of pitch alone."""

_ENOUGH_Z = 6.5


@dataclass(frozen=True)
class Warp:
    """Audio that is `tempo` times as fast, its frequencies times `pitch`; a cycle's block number `block`
    (0 ... cycle-1) starts at sample `start`. `z`: how well the pilots agree; `tried`: how many
    hypotheses it is the best of."""

    tempo: float
    pitch: float
    start: float
    block: int
    z: float = 0.0
    tried: int = 0


class Spectrogram:
    """Power of some audio, and of its bands at any pitch (kept for those last asked for)."""

    def __init__(self, audio: Audio, geo: TileGeometry) -> None:
        self.power = geometry.power_spectrum(audio).astype(np.float64, order="C")  # as its bands are summed
        self.samples = audio.shape[1]
        self.geo = geo
        self._kept: dict[tuple[float, bool], BandPower] = {}
        self._levels: dict[tuple[float, float], NDArray[np.float32]] = {}

    def bands(self, pitch: float, pilots_only: bool = False) -> BandPower:
        """The geometry's bands, their edges times `pitch`; only those with pilots if so asked."""
        at = (pitch, pilots_only)
        if at not in self._kept:
            if len(self._kept) > 64:
                self._kept.clear()
            matrix = geometry.edges_matrix(self.geo.edges, pitch)
            matrix = matrix[self.geo.pilot_bands] if pilots_only else matrix
            self._kept[at] = geometry.band_power(self.power, matrix, self.samples)
        return self._kept[at]

    def levels(self, pitch: float, tempo: float) -> NDArray[np.float32]:
        """Relative levels in dB ``[bands, frames]`` of tiles that begin at each frame, in bands with pilots.

        As long as the nearest of a few tempos has them.
        """
        tempo = round(tempo / _LEVELS_STEP) * _LEVELS_STEP
        at = (pitch, tempo)
        if at not in self._levels:
            if len(self._levels) > 16:
                self._levels.clear()
            p = self.geo.profile
            step = p.tile / tempo / GRID.hop
            c = self.bands(pitch, True).cumulative
            whole, part = int(step), step - int(step)
            ahead = (1 - part) * c[:, whole:-1] + part * c[:, whole + 1 :]
            energy = ahead - c[:, : ahead.shape[1]]
            floor = p.floor * geometry.box_mean(energy, round(0.5 * RATE / p.tile * step)) + 1e-9 * p.tile
            level = 10.0 * np.log10(energy + floor)
            # The mean over the neighbouring tiles, as a mean over all frames between them.
            mean = geometry.box_mean(level, round((p.radius + 0.5) * step))
            self._levels[at] = (level - mean).astype(np.float32)
        return self._levels[at]


def _fast_cosines(
    rel: NDArray[np.float32], first: int, count: int, tempo: float, geo: TileGeometry
) -> NDArray[np.float32]:
    """Cosines and sines of the pilots' places on the lattice ``[count, 2 * pilots]``, for a block that starts
    at frame ``first + 0 ... count-1``; tiles, of levels `rel`, begin at whole frames."""
    p = geo.profile
    step = p.tile / tempo / GRID.hop
    pilots = geo.pilot
    # Frame t's tile begins at sample (t - 1/2) hops: half a frame before its middle.
    shift = first + np.round(geo.position[pilots] * step).astype(np.int64)
    beyond = int(shift.max()) + count - rel.shape[1]
    rel = np.pad(rel, ((0, 0), (0, max(0, beyond))), mode="edge")
    stretches = sliding_window_view(rel, count, axis=1)[geo.pilot_rows[:, None], shift]
    out = np.einsum("ptc,pt->pc", stretches, geo.sign[pilots].astype(np.float32))
    turn = (2.0 * np.pi / geo.period[pilots] / np.sqrt(p.symbol_tiles)).astype(np.float32)
    angle = turn[:, None] * out
    return np.concatenate([np.cos(angle), np.sin(angle)]).T


def _scan_one(
    spec: Spectrogram, low: int, high: int, tempo: float, pitch: float, keep: int
) -> tuple[list[Warp], int]:
    """The best offsets for one tempo and pitch, from the audio in frames ``low ... high``."""
    geo = spec.geo
    p = geo.profile
    span = p.block / tempo / GRID.hop
    count = int(high - low - span)
    if count < 1:
        return [], 0
    places = _fast_cosines(spec.levels(pitch, tempo), low, count, tempo, geo)
    phase = 2.0 * np.pi * geo.phase[:, geo.pilot]
    score = places @ np.concatenate([np.cos(phase), -np.sin(phase)], axis=1).T.astype(np.float32)
    starts = min(count, int(np.ceil(span)))
    total = np.zeros((starts, p.cycle), np.float32)
    blocks = np.zeros(starts, np.int64)
    j = 0
    while True:
        at = np.arange(starts) + round(j * span)
        inside = at < count
        if not inside.any():
            break
        total[inside] += np.roll(score[at[inside]], -j, axis=1)
        blocks += inside
        j += 1
    z = total / np.sqrt(np.maximum(blocks, 1)[:, None] * len(geo.pilot) / 2.0)
    best = np.argpartition(-z.reshape(-1), min(keep, z.size - 1))[:keep]
    found = [
        Warp(
            tempo=tempo,
            pitch=pitch,
            start=(low + int(b) // p.cycle - 0.5) * GRID.hop,
            block=int(b) % p.cycle,
            z=float(z.reshape(-1)[b]),
        )
        for b in best
    ]
    return found, z.size


def search(
    spec: Spectrogram, pairs: Iterable[tuple[float, float]], low_s: float, high_s: float, keep: int = 12
) -> tuple[list[Warp], int]:
    """The best of all offsets for `pairs` of tempo and pitch in a stretch of the audio, best first, and the
    number of hypotheses."""
    low = max(0, int(low_s * RATE / GRID.hop) + 1)
    high = min(int(high_s * RATE / GRID.hop), spec.power.shape[1])
    found: list[Warp] = []
    tried = 0
    for tempo, pitch in pairs:
        here, n = _scan_one(spec, low, high, tempo, pitch, 2)
        tried += n
        found += here
    found.sort(key=lambda w: -w.z)
    return found[:keep], tried


def pilot_places(spec: Spectrogram, warp: Warp) -> tuple[Floats, Ints]:
    """Pilots in periods of the lattice ``[blocks, pilots]`` of all whole blocks, and the blocks' numbers."""
    geo = spec.geo
    p = geo.profile
    tiles = aligned_tiles(spec.bands(warp.pitch, True), warp, p)
    by_block = tiles.relative.reshape(len(tiles.relative), -1, p.block_tiles)
    chosen = by_block[geo.pilot_rows[:, None], :, geo.position[geo.pilot]]
    s = np.einsum("sib,si->bs", chosen, geo.sign[geo.pilot]) / np.sqrt(p.symbol_tiles)
    return s / geo.period[geo.pilot], tiles.numbers


@dataclass(frozen=True)
class AlignedTiles:
    """All tiles of the whole blocks in some audio: `level` in dB and `relative` to their neighbours in time
    ``[bands, tiles]``; `numbers` ``[blocks]`` of the blocks, counted on from the warp's; `start`: sample at
    which the first tile begins."""

    level: Floats
    relative: Floats
    numbers: Ints
    start: float


def aligned_tiles(bands: BandPower, warp: Warp, profile: TileProfile) -> AlignedTiles:
    """The tiles under `warp`."""
    span = profile.block / warp.tempo
    slack = 0.004 * RATE
    first = int(np.ceil((-slack - warp.start) / span))
    blocks = int(np.floor((bands.samples + slack - warp.start) / span)) - first
    if blocks < 1:
        none = np.zeros((len(bands.cumulative), 0))
        return AlignedTiles(none, none, np.zeros(0, np.int64), warp.start)
    # Tiles of the blocks that are cut off still say what the level of their neighbours is relative to.
    length, start = profile.tile / warp.tempo, warp.start + first * span
    tiles = blocks * profile.block_tiles
    before = min(2 * profile.radius, max(0, math.floor(start / length)))
    after = min(2 * profile.radius, max(0, math.floor((bands.samples - start) / length) - tiles))
    level, _ = geometry.levels(bands, start - before * length, warp.tempo, before + tiles + after, profile)
    whole = slice(before, before + tiles)
    return AlignedTiles(
        level=level[:, whole],
        relative=geometry.relative(level, profile)[:, whole],
        numbers=warp.block + first + np.arange(blocks),
        start=start,
    )


def refine(spec: Spectrogram, warp: Warp, low_s: float, high_s: float, rounds: int = 2) -> Warp:
    """`warp` moved to where the pilots between two times agree best; its block is the one nearest to the
    middle."""
    p = spec.geo.profile
    middle = (low_s + high_s) / 2 * RATE
    warp = shifted(warp, round((middle - warp.start) / (p.block / warp.tempo)), p)
    half = (high_s - low_s) / 2 * RATE

    def score(w: Warp) -> float:
        span = p.block / w.tempo
        places, blocks = pilot_places(spec, w)
        at = w.start + (blocks - w.block) * span
        use = (at > middle - half - 0.01 * RATE) & (at + span < middle + half + 0.01 * RATE)
        if not use.any():
            return 0.0
        chosen = places[use]
        phase = spec.geo.phase[blocks[use] % p.cycle][:, spec.geo.pilot]
        return float(np.cos(2 * np.pi * (chosen + phase)).sum() / np.sqrt(chosen.size / 2.0))

    best = replace(warp, z=score(warp))
    tempo_step = 0.004 / max((high_s - low_s) / 2, 1.0)
    for scale in (1.0, 0.5, 0.25)[: rounds + 1]:
        for _ in range(rounds):
            before = best.z
            for field, step in (("start", 0.003 * RATE), ("tempo", tempo_step), ("pitch", 0.0015)):
                for n in (-2, -1, 1, 2):
                    w = replace(best, **{field: getattr(best, field) + n * step * scale})
                    z = score(w)
                    if z > best.z:
                        best = replace(w, z=z)
            if best.z <= before + 1e-6:
                break
    return best


def shifted(warp: Warp, blocks: int, profile: TileProfile) -> Warp:
    """The same warp, described by the block so many `blocks` later."""
    return replace(
        warp,
        start=warp.start + blocks * profile.block / warp.tempo,
        block=(warp.block + blocks) % profile.cycle,
    )


def _factors(step: float, reach: float = REACH) -> list[float]:
    n = round(reach / step)
    return [float(f) for f in 1.0 + np.arange(-n, n + 1) * step]


def _pitches() -> Sequence[tuple[float, float]]:
    return [(1.0, b) for b in _factors(_PITCH_STEP)]


def _lines() -> Sequence[tuple[float, float]]:
    tempo = _factors(_TEMPO_STEP, _ALONE)
    pairs = [(t, 1.0) for t in tempo] + [*_pitches()] + [(t, t) for t in tempo]
    return list(dict.fromkeys(pairs))


def _plane() -> Sequence[tuple[float, float]]:
    lines = set(_lines())
    return [(t, b) for b in _factors(_PITCH_STEP) for t in _factors(_TEMPO_STEP) if (t, b) not in lines]


def likeliest(spec: Spectrogram, low: float, high: float) -> float:
    """How well the pilots agree between two times in seconds, at the best change of tempo, pitch or speed
    alone; unrefined, and so for a first look."""
    found, _ = search(spec, _lines(), low, high)
    return max((warp.z for warp in found), default=0.0)


def find(spec: Spectrogram) -> Warp:
    """The warp of the whole audio: coarse to fine, the likely families (tempo, pitch, speed alone) first.

    Where a few seconds do not show it, all are looked at together, for tempos that are as they were.
    """
    seconds = spec.samples / RATE
    best: Warp | None = None
    tried = 0
    for pairs, length in (
        (_lines(), _FIRST_S),
        ([(1.0, 1.0)], seconds),
        (_plane(), _FIRST_S),
        (_lines(), 2 * _FIRST_S),
        (_pitches(), min(seconds, _LONGEST_S)),
    ):
        low = max(0.0, (seconds - length) / 2)
        high = min(seconds, low + length)
        found, n = search(spec, pairs, low, high)
        tried += n
        for candidate in _distinct(found):
            warp = _grow(spec, candidate, low, high, seconds)
            if best is None or warp.z > best.z:
                best = warp
        assert best is not None
        if best.z >= _ENOUGH_Z:
            break
    assert best is not None
    return replace(best, tried=tried)


def _distinct(found: list[Warp], most: int = 6) -> list[Warp]:
    out: list[Warp] = []
    for w in found:
        if all(
            abs(w.start - v.start) > 900 or w.block != v.block or abs(w.pitch - v.pitch) > 0.01 for v in out
        ):
            out.append(w)
    return out[:most]


def _grow(spec: Spectrogram, warp: Warp, low: float, high: float, seconds: float) -> Warp:
    """Refined in stretches that grow until they hold all the audio."""
    warp = refine(spec, warp, low, high)
    while low > 0 or high < seconds:
        grow = (high - low) * 0.3
        low, high = max(0.0, low - grow), min(seconds, high + grow)
        warp = refine(spec, warp, low, high, rounds=1)
    return warp
