"""Reading a mark from audio that has lost its clock: what `decode` turns to when the plain reading found
nothing.

The tile layer finds tempo, pitch and offset. One factor for both is a change of speed: it is undone and the
cell layer reads. Where there is no tile layer, a change of speed is looked for with the cell layer's own
pilots. Otherwise the tile layer's words are read, and where they do not suffice the cell layer is read piece
by piece, as waveform overlap-add leaves it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from soundsafe.container import FALSE_ACCEPT, Part, assemble, parts_of, payload_id
from soundsafe.detector import Detection, detect
from soundsafe.layout import PHASES
from soundsafe.low_rate_code import IDENTIFIER_FALSE_ACCEPT
from soundsafe.profile import EUL_SAMPLES, ROBUST, Profile
from soundsafe.speed import resample_by, undo_speed
from soundsafe.speed_search import search_speed
from soundsafe.splices import read_spliced_eul
from soundsafe.sync import LOCK_Z, false_alarm
from soundsafe.tile_detector import read_words
from soundsafe.tiles import ROBUST_TILES, TileProfile, tile_geometry
from soundsafe.warp import Spectrogram, Warp, find
from soundsafe.words import read_word

__all__ = ["SAME", "WarpedReading", "read_speed", "read_warped"]

Audio = NDArray[np.float32]

LOCKED_Z = 6.5
"""Smallest z of the tile layer's pilots for which the slower ways of reading are tried."""

SAME = 0.004
"""Tempo and pitch that differ by no more than this are one speed."""

_NEAR = 0.002
"""How far from the tile layer's speed the cell layer's is looked for."""

_HOPELESS_FIT = 12.0
_HOPELESS_AFTER = 3


@dataclass(frozen=True)
class WarpedReading:
    """`payload`, `identifier` (8 bytes): authenticated, or None. `layer`: ``"tile"`` or ``"eul"``, which one
    gave the payload, or else the identifier. `speed`: the factor where it is one, else 1; `tempo`, `pitch`:
    factors by which the audio was changed; `confidence`: 1 less the bound on the chance that pilots agree as
    well somewhere in unmarked audio. `offset`: sample at which the marked audio's sample 0, or a later
    multiple of the tile layer's cycle, lies. `score`: the pilots' best z. `combined`: EULs added up.
    `bound`: chance of a false accept, over all that was tried. `detection`: the cell layer's, in the time of
    the audio whose speed was undone."""

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
    bound: float
    detection: Detection | None = field(default=None, repr=False)


def _origin(warp: Warp, profile: TileProfile) -> float:
    return warp.start - warp.block * profile.block / warp.tempo


def _read_pieces(
    audio: Audio, warp: Warp, tiles: TileProfile, key: bytes, profile: Profile
) -> tuple[bytes | None, int, int]:
    """The payload from the pieces of the cell layer, EULs added up, and blocks tried."""
    start, tempo = _origin(warp, tiles), warp.tempo
    if abs(warp.pitch - 1.0) > 2e-3:
        audio = resample_by(audio, warp.pitch)
        start, tempo = start * warp.pitch, tempo / warp.pitch
    step = EUL_SAMPLES / tempo
    first = math.ceil((-start - 0.1 * step) / step)
    last = math.floor((audio.shape[1] - start + 0.1 * step) / step)
    llr: dict[int, NDArray[np.float64]] = {}
    parts: list[Part] = []
    best, attempts = 0.0, 0
    for number in range(first, last):
        reading = read_spliced_eul(audio, start + number * step, tempo, number % PHASES, key, profile)
        if reading is None:
            continue
        llr[number] = reading.llr
        best = max(best, reading.fit)
        if len(llr) == _HOPELESS_AFTER and best < _HOPELESS_FIT:
            return None, 0, attempts
        # One part is the usual case: all EULs say the same. Then those that may carry the same of several.
        counts = {parts_of(part.length) for part in parts} or ({1} if number < last - 1 else range(1, 9))
        for count in counts:
            chosen = [v for n, v in llr.items() if (n - number) % count == 0]
            word, tried = read_word(np.sum(chosen, axis=0), key, profile)
            attempts += tried
            if word is not None:
                parts.append(word.part)
                payload = assemble(parts)
                if payload is not None:
                    return payload, len(chosen), attempts
                break
    return None, 0, attempts


def read_speed(
    audio: Audio, factor: float, score: float, tried: int, key: bytes, profile: Profile
) -> WarpedReading | None:
    """The cell layer of `audio` that was played about `factor` times as fast; None where it has no payload.

    `score`, `tried`: z and number of hypotheses behind the factor.
    """
    undone = undo_speed(audio, factor, key, profile)
    if undone is None:
        return None
    restored, factor = undone
    found = detect([restored], key, profile)
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
        found.bound,
        found,
    )


def read_warped(
    audio: Audio,
    key: bytes,
    profile: Profile = ROBUST,
    tiles: TileProfile = ROBUST_TILES,
    *,
    clock_found: bool = False,
) -> WarpedReading | None:
    """What both layers say of `audio` ``[channels, samples]`` at 44.1 kHz, whatever its tempo, pitch and
    speed.

    `clock_found`: the cell layer's pilots answered as they were, so its speed is not searched for. None where
    the audio is shorter than the tile layer's two blocks.
    """
    if audio.shape[1] < 2 * tiles.block:
        return None
    spec = Spectrogram(audio, tile_geometry(key, tiles))
    warp = find(spec)
    same = abs(warp.tempo / warp.pitch - 1.0) <= SAME
    score = warp.z
    reading: WarpedReading | None = None
    if warp.z >= LOCKED_Z:
        if same and not (clock_found and abs(warp.tempo - 1.0) < SAME / 4):
            # Over few seconds the tiles' factor is too rough for the cells.
            near = search_speed(audio, key, profile, warp.tempo, _NEAR)
            factor = near.factor if near is not None and near.z >= LOCK_Z else warp.tempo
            reading = read_speed(audio, factor, warp.z, warp.tried, key, profile)
    elif not clock_found:
        lock = search_speed(audio, key, profile)
        if lock is not None:
            score = max(score, lock.z)
            if lock.z >= LOCK_Z:
                reading = read_speed(audio, lock.factor, lock.z, lock.tried, key, profile)
    if reading is not None:
        return reading
    words = read_words(spec, warp, key)
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
        min(1.0, IDENTIFIER_FALSE_ACCEPT + words.tries * FALSE_ACCEPT),
    )
    if words.payload is not None or warp.z < LOCKED_Z:
        return result
    payload, combined, tried = _read_pieces(audio, warp, tiles, key, profile)
    bound = min(1.0, result.bound + tried * FALSE_ACCEPT)
    if payload is None:
        return replace(result, bound=bound)
    return replace(
        result, payload=payload, identifier=payload_id(payload), layer="eul", combined=combined, bound=bound
    )
