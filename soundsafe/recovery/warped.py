"""Reading a mark from audio that has lost its clock: what `decode` turns to when the plain reading found
nothing.

First the cell layer's pilots are looked for in pieces, as waveform overlap-add leaves them. Then the tile
layer finds tempo, pitch and offset. One factor for both is a change of speed: it is undone and the cell layer
reads. Where there is no tile layer, a change of speed is looked for with the cell layer's own pilots.
Otherwise the tile layer's words are read, and where they do not suffice pieces of the pitch that was found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from soundsafe.cells.detector import Detection, Reading, combine, detect, read_alone
from soundsafe.cells.layout import PHASES
from soundsafe.cells.profile import EUL_SAMPLES, ROBUST, Profile
from soundsafe.cells.sync import LOCK_Z, false_alarm
from soundsafe.message.container import Part, Tally, assemble, payload_id
from soundsafe.message.low_rate_code import IDENTIFIER_FALSE_ACCEPT
from soundsafe.recovery.speed import resample_by, undo_speed
from soundsafe.recovery.speed_search import SURE_Z, SpeedLock, search_speed
from soundsafe.recovery.splice_search import SplicedClock, refine_pitch, search_splices
from soundsafe.recovery.splices import read_spliced_eul
from soundsafe.tiles.detector import read_words
from soundsafe.tiles.geometry import ROBUST_TILES, TileProfile, tile_geometry
from soundsafe.tiles.warp import Spectrogram, Warp, find

__all__ = ["SAME", "WarpedReading", "read_speed", "read_warped"]

Audio = NDArray[np.float32]

LOCKED_Z = 6.5
"""Smallest z of the tile layer's pilots for which the slower ways of reading are tried."""

SAME = 0.004
"""Tempo and pitch that differ by no more than this are one speed."""

_NEAR, _MORE = 0.002, 6
"""How far from the tile layer's speed the cell layer's is looked for, and in how many more stretches."""

_CLOCKS = 0.001
"""How far from 1 a speed is looked for where pilots answered as they were: two clocks differ by less."""

_DRIFT = 3e-5
"""The least of that which is undone: an EUL stretched by one sample and a half reads as it is."""

_SAME_PITCH = 2e-3
"""A pitch that differs by less is as it was: the tile layer tells it no better."""

_PIECES_Z = 5.5
"""Smallest z of a speed's pilots in one stretch, for which pieces at that speed are looked for."""

_HOPELESS_FIT = 12.0
_HOPELESS_AFTER = 3

_CANDIDATES = 64
"""Identifiers that are tried where the tile layer's pilots are found; 1 elsewhere."""

_COMBINED_AFTER = (2, 3, 4, 6, 8, 12, 16, 24, 32)
"""Numbers of EULs after which those at hand are read together."""


@dataclass(frozen=True)
class WarpedReading:
    """`payload`, `identifier` (8 bytes): authenticated, or None. `layer`: ``"tile"`` or ``"eul"``, which one
    gave the payload, or else the identifier. `speed`: the factor where it is one, else 1; `tempo`, `pitch`:
    factors by which the audio was changed; `confidence`: 1 less the bound on the chance that pilots agree as
    well somewhere in unmarked audio. `offset`: sample at which the marked audio's sample 0, or a multiple
    of the layer's cycle, lies. `score`: the pilots' best z. `combined`: EULs added up. `detection`: the cell
    layer's, in the time of the audio whose speed was undone. `inverted`: all samples had the wrong sign."""

    payload: bytes | None
    identifier: bytes | None
    layer: str | None
    speed: float
    tempo: float
    pitch: float
    confidence: float
    offset: float
    score: float
    combined: int
    detection: Detection | None = field(default=None, repr=False)
    inverted: bool = False


def _origin(warp: Warp, profile: TileProfile) -> float:
    return warp.start - warp.block * profile.block / warp.tempo


def _nearest(place: float, cycle: float) -> float:
    """`place` modulo `cycle`, the one nearest to 0."""
    return (place + cycle / 2) % cycle - cycle / 2


def _read_pieces(
    audio: Audio, clock: SplicedClock, pitch: float, key: bytes, profile: Profile, tally: Tally
) -> WarpedReading | None:
    """The payload from the pieces of the cell layer, EULs added up.

    `audio`: of the right pitch already; all its frequencies had been times `pitch`.
    """
    step = EUL_SAMPLES / clock.tempo
    half = int(0.5 * step)
    readings: list[Reading] = []
    parts: list[Part] = []
    numbers = range(
        math.ceil((-clock.start - half) / step), math.ceil((audio.shape[1] - clock.start - half) / step)
    )
    for number in numbers:
        start = clock.start + number * step
        reading = read_spliced_eul(audio, start, clock.tempo, number % PHASES, key, profile)
        if reading is None:
            continue
        word, tried, reading = read_alone(replace(reading, start=number * EUL_SAMPLES), key, profile)
        tally.blocks(tried)
        readings.append(reading)
        count = len(readings)
        if count == _HOPELESS_AFTER and max(r.fit for r in readings) < _HOPELESS_FIT:
            break
        if word is not None:
            parts.append(word.part)
        payload, combined = assemble(parts, key), 1
        if payload is None and (count in _COMBINED_AFTER or number == numbers[-1]):
            payload, combined, tried = combine(readings, parts, key, profile)
            tally.blocks(tried)
        if payload is not None:
            return WarpedReading(
                payload,
                payload_id(payload),
                "eul",
                1.0,
                clock.tempo * pitch,
                pitch,
                1.0 - false_alarm(clock.z, clock.tried),
                _nearest(clock.start, PHASES * step) / pitch,
                clock.z,
                combined,
            )
    return None


def read_speed(
    audio: Audio, factor: float, score: float, tried: int, key: bytes, profile: Profile, tally: Tally
) -> WarpedReading | None:
    """The cell layer of `audio` that was played about `factor` times as fast; None where it has no payload.

    `score`, `tried`: z and number of hypotheses behind the factor.
    """
    undone = undo_speed(audio, factor, key, profile)
    if undone is None:
        return None
    return _read_seconds(*undone, score, tried, key, profile, tally)


def _read_seconds(
    audio: Audio, factor: float, score: float, tried: int, key: bytes, profile: Profile, tally: Tally
) -> WarpedReading | None:
    """The cell layer of `audio`, from which a change of speed by `factor` is gone."""
    found = detect([audio], key, profile)
    tally.add(found.bound)
    if found.payload is None or found.start is None:
        return None
    return WarpedReading(
        found.payload,
        found.identifier,
        "eul",
        factor,
        factor,
        factor,
        1.0 - false_alarm(score, tried),
        found.start / factor,
        max(score, found.score),
        found.combined,
        found,
    )


def read_warped(
    audio: Audio,
    key: bytes,
    profile: Profile = ROBUST,
    tiles: TileProfile = ROBUST_TILES,
    *,
    tally: Tally,
    clock_found: bool = False,
) -> WarpedReading | None:
    """What both layers say of `audio` ``[channels, samples]`` at 44.1 kHz, whatever its tempo, pitch and
    speed.

    `tally`: to which all attempts are added. `clock_found`: the cell layer's pilots answered as they were, so
    its speed is not searched for. None where
    the audio is shorter than the tile layer's two blocks and no piece of it was read.
    """
    clock = search_splices(audio, key, profile)
    inverted = search_splices(-audio, key, profile)
    if clock is not None and inverted is not None:
        both = clock.tried + inverted.tried
        clock, inverted = replace(clock, tried=both), replace(inverted, tried=both)
    if inverted is None or (clock is not None and inverted.z <= clock.z):
        return _read_upright(audio, clock, key, profile, tiles, tally, clock_found)
    reading = None
    if abs(inverted.tempo - 1.0) <= _SAME_PITCH:
        reading = _read_seconds(-audio, 1.0, inverted.z, inverted.tried, key, profile, tally)
    if reading is None:
        reading = _read_upright(-audio, inverted, key, profile, tiles, tally, False)
    return None if reading is None else replace(reading, inverted=not reading.inverted)


def _unless_sure(
    found: SpeedLock | None,
    audio: Audio,
    key: bytes,
    profile: Profile,
    around: float,
    reach: float,
    more: int,
) -> tuple[SpeedLock | None, bool]:
    """`found`, or what `search_speed` finds near `around` in the audio upside down, where that fits better;
    whether it does."""
    if found is None or found.z >= SURE_Z:
        return found, False
    opposite = search_speed(-audio, key, profile, around, reach, more)
    if opposite is None:
        return found, False
    better = max(found, opposite, key=lambda lock: lock.z)
    return replace(better, tried=found.tried + opposite.tried), better is opposite


def _read_upright(
    audio: Audio,
    clock: SplicedClock | None,
    key: bytes,
    profile: Profile,
    tiles: TileProfile,
    tally: Tally,
    clock_found: bool,
) -> WarpedReading | None:
    """`read_warped` of audio whose polarity is right and whose pieces have the `clock`."""
    short = audio.shape[1] < 2 * tiles.block
    # Pieces that hardly move may be a small change of speed, which is better undone.
    in_pieces = clock is not None and (short or abs(clock.tempo - 1.0) > _SAME_PITCH)
    if clock is not None and in_pieces:
        reading = _read_pieces(audio, clock, 1.0, key, profile, tally)
        if reading is not None:
            return reading
    if short:
        return None
    spec = Spectrogram(audio, tile_geometry(key, tiles))
    warp = find(spec)
    same = abs(warp.tempo / warp.pitch - 1.0) <= SAME
    score = warp.z
    locked = warp.z >= LOCKED_Z
    reading, pitch, inverted = None, warp.pitch if locked else 1.0, False
    if locked and same and not (clock_found and abs(warp.tempo - 1.0) < _CLOCKS):
        # Over few seconds the tiles' factor is too rough for the cells.
        near = search_speed(audio, key, profile, warp.tempo, _NEAR, _MORE)
        near, inverted = _unless_sure(near, audio, key, profile, warp.tempo, _NEAR, _MORE)
        factor = near.factor if near is not None and near.z >= LOCK_Z else warp.tempo
        upright = -audio if inverted else audio
        reading = read_speed(upright, factor, warp.z, warp.tried, key, profile, tally)
    elif clock_found:
        lock = search_speed(audio, key, profile, 1.0, _CLOCKS)
        if lock is not None and lock.z >= LOCK_Z and abs(lock.factor - 1.0) > _DRIFT:
            reading = read_speed(audio, lock.factor, lock.z, lock.tried, key, profile, tally)
    elif not locked:
        # Upside down, two clocks that differ are looked for and no more: all speeds would double the work.
        lock = search_speed(audio, key, profile)
        lock, inverted = _unless_sure(lock, audio, key, profile, 1.0, _CLOCKS, 0)
        if lock is not None:
            score = max(score, lock.z)
            if lock.z >= LOCK_Z:
                upright = -audio if inverted else audio
                reading = read_speed(upright, lock.factor, lock.z, lock.tried, key, profile, tally)
            if lock.z >= _PIECES_Z:
                pitch = lock.factor
    if reading is not None:
        return replace(reading, inverted=inverted)
    words = read_words(spec, warp, key, _CANDIDATES if locked else 1)
    tally.add(words.identifiers * IDENTIFIER_FALSE_ACCEPT)
    tally.blocks(words.tries)
    result = WarpedReading(
        words.payload,
        words.identifier,
        "tile" if words.identifier is not None or words.payload is not None else None,
        warp.tempo if same else 1.0,
        warp.tempo,
        warp.pitch,
        1.0 - false_alarm(warp.z, warp.tried),
        _origin(warp, tiles),
        score,
        0,
    )
    if words.payload is not None:
        return result
    if abs(pitch - 1.0) > _SAME_PITCH:
        if locked:  # the tile layer's is rough
            pitch = refine_pitch(audio, pitch, key, profile)
        audio = resample_by(audio, pitch)
        clock = search_splices(audio, key, profile)
    elif in_pieces or clock_found:
        return result
    else:
        pitch = 1.0
    if clock is None:
        return result
    return _read_pieces(audio, clock, pitch, key, profile, tally) or result
