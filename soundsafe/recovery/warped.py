"""Reading a mark from audio that has lost its clock: what `decode` turns to when the plain reading found
nothing.

First the cell layer's pilots are looked for in pieces, as waveform overlap-add leaves them. Then the tile
layer finds tempo, pitch and offset. One factor for both is a change of speed: it is undone and the cell layer
reads. Where there is no tile layer, a change of speed is looked for with the cell layer's own pilots.
Otherwise the tile layer's words are read, and where they do not suffice pieces of the pitch that was found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from soundsafe.aliases import Audio, Floats
from soundsafe.cells.code import CellCode
from soundsafe.cells.combining import combine, read_alone
from soundsafe.cells.detector import Detection, detect
from soundsafe.cells.profile import EUL_SAMPLES, PHASES
from soundsafe.cells.reading import Reading
from soundsafe.cells.settings import REPEATED
from soundsafe.cells.sync import LOCK_Z, false_alarm
from soundsafe.message.container import Part, Tally, assemble, payload_id
from soundsafe.message.low_rate_code import IDENTIFIER_FALSE_ACCEPT
from soundsafe.recovery.speed import resample_by, undo_speed
from soundsafe.recovery.speed_search import STRETCHES, SURE_Z, SpeedLock, search_speed
from soundsafe.recovery.splice_search import SplicedClock, refine_pitch, search_splices
from soundsafe.recovery.splices import read_spliced_second
from soundsafe.tiles.detector import read_words
from soundsafe.tiles.geometry import TileCode, TileProfile
from soundsafe.tiles.unpiloted import find_unpiloted
from soundsafe.tiles.warp import Spectrogram, Warp, find

__all__ = ["SAME", "Recovered", "read_speed", "read_warped"]

LOCKED_Z = 6.5
"""Smallest z of the tile layer's pilots, or of its known symbols, for which slower ways of reading are
tried."""

SAME = 0.004
"""Tempo and pitch that differ by no more than this are one speed."""

_NEAR, _NEAR_STRETCHES = 0.002, STRETCHES + 6
"""How far from the tile layer's speed the cell layer's is looked for, and in how many stretches."""

_CLOCKS = 0.001
"""How far from 1 a speed is looked for where pilots answered as they were: two clocks differ by less."""

_DRIFT = 3e-5
"""The least of that which is undone: a second stretched by one sample and a half reads as it is."""

_SAME_PITCH = 2e-3
"""A pitch that differs by less is as it was: the tile layer tells it no better."""

_PIECES_Z = 5.5
"""Smallest z of a speed's pilots in one stretch, for which pieces at that speed are looked for."""

_HOPELESS_FIT = 12.0
_HOPELESS_AFTER = 3

_CANDIDATES = 64
"""Identifiers that are tried where the tile layer's pilots are found; 1 elsewhere."""

_COMBINED_AFTER = (2, 3, 4, 6, 8, 12, 16, 24, 32)
"""Numbers of seconds after which those at hand are read together."""


@dataclass(frozen=True)
class Recovered:
    """What was read from audio that had lost its clock.

    `payload`, `identifier` (8 bytes): authenticated, or None. `layer`: ``"tile"`` or ``"eul"``, which one
    gave the payload, or else the identifier. `speed`: the factor where it is one, else 1; `tempo`, `pitch`:
    factors by which the audio was changed; `confidence`: 1 less the bound on the chance that pilots agree as
    well somewhere in unmarked audio. `offset`: sample at which the marked audio's sample 0, or a multiple
    of the layer's cycle, lies. `score`: the pilots' best z. `combined`: seconds added up. `detection`: the
    cell layer's, in the time of the audio whose speed was undone. `inverted`: all samples had the wrong sign.
    `begins`: sample of all the audio at which the stretch begins that was searched, and that `detection` is
    of. `is_learnable`: it was marked by version 1, which anybody may have learned.
    """

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
    begins: int = 0
    is_learnable: bool = False


def _origin(warp: Warp, profile: TileProfile) -> float:
    return warp.start - warp.block * profile.block / warp.tempo


def _nearest(place: float, cycle: float) -> float:
    """`place` modulo `cycle`, the one nearest to 0."""
    return (place + cycle / 2) % cycle - cycle / 2


def _read_pieces(
    audio: Audio, clock: SplicedClock, pitch: float, code: CellCode, tally: Tally
) -> Recovered | None:
    """The payload from the pieces of the cell layer, seconds added up.

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
        reading = read_spliced_second(audio, start, clock.tempo, number % PHASES, code)
        if reading is None:
            continue
        word, tried, reading = read_alone(replace(reading, start=number * EUL_SAMPLES), code)
        tally.blocks(tried)
        readings.append(reading)
        count = len(readings)
        if count == _HOPELESS_AFTER and max(r.fit for r in readings) < _HOPELESS_FIT:
            break
        if word is not None:
            parts.append(word.part)
        payload, combined = assemble(parts, code.key), 1
        if payload is None and (count in _COMBINED_AFTER or number == numbers[-1]):
            together = combine(readings, parts, code)
            payload, combined = together.payload, together.seconds
            tally.blocks(together.attempts)
        if payload is not None:
            return Recovered(
                payload=payload,
                identifier=payload_id(payload),
                layer="eul",
                speed=1.0,
                tempo=clock.tempo * pitch,
                pitch=pitch,
                confidence=1.0 - false_alarm(clock.z, clock.tried),
                offset=_nearest(clock.start, PHASES * step) / pitch,
                score=clock.z,
                combined=combined,
                is_learnable=all(r.is_learnable for r in readings),
            )
    return None


def read_speed(
    audio: Audio, factor: float, score: float, tried: int, code: CellCode, tally: Tally
) -> Recovered | None:
    """The cell layer of audio whose speed was changed.

    Args:
        audio: ``[channels, samples]`` at 44.1 kHz.
        factor: about how many times as fast it was made.
        score: z of the pilots at that factor, which was
        tried: the best of so many.
        code: key and profile.
        tally: to which all attempts are added.

    Returns:
        None where it has no payload.
    """
    undone = undo_speed(audio, factor, code)
    if undone is None:
        return None
    return _read_seconds(*undone, score, tried, code, tally)


def _read_seconds(
    audio: Audio, factor: float, score: float, tried: int, code: CellCode, tally: Tally
) -> Recovered | None:
    """The cell layer of `audio`, from which a change of speed by `factor` is gone."""
    found = detect([audio], code, REPEATED)
    tally.add(found.bound)
    if found.payload is None or found.start is None:
        return None
    return Recovered(
        payload=found.payload,
        identifier=found.identifier,
        layer="eul",
        speed=factor,
        tempo=factor,
        pitch=factor,
        confidence=1.0 - false_alarm(score, tried),
        offset=found.start / factor,
        score=max(score, found.score),
        combined=found.combined,
        detection=found,
        is_learnable=found.is_learnable,
    )


def read_warped(
    audio: Audio,
    code: CellCode,
    tiles: TileCode,
    *,
    tally: Tally,
    clock_found: bool = False,
    beside: Sequence[Floats] = (),
) -> Recovered | None:
    """What both layers say of some audio, whatever its tempo, pitch and speed.

    Args:
        audio: ``[channels, samples]`` at 44.1 kHz.
        code: key and profile of the cell layer.
        tiles: key and profile of the tile layer.
        tally: to which all attempts are added.
        clock_found: the cell layer's pilots answered as they were: its speed is not searched for.
        beside: soft values that its seconds have together of a short word, ``[bits]``, in several ways: what
            they and the tiles know adds up.

    Returns:
        None where the audio is shorter than two blocks of the tile layer and no piece of it was read.
    """
    clock = search_splices(audio, code)
    inverted = search_splices(-audio, code)
    if clock is not None and inverted is not None:
        both = clock.tried + inverted.tried
        clock, inverted = replace(clock, tried=both), replace(inverted, tried=both)
    if inverted is None or (clock is not None and inverted.z <= clock.z):
        return _read_upright(audio, clock, code, tiles, tally, clock_found, beside)
    reading = None
    if abs(inverted.tempo - 1.0) <= _SAME_PITCH:
        reading = _read_seconds(-audio, 1.0, inverted.z, inverted.tried, code, tally)
    if reading is None:
        reading = _read_upright(-audio, inverted, code, tiles, tally, False)
    return None if reading is None else replace(reading, inverted=not reading.inverted)


def _unless_sure(
    found: SpeedLock | None,
    audio: Audio,
    code: CellCode,
    around: float,
    reach: float,
    stretches: int = STRETCHES,
) -> tuple[SpeedLock | None, bool]:
    """`found`, or what `search_speed` finds near `around` in the audio upside down, where that fits better;
    whether it does."""
    if found is None or found.z >= SURE_Z:
        return found, False
    opposite = search_speed(-audio, code, around, reach, stretches)
    if opposite is None:
        return found, False
    better = max(found, opposite, key=lambda lock: lock.z)
    return replace(better, tried=found.tried + opposite.tried), better is opposite


def _read_tiles(
    spec: Spectrogram,
    warp: Warp,
    tiles: TileCode,
    score: float,
    tally: Tally,
    beside: Sequence[Floats] = (),
) -> Recovered:
    """The tile layer's words under `warp`; `score`: the best of all pilots; `beside` as in `read_words`."""
    words = read_words(spec, warp, tiles, _CANDIDATES if warp.z >= LOCKED_Z else 1, beside)
    tally.add(words.identifiers * IDENTIFIER_FALSE_ACCEPT)
    tally.blocks(words.tries)
    return Recovered(
        payload=words.payload,
        identifier=words.identifier,
        layer="tile" if words.identifier is not None or words.payload is not None else None,
        speed=warp.tempo if abs(warp.tempo / warp.pitch - 1.0) <= SAME else 1.0,
        tempo=warp.tempo,
        pitch=warp.pitch,
        confidence=1.0 - false_alarm(warp.z, warp.tried),
        offset=_origin(warp, tiles.profile),
        score=score,
        combined=0,
        is_learnable=words.is_learnable,
    )


def _read_upright(
    audio: Audio,
    clock: SplicedClock | None,
    code: CellCode,
    tiles: TileCode,
    tally: Tally,
    clock_found: bool,
    beside: Sequence[Floats] = (),
) -> Recovered | None:
    """`read_warped` of audio whose polarity is right and whose pieces have the `clock`."""
    short = audio.shape[1] < 2 * tiles.profile.block
    # Pieces that hardly move may be a small change of speed, which is better undone.
    in_pieces = clock is not None and (short or abs(clock.tempo - 1.0) > _SAME_PITCH)
    if clock is not None and in_pieces:
        reading = _read_pieces(audio, clock, 1.0, code, tally)
        if reading is not None:
            return reading
    if short:
        return None
    spec = Spectrogram(audio, tiles.geometry)
    warp = find(spec)
    same = abs(warp.tempo / warp.pitch - 1.0) <= SAME
    score = warp.z
    locked = warp.z >= LOCKED_Z
    reading, pitch, inverted = None, warp.pitch if locked else 1.0, False
    if locked and same and not (clock_found and abs(warp.tempo - 1.0) < _CLOCKS):
        # Over few seconds the tiles' factor is too rough for the cells.
        near = search_speed(audio, code, warp.tempo, _NEAR, _NEAR_STRETCHES)
        near, inverted = _unless_sure(near, audio, code, warp.tempo, _NEAR, _NEAR_STRETCHES)
        factor = near.factor if near is not None and near.z >= LOCK_Z else warp.tempo
        upright = -audio if inverted else audio
        reading = read_speed(upright, factor, warp.z, warp.tried, code, tally)
    elif clock_found:
        lock = search_speed(audio, code, 1.0, _CLOCKS)
        if lock is not None and lock.z >= LOCK_Z and abs(lock.factor - 1.0) > _DRIFT:
            reading = read_speed(audio, lock.factor, lock.z, lock.tried, code, tally)
    elif not locked:
        # Upside down, two clocks that differ are looked for and no more: all speeds would double the work.
        lock = search_speed(audio, code)
        lock, inverted = _unless_sure(lock, audio, code, 1.0, _CLOCKS)
        if lock is not None:
            score = max(score, lock.z)
            if lock.z >= LOCK_Z:
                upright = -audio if inverted else audio
                reading = read_speed(upright, lock.factor, lock.z, lock.tried, code, tally)
            if lock.z >= _PIECES_Z:
                pitch = lock.factor
    if reading is not None:
        return replace(reading, inverted=inverted)
    result = _read_tiles(spec, warp, tiles, score, tally, beside)
    if result.payload is None and not locked and tiles.profile.host_bound:
        # Pilots can be learned, and undone.
        unpiloted = find_unpiloted(spec, tiles)
        if unpiloted is not None and unpiloted.z >= LOCKED_Z:
            other = _read_tiles(spec, unpiloted, tiles, max(score, unpiloted.z), tally)
            result = result if other.payload is None else other
    if result.payload is not None:
        return result
    if abs(pitch - 1.0) > _SAME_PITCH:
        if locked:  # the tile layer's is rough
            pitch = refine_pitch(audio, pitch, code)
        audio = resample_by(audio, pitch)
        clock = search_splices(audio, code)
    elif in_pieces or clock_found:
        return result
    else:
        pitch = 1.0
    if clock is None:
        return result
    return _read_pieces(audio, clock, pitch, code, tally) or result
