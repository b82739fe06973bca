"""Which payloads the seconds of a stream carry: one as a rule, several where recordings were joined.

::

    seconds   A A . A A | . B . B | . . . C ...
    read      by its own codeword: A, B, C; a dot: not read alone

Seconds are added up within a stretch of one clock in which no payload is known, and never with those of
another payload. A second that was not read alone, but agrees with the codeword of a payload that is known,
carries it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from soundsafe.aliases import Floats
from soundsafe.cells.code import CellCode
from soundsafe.cells.combining import combine
from soundsafe.cells.profile import EUL_SAMPLES
from soundsafe.cells.reading import Reading
from soundsafe.cells.settings import DETECTOR, DetectorSettings
from soundsafe.message.container import Part, assemble_all, pack, payload_id
from soundsafe.message.short_words import is_short
from soundsafe.result import Eul, FoundPayload
from soundsafe.stft import RATE

__all__ = ["Search", "carried", "carried_by", "found_payloads", "identifiers", "search"]

_AGREES = 5.0
"""Agreement (standard normal by chance) from which a second carries a payload."""

_MOST_TRIES = 12
"""Stretches that are added up for payloads beyond the first."""

_SAME_CLOCK = EUL_SAMPLES // 100


@dataclass(frozen=True)
class Search:
    """The `payloads` that were found, those of most parts first; how many seconds were `combined` for the
    first, where it was not read from single ones; how many blocks were tried."""

    payloads: tuple[bytes, ...]
    combined: int
    attempts: int


def search(
    readings: Sequence[Reading], parts: Sequence[Part], code: CellCode, settings: DetectorSettings = DETECTOR
) -> Search:
    """All payloads of a stream.

    Args:
        readings: of seconds that were not read alone, and of the others too while no payload is whole; in the
            order of time.
        parts: that were read from single seconds.
        code: key and profile.
        settings: the detector's.
    """
    found = assemble_all(parts, code.key)
    combined = attempts = 0
    if not found and len(readings) >= 2:
        first = combine(readings, parts, code, settings)
        attempts = first.attempts
        if first.payload is not None:
            found, combined = [first.payload], first.seconds
    rest = [part for part in parts if not any(part.belongs_to(each, code.key) for each in found)]
    tries = 0
    stretches = _stretches(_not_carrying(readings, found, code))
    if not found and len(stretches) == 1:
        stretches = _halves(stretches[0])  # all of it was tried
    while stretches and tries < _MOST_TRIES:
        stretch = stretches.pop(0)
        if len(stretch) < 2:
            continue
        tries += 1
        more = combine(stretch, rest, code, settings, thorough=False)
        attempts += more.attempts
        if more.payload is None:
            stretches += _halves(stretch)
        elif more.payload not in found:
            combined = combined or (0 if found else more.seconds)
            found.append(more.payload)
            stretches = _stretches([r for s in stretches for r in _not_carrying(s, found[-1:], code)])
    return Search(tuple(found), combined, attempts)


def _halves(stretch: Sequence[Reading]) -> list[list[Reading]]:
    middle = len(stretch) // 2
    return [list(stretch[:middle]), list(stretch[middle:])] if len(stretch) >= 4 else []


def _stretches(readings: Sequence[Reading]) -> list[list[Reading]]:
    """Readings that follow each other by one clock, the longest stretch first."""
    out: list[list[Reading]] = []
    for reading in readings:
        if out and abs(reading.start - out[-1][-1].start - EUL_SAMPLES) <= _SAME_CLOCK:
            out[-1].append(reading)
        else:
            out.append([reading])
    return sorted(out, key=len, reverse=True)


def _ones(payload: bytes, code: CellCode) -> list[Floats]:
    """Where each codeword of `payload` has ones. Zeros tell nothing: short payloads share most of theirs."""
    words = [code.encode_block(block) for block in pack(payload, code.key)]
    if code.has_short_words and is_short(payload):
        words += [own.encode_short_word(payload) for own in (code, code.learnable)]
    return [word.astype(np.float64) for word in words]


def _agreement(llr: Floats, ones: Floats) -> float:
    """Of soft values ``[2040]``, or of the kind of word ``[kinds, 2040]`` that agrees best."""
    sure = np.tanh(np.atleast_2d(llr) / 2.0) * ones
    return float((-sure.sum(axis=1) / np.sqrt((sure**2).sum(axis=1) + 1e-9)).max())


def carried_by(llr: Floats, words: Sequence[Sequence[Floats]]) -> int | None:
    """Which of several payloads, given by where their codewords have ones, a second agrees with; None where
    it agrees with none."""
    best = [max((_agreement(llr, ones) for ones in each), default=0.0) for each in words]
    most = int(np.argmax(best)) if best else 0
    return most if best and best[most] >= _AGREES else None


def _not_carrying(readings: Sequence[Reading], payloads: Sequence[bytes], code: CellCode) -> list[Reading]:
    if not readings:
        return []
    words = [_ones(payload, code) for payload in payloads]
    return [reading for reading in readings if carried_by(reading.for_both_words(), words) is None]


def carried(
    parts: Sequence[Part | None], soft: Sequence[Floats | None], payloads: Sequence[bytes], code: CellCode
) -> list[int | None]:
    """For each second the number of the payload that it carries, or None.

    Args:
        parts: that were read from each second alone, or None.
        soft: soft values ``[2040]``, or those for both kinds of words ``[2, 2040]``, of each second that was
            not read alone, else None.
        payloads: all that were found.
        code: key and profile.
    """
    unread = any(llr is not None for llr in soft)
    words = [_ones(payload, code) for payload in payloads] if unread else []
    of: dict[Part, int | None] = {}
    for part in {part for part in parts if part is not None}:
        fits = (n for n, payload in enumerate(payloads) if part.belongs_to(payload, code.key))
        of[part] = next(fits, None)
    return [
        of[part] if part is not None else None if llr is None else carried_by(llr.astype(np.float64), words)
        for part, llr in zip(parts, soft, strict=True)
    ]


def found_payloads(
    payloads: Sequence[bytes], euls: Sequence[Eul], carrying: Sequence[int | None]
) -> list[FoundPayload]:
    """What the answer says of each payload, the one with most seconds first.

    Args:
        payloads: all that were found.
        euls: every second, in the order of time.
        carrying: for each second the number of its payload, or None.
    """
    count = Counter(number for number in carrying if number is not None)
    order = sorted(range(len(payloads)), key=lambda number: -count[number])
    return [
        FoundPayload(payloads[number], count[number], tuple(_ranges(euls, carrying, number)))
        for number in order
    ]


def _ranges(
    euls: Sequence[Eul], carrying: Sequence[int | None], number: int
) -> Iterable[tuple[float, float]]:
    """Where a payload was found, in seconds: from its first to its last second in a row, across seconds of
    which nothing is known."""
    start = end = None
    for eul, carried in zip(euls, carrying, strict=True):
        if carried == number:
            start = eul.start_s if start is None else start
            end = eul.start_s + EUL_SAMPLES / RATE
        elif carried is not None and start is not None and end is not None:
            yield round(start, 3), round(end, 3)
            start = end = None
    if start is not None and end is not None:
        yield round(start, 3), round(end, 3)


def identifiers(payloads: Sequence[bytes], carrying: Sequence[int | None]) -> list[str | None]:
    """For each second the identifier of its payload in hexadecimal, or None."""
    names = [payload_id(payload).hex() for payload in payloads]
    return [None if number is None else names[number] for number in carrying]
