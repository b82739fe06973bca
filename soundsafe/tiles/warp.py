"""Finding tempo, pitch and offset from the audio alone, by the pilots of the tile layer.

A hypothesis only moves the edges of tiles (`soundsafe.tiles.geometry`). The statistic z is the normalised
sum of cosines of the pilots' places on their lattice; their dithers are keyed and differ from block to block
in a cycle, so it is standard normal where there is no mark.
"""

from __future__ import annotations

import itertools
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

_HIGHEST = 1.2
"""No pitch is looked for that moves the bands further."""

_TEMPO_STEP, _PITCH_STEP = 0.0045, 0.004
_LEVELS_STEP = 0.04
"""Tempos that have levels of their own; others take those of the nearest, whose tiles are up to 2 % off."""
_AROUND_S = 1.2
"""Seconds on either side of a stretch that its levels depend on: of tiles up to a tenth longer or more, as
many as their levels are relative to, and a half of those that make the floor."""

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
        self._kept: dict[float, BandPower] = {}
        self._stretches: dict[tuple[int, int], Stretch] = {}

    def bands(self, pitch: float) -> BandPower:
        """The geometry's bands, their edges times `pitch`."""
        if pitch not in self._kept:
            if len(self._kept) > 4:
                self._kept.clear()
            matrix = geometry.edges_matrix(self.geo.edges, pitch)
            self._kept[pitch] = geometry.band_power(self.power, matrix, self.samples)
        return self._kept[pitch]

    def stretch(self, low_s: float, high_s: float) -> Stretch:
        """What pilots between two times are read from; kept for those last asked for."""
        ends = low_s - _AROUND_S, high_s + _AROUND_S
        first, last = (int(np.clip(s * RATE / GRID.hop, 0, self.power.shape[1])) for s in ends)
        if (first, last) not in self._stretches:
            if len(self._stretches) > 8:
                self._stretches.clear()
            self._stretches[first, last] = Stretch(self, first, last)
        return self._stretches[first, last]


class Stretch:
    """Frames `first` ... `last` - 1 of a spectrogram: its bands with pilots, and levels of tiles in them, as
    they are in all of it save for the outermost `_AROUND_S`."""

    def __init__(self, spec: Spectrogram, first: int, last: int) -> None:
        self.geo, self.samples = spec.geo, spec.samples
        self.first, self.last = first, last
        top = math.ceil(_HIGHEST * self.geo.edges[-1] / RATE * GRID.n_fft) + 1
        self._power = np.ascontiguousarray(spec.power[:top, first:last])
        phase = 2.0 * np.pi * self.geo.phase[:, self.geo.pilot]
        template = np.concatenate([np.cos(phase), -np.sin(phase)], axis=1)
        self.template = np.ascontiguousarray(template.T, dtype=np.float32)
        self._kept: dict[float, BandPower] = {}
        self._levels: dict[tuple[float, float], NDArray[np.float32]] = {}

    def bands(self, pitch: float) -> BandPower:
        """The bands with pilots, their edges times `pitch`."""
        if pitch not in self._kept:
            if len(self._kept) > 64:
                self._kept.clear()
            edges = self.geo.edges[self.geo.pilot_bands[:, None] + np.arange(2)]
            matrix = geometry.edges_matrix(edges, pitch)[:, 0, : len(self._power)]
            self._kept[pitch] = geometry.band_power(self._power, matrix, self.samples, self.first)
        return self._kept[pitch]

    def levels(self, pitch: float, tempo: float) -> NDArray[np.float32]:
        """Relative levels in dB ``[bands, frames]`` of tiles that begin at each frame from `first` on, in
        bands with pilots.

        As long as the nearest of a few tempos has them.
        """
        tempo = round(tempo / _LEVELS_STEP) * _LEVELS_STEP
        at = (pitch, tempo)
        if at not in self._levels:
            if len(self._levels) > 16:
                self._levels.clear()
            p = self.geo.profile
            step = p.tile / tempo / GRID.hop
            c = self.bands(pitch).cumulative
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
    heard: Stretch, low: int, high: int, tempo: float, pitch: float, keep: int
) -> tuple[list[Warp], int]:
    """The best offsets for one tempo and pitch, from the audio in frames ``low ... high``."""
    geo = heard.geo
    p = geo.profile
    span = p.block / tempo / GRID.hop
    count = int(high - low - span)
    if count < 1:
        return [], 0
    places = _fast_cosines(heard.levels(pitch, tempo), low - heard.first, count, tempo, geo)
    score = places @ heard.template
    starts = min(count, int(np.ceil(span)))
    total = np.zeros((starts, p.cycle), np.float32)
    blocks = np.zeros(starts, np.int64)
    for j in itertools.count():
        first = round(j * span)
        inside = min(starts, count - first)
        if inside <= 0:
            break
        # Block c of a cycle is followed by c + 1: the scores of the next one, a column further.
        here, turn = score[first : first + inside], j % p.cycle
        total[:inside, : p.cycle - turn] += here[:, turn:]
        total[:inside, p.cycle - turn :] += here[:, :turn]
        blocks[:inside] += 1
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
    heard = spec.stretch(low_s, high_s)
    found: list[Warp] = []
    tried = 0
    for tempo, pitch in pairs:
        here, n = _scan_one(heard, low, high, tempo, pitch, 2)
        tried += n
        found += here
    found.sort(key=lambda w: -w.z)
    return found[:keep], tried


def pilot_places(heard: Stretch, warp: Warp, blocks: range) -> Floats:
    """Pilots in periods of the lattice ``[blocks, pilots]`` of some `blocks`, counted from that of `warp`."""
    geo = heard.geo
    p = geo.profile
    _, relative = _levels_of_blocks(heard.bands(warp.pitch), warp, p, blocks)
    by_block = relative.reshape(len(relative), -1, p.block_tiles)
    chosen = by_block[geo.pilot_rows[:, None], :, geo.position[geo.pilot]]
    s = np.einsum("sib,si->bs", chosen, geo.sign[geo.pilot]) / np.sqrt(p.symbol_tiles)
    return s / geo.period[geo.pilot]


@dataclass(frozen=True)
class AlignedTiles:
    """All tiles of the whole blocks in some audio: `level` in dB and `relative` to their neighbours in time
    ``[bands, tiles]``; `numbers` ``[blocks]`` of the blocks, counted on from the warp's; `start`: sample at
    which the first tile begins."""

    level: Floats
    relative: Floats
    numbers: Ints
    start: float


_SLACK = 0.004 * RATE
"""By so much a block that is whole may reach over the ends of the audio."""


def _whole_blocks(warp: Warp, samples: int, profile: TileProfile) -> range:
    """The whole blocks in so many `samples`, counted from the warp's."""
    span = profile.block / warp.tempo
    first = math.ceil((-_SLACK - warp.start) / span)
    return range(first, max(first, math.floor((samples + _SLACK - warp.start) / span)))


def _levels_of_blocks(
    bands: BandPower, warp: Warp, profile: TileProfile, blocks: range
) -> tuple[Floats, Floats]:
    """Levels in dB of the tiles of some whole blocks ``[bands, tiles]``, and relative to their neighbours in
    time."""
    whole = _whole_blocks(warp, bands.samples, profile)
    n, length = profile.block_tiles, profile.tile / warp.tempo
    # Tiles of the blocks that are cut off still say what the level of their neighbours is relative to.
    begin = warp.start + whole.start * n * length
    cut = min(2 * profile.radius, max(0, math.floor(begin / length)))
    left = math.floor((bands.samples - begin) / length) - len(whole) * n
    left = min(2 * profile.radius, max(0, left))
    reach = profile.radius + geometry.floor_radius(profile)
    before = min(reach, (blocks.start - whole.start) * n + cut)
    after = min(reach, (whole.stop - blocks.stop) * n + left)
    start, tiles = warp.start + blocks.start * n * length, len(blocks) * n
    level, _ = geometry.levels(bands, start - before * length, warp.tempo, before + tiles + after, profile)
    chosen = slice(before, before + tiles)
    return level[:, chosen], geometry.relative(level, profile)[:, chosen]


def aligned_tiles(bands: BandPower, warp: Warp, profile: TileProfile) -> AlignedTiles:
    """The tiles under `warp`."""
    span = profile.block / warp.tempo
    blocks = _whole_blocks(warp, bands.samples, profile)
    if not blocks:
        none = np.zeros((len(bands.cumulative), 0))
        return AlignedTiles(none, none, np.zeros(0, np.int64), warp.start)
    level, relative = _levels_of_blocks(bands, warp, profile, blocks)
    return AlignedTiles(
        level=level,
        relative=relative,
        numbers=warp.block + np.array(blocks),
        start=warp.start + blocks.start * span,
    )


def refine(spec: Spectrogram, warp: Warp, low_s: float, high_s: float, rounds: int = 2) -> Warp:
    """`warp` moved to where the pilots between two times agree best; its block is the one nearest to the
    middle."""
    geo, p = spec.geo, spec.geo.profile
    heard = spec.stretch(low_s, high_s)
    middle = (low_s + high_s) / 2 * RATE
    warp = shifted(warp, round((middle - warp.start) / (p.block / warp.tempo)), p)
    half = (high_s - low_s) / 2 * RATE + 0.01 * RATE

    def score(w: Warp) -> float:
        span = p.block / w.tempo
        whole = _whole_blocks(w, spec.samples, p)
        first = max(whole.start, math.floor((middle - half - w.start) / span) + 1)
        last = min(whole.stop, math.ceil((middle + half - w.start) / span) - 1)
        if last <= first:
            return 0.0
        places = pilot_places(heard, w, range(first, last))
        phase = geo.phase[(w.block + np.arange(first, last)) % p.cycle][:, geo.pilot]
        return float(np.cos(2 * np.pi * (places + phase)).sum() / np.sqrt(places.size / 2.0))

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
