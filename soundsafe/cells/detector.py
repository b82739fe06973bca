"""The blind detector of the cell layer: from a stream and a `CellCode` to the payload.

It works in constant memory: `soundsafe.cells.tracking` walks through the stream, `soundsafe.cells.reading`
reads its seconds, `soundsafe.cells.combining` makes words of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from soundsafe.aliases import Audio, Floats
from soundsafe.cells.code import CellCode
from soundsafe.cells.combining import read_alone, short_soft_values
from soundsafe.cells.layout import described
from soundsafe.cells.payloads import Search, carried, found_payloads, identifiers, search
from soundsafe.cells.profile import EUL_SAMPLES
from soundsafe.cells.reading import Reading
from soundsafe.cells.settings import DETECTOR, DetectorSettings
from soundsafe.cells.tracking import HighPassed, TrackedSecond, Tracker
from soundsafe.message.container import FALSE_ACCEPT, Part, assemble, payload_id
from soundsafe.message.words import ERASED, ErrorCode, Word
from soundsafe.result import Eul, FoundPayload
from soundsafe.stft import RATE

__all__ = ["Detection", "detect"]


@dataclass(frozen=True)
class Detection:
    """What was found in a stream.

    `payload` and `identifier` (8 bytes) are authenticated, or None; `payloads`: all that were found, the one
    with most seconds, which is `payload`, first. `euls`: every second that was read;
    `combined`: how many were added up; `score`: the pilots' best z; `start`: sample at which the mark that
    answered begins, or the first clock; `bound`: on the chance of a false accept; `samples` of the stream;
    `code`: the error-correcting code of what was read, None where no second was read by itself;
    `is_learnable`: the payload was read from marks of version 1 alone, which anybody may have learned;
    `soft`: where no payload was found, soft values of a short word that all seconds have together, at each
    likely scale; `model`: name or path of the network through whose map the payload was read.
    """

    payload: bytes | None
    identifier: bytes | None
    euls: list[Eul]
    combined: int
    score: float
    start: float | None
    bound: float
    samples: int
    payloads: tuple[FoundPayload, ...] = ()
    code: ErrorCode | None = None
    is_learnable: bool = False
    soft: tuple[Floats, ...] = field(default=(), repr=False)
    model: str | None = None


def detect(blocks: Iterable[Audio], code: CellCode, settings: DetectorSettings = DETECTOR) -> Detection:
    """Everything that a stream holds under a code.

    Args:
        blocks: ``[channels, samples]`` at 44.1 kHz, of any length each.
        code: key and profile.
        settings: where to draw the lines.
    """
    collector = _Collector(code, settings)
    tracker = Tracker(blocks, code, settings, collector.reads)
    for second in tracker:
        assert tracker.clock is not None  # seconds are read by a clock
        collector.add(second, tracker.clock)
    found = collector.search()
    payloads, euls = collector.answers(found.payloads)
    payload = payloads[0].payload if payloads else None
    start = tracker.start
    if payload is not None:
        start = min(collector.clocks_of(payload), default=start)
    return Detection(
        payload=payload,
        identifier=payload_id(payload) if payload is not None else None,
        euls=euls,
        combined=found.combined if found.payloads[:1] == (payload,) else 0,
        score=tracker.score,
        start=start,
        bound=min(1.0, max(collector.attempts, 1) * FALSE_ACCEPT),
        samples=tracker.samples,
        payloads=tuple(payloads),
        code=collector.word_code,
        is_learnable=payload is not None and collector.is_learnable(payload),
        model=code.profile.model if payload is not None else None,
        soft=() if payloads else tuple(short_soft_values(collector.readings, code, settings)),
    )


class _Collector:
    """Gathers what the seconds of a walk say."""

    def __init__(self, code: CellCode, settings: DetectorSettings) -> None:
        self.code, self.settings = code, settings
        self.euls: list[Eul] = []
        self.attempts = 0
        """Blocks that were tried."""
        self.word_code: ErrorCode | None = None
        """The code of the first word that a second gave by itself."""
        self.readings: list[Reading] = []  # to be added up; once a payload is whole, those not read alone
        self._parts: list[Part | None] = []  # of each of `euls`
        self._passed: list[Part | None] = []  # of seconds that others took the place of
        self._soft: list[Floats | None] = []  # soft values of each of `euls` that was not read alone
        self._clock_of: dict[Part, float] = {}  # where the clock began under which each was read first
        self._learnable: dict[Part, bool] = {}  # whether each was read from marks of version 1 alone
        self._whole = False
        self._short_first = True  # whether the last word that was read was a short one
        self._equaliser_tries = settings.equalised_tries
        self._high_pass_tries = settings.high_pass_tries
        self._searches = settings.high_pass_searches
        self._high_passed: HighPassed | None = None  # of the last second that was read behind one
        self._asked: tuple[TrackedSecond, tuple[Word | None, Reading]] | None = None  # not taken in yet

    def add(self, second: TrackedSecond, clock: float) -> None:
        """Take in one second, which was read by the clock that begins at sample `clock`."""
        self.reads(second)
        assert self._asked is not None
        word, reading = self._asked[1]
        self._asked = None
        self._replace_overlapped(reading.start)
        self.euls.append(_eul(reading, word))
        if word is not None:
            self._short_first = word.is_short
        self._parts.append(None if word is None else word.part)
        if word is not None:
            earlier = self._learnable.get(word.part, True)
            self._learnable[word.part] = earlier and reading.is_learnable
        if word is not None:
            self.word_code = self.word_code or word.code
        self._soft.append(None if word is not None else reading.for_both_words().astype(np.float16))
        if word is not None and word.part not in self._clock_of:
            self._clock_of[word.part] = clock
            if not self._whole and assemble(self._clock_of, self.code.key) is not None:
                self._whole = True
                read = {eul.start_s for eul in self.euls if eul.ok}
                self.readings = [each for each in self.readings if each.start / RATE not in read]
        if word is None or not self._whole:
            self._keep(reading)

    def reads(self, second: TrackedSecond) -> bool:
        """Whether `second`, which may be taken in next, gives its word by itself."""
        if self._asked is None or self._asked[0] is not second:
            self._asked = second, self._read(second)
        return self._asked[1][0] is not None

    def search(self) -> Search:
        """All payloads, those among them of which parts are missing of seconds added up."""
        parts = [part for part in (*self._parts, *self._passed) if part is not None]
        found = search(self.readings, parts, self.code, self.settings)
        self.attempts += found.attempts
        return found

    def answers(self, payloads: Sequence[bytes]) -> tuple[list[FoundPayload], list[Eul]]:
        """What the answer says of each payload, and all seconds with the identifiers of theirs."""
        carrying = carried(self._parts, self._soft, payloads, self.code)
        names = identifiers(payloads, carrying)
        euls = [replace(eul, id_hex=name) for eul, name in zip(self.euls, names, strict=True)]
        return found_payloads(payloads, euls, carrying), euls

    def is_learnable(self, payload: bytes) -> bool:
        """Whether nothing of `payload` was read from marks that are bound to their audio; of seconds that
        were added up, most."""
        its = [old for part, old in self._learnable.items() if part.belongs_to(payload, self.code.key)]
        if its:
            return any(its)
        old = [reading.is_learnable for reading in self.readings]
        return 2 * sum(old) >= len(old)

    def clocks_of(self, payload: bytes) -> list[float]:
        """Where the clocks begin under which parts of `payload` were read: the first clock of a stream may be
        that of another mark, or an accident."""
        return [at for part, at in self._clock_of.items() if part.belongs_to(payload, self.code.key)]

    def _read(self, second: TrackedSecond) -> tuple[Word | None, Reading]:
        word, reading = self._read_as(second.reading)
        if reading.unfiltered(self.settings):
            self._equaliser_tries = 0
        elif word is None:
            word, other = self._read_filtered(second)
            reading = reading if word is None else other
        return word, reading

    def _read_filtered(self, second: TrackedSecond) -> tuple[Word | None, Reading]:
        """`_read` of a second that gives no word as it is: a filter may have turned its phases, taken its
        lowest bands, or made some louder."""
        settings = self.settings
        if self._high_pass_tries:
            self._high_pass_tries -= 1
            search = self._searches > 0
            self._searches -= 1
            for reading, which in second.behind_high_pass(self.code, settings, self._high_passed, search):
                word, reading = self._read_as(reading)
                if word is not None:
                    self._high_pass_tries = settings.high_pass_tries
                    self._high_passed = HighPassed(which, reading.layouts[0])
                    return word, reading
            self._high_passed = None
        if self._equaliser_tries and second.reading.fit >= settings.equalised_fit:
            # Most bands are as they were.
            self._equaliser_tries -= 1
            other = second.after_equaliser(self.code, settings)
            if other is not None:
                word, other = self._read_as(other)
                if word is not None:
                    self._equaliser_tries = settings.equalised_tries
                    return word, other
        return None, second.reading

    def _read_as(self, reading: Reading) -> tuple[Word | None, Reading]:
        """The word of a second that was read in one way or another."""
        word, tried, reading = read_alone(reading, self.code, self.settings, self._short_first)
        self.attempts += tried
        return word, reading

    def _replace_overlapped(self, start: float) -> None:
        """Drop the seconds that reach beyond the middle of the one that starts at sample `start`."""
        while self.euls and self.euls[-1].start_s > start / RATE - 0.5:
            self.euls.pop()
            self._soft.pop()
            self._passed.append(self._parts.pop())
        while self.readings and self.readings[-1].start > start - EUL_SAMPLES / 2:
            self.readings.pop()

    def _keep(self, reading: Reading) -> None:
        """Keep a reading to be added up; of very many, those that fit best."""
        readings, most = self.readings, self.settings.most_kept
        readings.append(reading)
        whole = [i for i, each in enumerate(readings) if each.short.projected]
        if len(whole) >= 2 * self.settings.most_together:
            for i in sorted(whole, key=lambda i: readings[i].fit)[: self.settings.most_together]:
                readings[i] = readings[i].without_projections()
        if len(readings) >= 2 * most:
            best = sorted(range(len(readings)), key=lambda i: -readings[i].fit)[:most]
            self.readings = [readings[i] for i in sorted(best)]


def _eul(reading: Reading, word: Word | None) -> Eul:
    return Eul(
        start_s=reading.start / RATE,
        ok=word is not None,
        corrected_bytes=0 if word is None else word.corrected_bytes,
        margin_db=None if word is None else word.margin_db,
        erasures=int((np.abs(reading.llr) < ERASED).sum()),
        bits=(reading.llr < 0).astype(np.uint8),
        **described(reading.layouts, scales=list(reading.scales)),
    )
