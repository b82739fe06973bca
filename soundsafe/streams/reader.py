"""Reading a stream of blocks at any rate: as it is, then searched.

Only where the audio as it is gives no payload, a constant offset is taken out, and the first `SEARCH_S`
seconds are searched for echoes (`soundsafe.recovery.echo`) and for a change of speed, tempo or pitch
(`soundsafe.recovery.warped`); echoes and changes of speed that are found there are undone for all of the
audio, read a second time. Where that gives nothing either, a changed part is looked for in windows over all
of the audio (`soundsafe.recovery.windows`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import soxr

from soundsafe.aliases import Audio
from soundsafe.cells.code import CellCode
from soundsafe.cells.detector import Detection, detect
from soundsafe.cells.learned import MODELS, LearnedProfile, with_model
from soundsafe.cells.settings import REPEATED
from soundsafe.message.container import Tally
from soundsafe.recovery.echo import read_echoed, undo_echoes
from soundsafe.recovery.warped import Recovered, read_warped
from soundsafe.recovery.windows import LENGTH_S, read_windows, windows
from soundsafe.result import Decoded, FoundPayload
from soundsafe.stft import RATE
from soundsafe.streams.polarity import opposed, turned
from soundsafe.tiles.geometry import TileCode

__all__ = ["SEARCH_S", "decoded", "read", "to_44k"]

SEARCH_S = 60.0
"""Seconds of audio that are kept and searched for a change of speed, tempo or pitch."""

LEARNABLE_MARK = "a mark of version 1: whoever has a few files of its key can learn it and forge it"
"""What an answer says of a mark that does not follow from its audio."""

_LISTENED_S = 2
"""Seconds that are read through each network's map, where pilots answer and nothing else is read."""

_OFFSET = 2e-3
"""A constant offset above this drowns the lowest bands: it is tried without."""


def to_44k(blocks: Iterable[Audio], rate: int, factor: float = 1.0) -> Iterator[Audio]:
    """Blocks at 44.1 kHz from blocks at `rate`, made `factor` times as long."""
    if rate == RATE and factor == 1.0:
        yield from blocks
        return
    resampler: soxr.ResampleStream | None = None
    channels = 1
    for block in blocks:
        if resampler is None:
            channels = block.shape[0]
            resampler = soxr.ResampleStream(rate, RATE * factor, channels, dtype="float32", quality="VHQ")
        out = resampler.resample_chunk(np.ascontiguousarray(block.T))
        if len(out):
            yield np.ascontiguousarray(out.reshape(-1, channels).T)
    if resampler is not None:
        out = resampler.resample_chunk(np.zeros((0, channels), np.float32), last=True)
        if len(out):
            yield np.ascontiguousarray(out.reshape(-1, channels).T)


def _keep_first(blocks: Iterable[Audio], kept: list[Audio], seconds: float) -> Iterator[Audio]:
    """The same blocks at 44.1 kHz, the first `seconds` of them put into `kept` as they pass."""
    room = round(seconds * RATE)
    for block in blocks:
        if room > 0:
            kept.append(block[:, :room])
            room -= kept[-1].shape[1]
        yield block


def read(
    blocks: Callable[[], Iterable[Audio]], rate: int, code: CellCode, tiles: TileCode
) -> tuple[Detection, Recovered | None]:
    """Read a stream as it is, and where that gives no payload, whatever was done to it.

    Args:
        blocks: gives the stream from its beginning, ``[channels, samples]`` each, each time it is called.
        rate: samples per second, 8,000 to 192,000.
        code: key and profile of the cell layer.
        tiles: those of the tile layer.

    Returns:
        The plain reading of all blocks; or where that has no payload, what is read without a constant offset,
        or without echoes; or else beside it what a search says of the first blocks.
    """
    kept: list[Audio] = []
    tally = Tally()

    def tallied(audio: Iterable[Audio]) -> Detection:
        found = detect(audio, code)
        tally.add(found.bound)
        return replace(found, bound=tally.bound)

    found = tallied(_keep_first(to_44k(blocks(), rate), kept, SEARCH_S))
    if found.payload is not None or not kept:
        return found, None
    start = np.concatenate(kept, axis=1)
    learned = _code_of_network(start, found, code, tally)
    if learned is not None:
        code = learned
        found = tallied(to_44k(blocks(), rate))
        if found.payload is not None:
            return found, None
    offset = start.mean(axis=1, keepdims=True)
    if float(np.abs(offset).max()) < _OFFSET:
        offset = np.zeros_like(offset)

    def stream(undo: Callable[[Iterable[Audio]], Iterable[Audio]], factor: float = 1.0) -> Detection:
        return tallied(undo(block - offset for block in to_44k(blocks(), rate, factor)))

    if offset.any():
        start = start - offset
        level = stream(lambda audio: audio)
        if level.payload is not None:
            return level, None
        found = level if level.score >= found.score else found
    if opposed(start, after_coding=True):
        other = stream(lambda audio: map(turned, audio))
        if other.payload is not None:
            return other, None
    longer = found.samples > start.shape[1]
    echoed = read_echoed(start, found.score, code, tally)
    if echoed is not None:
        heard, echoes = echoed
        if longer:
            whole = stream(lambda audio: undo_echoes(audio, echoes))
            heard = whole if whole.payload is not None else heard
        return replace(heard, bound=tally.bound), None
    warped = read_warped(
        start, code, tiles, tally=tally, clock_found=found.start is not None, beside=found.soft
    )
    if warped is not None and warped.detection is not None and longer:
        # More audio than was searched, its speed and polarity now known.
        sign = np.float32(-1.0 if warped.inverted else 1.0)
        whole = stream(lambda audio: (sign * block for block in audio), warped.speed)
        if whole.payload is not None:
            warped = replace(
                warped,
                detection=whole,
                payload=whole.payload,
                identifier=whole.identifier,
                combined=whole.combined,
            )
    if (warped is None or warped.payload is None) and found.samples > LENGTH_S * RATE:
        part = read_windows(windows(block - offset for block in to_44k(blocks(), rate)), code, tiles, tally)
        if isinstance(part, Detection):
            return replace(part, bound=tally.bound, samples=found.samples), None
        warped = part if part is not None else warped
    return replace(found, bound=tally.bound), warped


def _code_of_network(start: Audio, found: Detection, code: CellCode, tally: Tally) -> CellCode | None:
    """The code with a network, of those that come with the package, through whose map the first seconds of a
    mark are read; None where none is, or no mark was found."""
    if found.start is None or isinstance(code.profile, LearnedProfile) or not code.profile.host_bound:
        return None
    first = max(0, round(found.start))
    heard = start[:, first : first + _LISTENED_S * RATE]
    for name in MODELS:
        learned = replace(code, profile=with_model(name, code.profile.code))
        read_through = detect([heard], learned, REPEATED)
        tally.add(read_through.bound)
        if read_through.payload is not None or any(eul.ok for eul in read_through.euls):
            return learned
    return None


def decoded(
    found: Detection,
    warped: Recovered | None,
    code: CellCode,
    started: float,
    seconds_of_audio: float,
    rate: int,
) -> Decoded:
    """The answer of what `read` found in so many seconds of audio at `rate` Hz; `started`: by
    `time.perf_counter`."""
    took = time.perf_counter() - started
    native = rate / RATE
    plain = Decoded(
        ok=found.payload is not None,
        payload=found.payload,
        score=found.score,
        code=found.code or code.profile.code,
        layer="eul" if found.payload is not None else None,
        id_ok=found.identifier is not None,
        id_hex=found.identifier.hex() if found.identifier else None,
        euls=found.euls,
        combined=found.combined,
        speed=1.0,
        tempo=1.0,
        pitch=1.0,
        offset_samples=None if found.start is None else round(found.start * native),
        false_accept_bound=found.bound,
        seconds=took,
        realtime_factor=took / max(seconds_of_audio, 1e-9),
        factor_confidence=1.0 if found.payload is not None else 0.0,
        payloads=found.payloads,
        warnings=_warnings(found.is_learnable, code),
        model=found.model,
    )
    if warped is None:
        return plain
    plain = replace(plain, score=max(found.score, warped.score))
    if warped.identifier is None:
        return plain
    euls = found.euls
    payloads: tuple[FoundPayload, ...] = ()
    if warped.payload is not None:
        payloads = (FoundPayload(warped.payload, 0, ()),)
    if warped.detection is not None:
        # Seconds of the audio as it was marked, given in the time of the audio as it is.
        begins = warped.begins / RATE
        payloads = tuple(each.at_speed(warped.speed).later(begins) for each in warped.detection.payloads)
        euls = [replace(eul, start_s=begins + eul.start_s / warped.speed) for eul in warped.detection.euls]
    return replace(
        plain,
        ok=warped.payload is not None,
        payload=warped.payload,
        layer=warped.layer,
        id_ok=True,
        id_hex=warped.identifier.hex(),
        euls=euls,
        combined=warped.combined,
        speed=warped.speed,
        tempo=warped.tempo,
        pitch=warped.pitch,
        offset_samples=round(warped.offset * native),
        factor_confidence=warped.confidence,
        payloads=payloads,
        warnings=_warnings(warped.is_learnable, code),
        model=None if warped.detection is None else warped.detection.model,
    )


def _warnings(is_learnable: bool, code: CellCode) -> list[str]:
    """What the holder of a key should know of a mark that was read."""
    return [LEARNABLE_MARK] if is_learnable and code.profile.host_bound else []
