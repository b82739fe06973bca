"""The walk through a stream: find a second by its pilots, follow its clock, look again when it is lost.

::

    stream   |.......|1   2   3   4 |~~~~~~~~~~~|1   2   3 ...
              search  followed       fits nothing found again

Of several clocks in what is searched the clearest is found. What lies before it and fits no clock is searched
once more: where recordings were joined, a short one may lie there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from soundsafe.aliases import Audio
from soundsafe.cells.code import CellCode
from soundsafe.cells.high_pass import ORDERS, HighPass, find_high_pass, without_high_pass
from soundsafe.cells.layout import Layout, features
from soundsafe.cells.mixtures import mix_channels, mixtures
from soundsafe.cells.profile import EUL_SAMPLES, PHASES
from soundsafe.cells.reading import (
    MARGIN,
    Reading,
    likeliest_codes,
    read_equalised,
    read_second,
    read_without_bass,
    second_spectrum,
)
from soundsafe.cells.settings import DETECTOR, DetectorSettings
from soundsafe.cells.sync import (
    Lock,
    SecondSums,
    SummedScan,
    agreement,
    nudge,
    place_scores,
    scan,
    try_offsets,
)
from soundsafe.stft import HOP, RATE

__all__ = ["TrackedSecond", "Tracker"]

_WINDOW = 3 * RATE
"""Samples that are searched for pilots at a time."""

_STRIDE, _LATER_STRIDE = 2 * RATE, 8 * RATE
"""Samples from one search to the next: at the beginning of a stream, and from `_LATER` on."""

_LATER = 16 * RATE

_SUMMED = 5
"""Windows without a clock that are added up: 11 s, over which the clocks of two devices differ by
a few samples. In more, and in later ones, which lie apart by multiples of the pilots' period, music in loops
looks like a mark."""

_AROUND = RATE // 5
"""Samples on either side of a second with which phases are undone."""

_HELD = 16 * RATE
"""Samples before a search that are kept, where a clock that it finds may begin."""

_BACK, _BACK_Z = 3, 2.5
"""Seconds before a clock whose pilots are asked whether it began before them, and how well they must
agree."""

_WORDS_WITHOUT_PILOTS = 6
"""Descriptions of a second's audio that are tried where no pilots were found."""


class _Buffer:
    """The stretch of a stream that may still be looked at; positions are samples of the whole stream."""

    def __init__(self, blocks: Iterable[Audio]) -> None:
        self._blocks = iter(blocks)
        self._ended = False
        self.audio: Audio | None = None
        self.base = 0
        """Samples of the stream before the buffer."""
        self.samples = 0
        """Samples of the stream so far."""

    def load(self, point: int, back: int) -> bool:
        """Take in what a search from `point` on needs, and let go what lies before both `point` and `back`.

        Returns False where the stream holds nothing at all.
        """
        while not self._ended and (self.audio is None or self.end < point + _WINDOW + 2 * MARGIN):
            block = next(self._blocks, None)
            if block is None:
                self._ended = True
            else:
                self._take(block, min(point, back) - 2 * MARGIN)
        return self.audio is not None

    def _take(self, block: Audio, keep: int) -> None:
        self.samples += block.shape[1]
        if self.audio is None:
            self.audio = block
            return
        cut = max(0, min(keep - self.base, self.audio.shape[1]))
        self.audio = np.concatenate([self.audio[:, cut:], block], axis=1)
        self.base += cut

    @property
    def held(self) -> Audio:
        """All that the buffer holds."""
        assert self.audio is not None  # `load` said so
        return self.audio

    @property
    def end(self) -> int:
        """Where the buffer ends."""
        return self.base + self.held.shape[1]

    def window(self, first: int) -> Audio:
        """What is searched for pilots from `first` on."""
        at = max(0, first - self.base)
        return self.held[:, at : first - self.base + _WINDOW]


@dataclass(frozen=True)
class HighPassed:
    """What a second had gone through, and the layout that it had before."""

    which: HighPass
    layout: Layout


@dataclass(frozen=True)
class TrackedSecond:
    """A second on the walk: its reading, and where in `audio` it lies, to be read in another way."""

    reading: Reading
    audio: Audio
    at: float
    phase: int

    def after_equaliser(self, code: CellCode, settings: DetectorSettings) -> Reading | None:
        """The same second, read as if it had gone through an equaliser."""
        found = read_equalised(self.audio, self.at, self.phase, code, settings)
        return None if found is None else replace(found, start=self.reading.start)

    def behind_high_pass(
        self, code: CellCode, settings: DetectorSettings, before: HighPassed | None, search: bool = True
    ) -> Iterator[tuple[Reading, HighPass]]:
        """The same second without what high-passes of several orders did, and, if `search`, as if of its
        lowest bands nothing was left.

        `before`: what a second before it had gone through. None come where its pilots do not show, or nothing
        fits.
        """
        first = max(0, math.floor(self.at) - _AROUND)
        audio = self.audio[:, first : math.ceil(self.at) + EUL_SAMPLES + _AROUND]
        near = max(0, round(self.at - first))
        known = None if before is None else before.which
        found = find_high_pass(audio, near, self.phase, code, known)
        if found.z < settings.high_pass_z:
            return
        at = near + found.shift if found.which.hz else self.at - first
        for which in _of_all_orders(found.which, known):
            read = read_second(without_high_pass(audio, which), at, self.phase, code, settings)
            if read is not None:
                yield replace(read, start=self.reading.start), which
        if not search:
            return
        upright = without_high_pass(audio, found.which, levels=False)
        layout = None if before is None else before.layout
        supposed = read_without_bass(upright, at, self.phase, code, settings, layout)
        if supposed is not None:
            yield replace(supposed, start=self.reading.start), found.which


def _of_all_orders(found: HighPass, known: HighPass | None) -> list[HighPass]:
    """Filters that turn phases like the one `found`, itself the first, and alone if it is `known`; none
    where it is no filter."""
    if not found.hz:
        return []
    return [found, *(found.like(order) for order in ORDERS if known is None and order != found.order)]


class Tracker:
    """Walks through a stream of blocks; iterating gives all seconds that were read, `TrackedSecond`.

    One that begins before the end of former ones, which did not fit, takes their place.

    Args:
        blocks: ``[channels, samples]`` at 44.1 kHz, of any length each.
        code: key and profile.
        settings: the detector's.
        reads: whether a second gives its word; asked of seconds that fit little, as after codecs, which take
            the fit and leave the word.
    """

    def __init__(
        self,
        blocks: Iterable[Audio],
        code: CellCode,
        settings: DetectorSettings = DETECTOR,
        reads: Callable[[TrackedSecond], bool] = lambda second: False,
    ) -> None:
        self.code, self.settings, self._reads = code, settings, reads
        self.score = 0.0
        """The pilots' best z, of all searches for a clock."""
        self.start: float | None = None
        """Where the first clock that was found begins, in samples."""
        self.clock: float | None = None
        """Where the clock begins that is followed now."""
        self._buffer = _Buffer(blocks)
        self._search_from = 0  # where to look for a clock while there is none
        self._at: float | None = None  # where the next second starts by the clock
        self._phase = 0
        self._unfitted_from = 0  # where the stretch begins that no clock has fitted so far
        self._gaps_to = 0  # up to where such stretches were searched again
        self._misses = 0  # seconds in a row that fitted nothing
        self._patience = 1  # misses until the pilots are looked for again
        self._equaliser_tries = settings.equalised_tries
        self._searched_end = False
        self._summed = SummedScan(_WINDOW, _SUMMED)

    @property
    def samples(self) -> int:
        """Samples of the stream that were taken in so far."""
        return self._buffer.samples

    def __iter__(self) -> Iterator[TrackedSecond]:
        while self._buffer.load(point := self._point, self._unfitted_from):
            if self._buffer.end - point < EUL_SAMPLES - HOP:
                if not self._clock_at_end():
                    return
            elif self._at is None:
                self._find_clock(point)
            else:
                second = self._read(self._at)
                if second is None:
                    return
                if self._still_fits(second, point):
                    yield second
                    self._advance()

    @property
    def _point(self) -> int:
        """The sample of interest: where to search, or the second that comes next."""
        return self._search_from if self._at is None else math.floor(self._at)

    def _advance(self) -> None:
        assert self._at is not None
        self._at, self._phase = self._at + EUL_SAMPLES, (self._phase + 1) % PHASES

    def _tracked(self, reading: Reading) -> TrackedSecond:
        assert self._at is not None
        audio, at = self._buffer.held, self._at - self._buffer.base
        return TrackedSecond(replace(reading, start=self._at), audio, at, self._phase)

    # Clocks

    def _find_clock(self, point: int) -> None:
        """Look for the pilots from `point` on; next time further on where they are not found."""
        window = self._buffer.window(point)
        lock = self._lock_in(window, point)
        if lock is None and point == 0:
            lock = self._lock_without_pilots(window)
        if lock is None:
            self._gaps_to = point
            self._unfitted_from = max(self._unfitted_from, point - _HELD)
            self._search_from += _STRIDE if point < _LATER else _LATER_STRIDE
            return
        self._follow(point + lock.start, lock.phase)
        self._misses, self._patience = 0, 1

    def _lock_in(self, window: Audio, point: int) -> Lock | None:
        """The pilots in `window`, which begins at sample `point`, if they are there or show in the windows
        before it too; at the beginning known offsets are tried first."""
        offsets = (0,) if point else self.settings.known_offsets
        known = [o for o in offsets if o + EUL_SAMPLES <= window.shape[1]]
        lock = try_offsets(window, known, self.code) if known else None
        if lock is None or lock.z < self.settings.sure_z:
            scores = place_scores(window, self.code)
            found = scan(window, self.code, scores)
            lock = found if lock is None or found.z > lock.z else lock
            if lock.z < self.settings.lock_z and point < _LATER:
                summed = self._summed.add(scores, point)
                lock = summed if summed.z > lock.z else lock
        self.score = max(self.score, lock.z)
        return lock if lock.z >= self.settings.lock_z else None

    def _lock_without_pilots(self, window: Audio) -> Lock | None:
        """A first second at a known offset whose bits alone show it: pilots can be learned, and removed."""
        few = replace(self.settings, host_words=_WORDS_WITHOUT_PILOTS)
        for offset in self.settings.known_offsets if self.code.profile.host_bound else ():
            spectrum = second_spectrum(window, float(offset))
            if spectrum is None:
                break
            mixed = mix_channels(spectrum, mixtures(len(spectrum), 0)[0])
            best = likeliest_codes(mixed, features(mixed, self.code.profile), self.code, 0, few)[0]
            if best.is_sure:
                return Lock(float(offset), 0, self.settings.lock_z)
        return None

    def _clock_at_end(self) -> bool:
        """Look for the pilots in the last seconds of the stream, once, where they may have been passed over.

        Returns whether there is more to read.
        """
        buffer = self._buffer
        here = max(self._unfitted_from, buffer.base, buffer.end - _WINDOW)
        passed = self._patience > 2 if self._at is not None else self._search_from > _LATER
        if self._searched_end or not passed or buffer.end - here < EUL_SAMPLES:
            return False
        lock = scan(buffer.held[:, here - buffer.base :], self.code)
        self.score = max(self.score, lock.z)
        if lock.z < self.settings.lock_z:
            return False
        self._follow(here + lock.start, lock.phase)
        self._searched_end = True
        return True

    def _follow(self, at: float, phase: int) -> None:
        """Take the clock that has a second of `phase` at sample `at`, from its first second on."""
        self._summed.clear()
        at, phase = self._earliest(at, phase)
        self._at, self._phase = self._before(at) or (at, phase)
        self._unfitted_from = math.floor(self._at)
        self.clock = self._at
        if self.start is None:
            self.start = self._at

    def _earliest(self, at: float, phase: int) -> tuple[float, int]:
        """Place and phase of the first of the seconds before the one at `at` that fit its clock, or whose
        pilots do.

        Where nothing was found for long, not every second was looked at.
        """
        base = self._buffer.base
        seen: SecondSums = {}
        while at - EUL_SAMPLES >= max(self._unfitted_from, base):
            before = (phase - 1) % PHASES
            reading = self._read_at(at - EUL_SAMPLES, before)
            if reading is None:
                break
            if reading.fit < self.settings.keep_fit and not self._agrees_before(at, phase, seen):
                break
            at, phase = at - EUL_SAMPLES, before
        return at, phase

    def _agrees_before(self, at: float, phase: int, seen: SecondSums) -> bool:
        """Whether pilots before the second of `phase` at sample `at` agree with its clock as those after do:
        in tonal music any pilots agree a little. `seen`: seconds that were looked at already."""
        held, here = self._buffer.held, round(at - self._buffer.base)
        room = at - max(self._unfitted_from, self._buffer.base)
        before = min(_BACK, math.floor(room / EUL_SAMPLES))
        after = min(_BACK, (held.shape[1] - here) // EUL_SAMPLES)
        first = (phase - before) % PHASES
        z = agreement(held, here - before * EUL_SAMPLES, before, first, self.code, seen)
        return z >= max(_BACK_Z, 0.5 * agreement(held, here, after, phase, self.code, seen))

    def _before(self, at: float) -> tuple[float, int] | None:
        """Place and phase of the first second of another mark in the stretch before `at` that fits no clock;
        None where there is none."""
        buffer = self._buffer
        first, end = max(self._unfitted_from, self._gaps_to, buffer.base), math.floor(at)
        for start in range(first, end - EUL_SAMPLES + 1, _STRIDE):
            window = buffer.held[:, start - buffer.base : min(start + _WINDOW, end) - buffer.base]
            if window.shape[1] < EUL_SAMPLES:
                break
            lock = scan(window, self.code)
            if lock.z >= self.settings.lock_z and not self._is_followed(start + lock.start, lock.phase):
                found = self._earliest(start + lock.start, lock.phase)
                self._gaps_to = math.floor(found[0]) + EUL_SAMPLES
                return found
        self._gaps_to = end
        return None

    def _is_followed(self, at: float, phase: int) -> bool:
        """Whether a second of `phase` at `at` is one of the clock that is followed."""
        if self._at is None:
            return False
        apart = (at - self._at) / EUL_SAMPLES
        seconds = round(apart)
        return abs(apart - seconds) * EUL_SAMPLES <= 1.0 and (self._phase + seconds - phase) % PHASES == 0

    # Seconds

    def _read_at(self, at: float, phase: int) -> Reading | None:
        return read_second(self._buffer.held, at - self._buffer.base, phase, self.code, self.settings)

    def _read(self, at: float) -> TrackedSecond | None:
        """The second at `at`, or nearby, or after an equaliser; None where the stream does not hold it."""
        reading = self._read_at(at, self._phase)
        if reading is None:
            return None
        if reading.fit < self.settings.nudged_fit:
            reading = self._nudged(reading, at)
        return self._equalised(self._tracked(reading))

    def _nudged(self, reading: Reading, at: float) -> Reading:
        """`reading`, or a better one nearby, where the pilots say that the clock has drifted there."""
        buffer, settings = self._buffer, self.settings
        near = max(0, round(at - buffer.base))
        off = near + nudge(buffer.held, near, self._phase, self.code) - (at - buffer.base)
        if abs(off) <= settings.nudge:
            return reading
        moved = self._read_at(at + off, self._phase)
        if moved is None or moved.fit <= max(reading.fit, settings.keep_fit):
            return reading
        self._at = at + off
        return moved

    def _equalised(self, second: TrackedSecond) -> TrackedSecond:
        """`second`, or what is read of it after an equaliser, where that explains why it fits little."""
        settings = self.settings
        if second.reading.unfiltered(settings):
            self._equaliser_tries = 0
        elif (
            second.reading.fit < settings.equalised_fit
            and self._equaliser_tries
            and not self._reads(second)  # it takes longer than to read the word
        ):
            undone = second.after_equaliser(self.code, settings)
            if undone is not None and undone.fit > max(second.reading.fit, settings.keep_fit):
                self._equaliser_tries = settings.equalised_tries
                return replace(second, reading=undone)
            self._equaliser_tries -= 1
        return second

    def _still_fits(self, second: TrackedSecond, point: int) -> bool:
        """Whether the clock is kept, by which `second` was read. After too many misses another is looked for,
        from `point` on.

        Returns False where another was found, by which the stretch is then read again, or none is any more.
        """
        assert self._at is not None
        if second.reading.fit >= self.settings.keep_fit or self._reads(second):
            self._unfitted_from = math.floor(self._at) + EUL_SAMPLES
            self._misses, self._patience = 0, 1
        else:
            self._misses += 1
        if self._misses < self._patience:
            return True
        # The audio may have been cut here. Where nothing better is found, look ever less often.
        is_last_look = self._patience == self.settings.most_patience
        self._misses, self._patience = 0, min(2 * self._patience, self.settings.most_patience)
        here = max(point, self._buffer.base)
        lock = scan(self._buffer.window(here), self.code)
        is_there = lock.z >= self.settings.lock_z
        if is_there and not self._is_followed(here + lock.start, lock.phase):
            self._follow(here + lock.start, lock.phase)
            return False
        self._unfitted_from = here
        if is_last_look and not is_there:
            # The mark has ended: to look for another costs far less than to read what carries none.
            self._at, self._search_from = None, here
            return False
        return True
