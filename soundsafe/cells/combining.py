"""From soft values to words: of one second alone, and of several that carry the same word."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from soundsafe.aliases import Floats, Ints
from soundsafe.cells.code import CellCode
from soundsafe.cells.joint import read_jointly
from soundsafe.cells.layout import Layout
from soundsafe.cells.pooled import pooled_soft_values
from soundsafe.cells.profile import EUL_SAMPLES, SHORT_SCALES
from soundsafe.cells.reading import Reading
from soundsafe.cells.settings import DETECTOR, DetectorSettings
from soundsafe.cells.unsure import likely_ways
from soundsafe.message.coding import N
from soundsafe.message.container import Part, assemble, cycle_of, parts_of
from soundsafe.message.short_words import ShortRead
from soundsafe.message.words import Word, worth

__all__ = ["Combined", "combine", "read_alone", "short_soft_values"]

_SEEN_FIT = 6.0
"""Fit of a short word's scale that is no accident."""

_USUAL = tuple(SHORT_SCALES.index(scale) for scale in (1.0, 0.72))
"""Scales of the default strength and of the quiet one. After MP3 at 128 kbit/s in stereo no scale may be seen
to fit, and yet the right one gives all of the word."""

_TOLD_SCALE = 5.0
"""By how much more a second must fit another scale than the one that all fit best, to be read at its own."""


_WAYS = 4
"""How many highest bands are tried where seconds do not show how they were marked."""

_TURNS = 3
"""Turns between what the code believes of seconds that were added up, and how noisy they are."""


@dataclass(frozen=True)
class Combined:
    """What adding seconds up gave: the `payload` or None, how many `seconds` were added up for it, and how
    many blocks were tried."""

    payload: bytes | None
    seconds: int
    attempts: int


def read_alone(
    reading: Reading, code: CellCode, settings: DetectorSettings = DETECTOR, short_first: bool = True
) -> tuple[Word | None, int, Reading]:
    """The word of one second, short or long.

    Args:
        reading: its soft values.
        code: key and profile.
        settings: the detector's.
        short_first: which of both to try first; a long one that is not there takes longer.

    Returns:
        The word, or None; how many blocks were tried; the reading, with the soft values of the last try.
    """
    word, attempts = None, 0
    for short in (short_first, not short_first):
        if word is None:
            word, tried, reading = (
                _read_short(reading, code) if short else _read_long(reading, code, settings)
            )
            attempts += tried
    return word, attempts, reading


def _read_short(reading: Reading, code: CellCode) -> tuple[Word | None, int, Reading]:
    """`read_alone` of a short word."""
    if not code.has_short_words:
        return None, 0, reading
    attempts = 0
    for llr, layouts in _at_likely_scales(reading, code):
        own = code.learnable if all(lay.host is None for lay in layouts) else code
        found = own.read_short_word(llr)
        attempts += found.attempts
        if found.payload is not None:
            wrong = np.packbits(own.encode_short_word(found.payload) ^ (llr < 0))
            margin = own.short_margin_db(found.payload, llr)
            word = Word(found.part(), int(np.count_nonzero(wrong)), is_short=True, margin_db=margin)
            return word, attempts, replace(reading, soft=llr, layouts=layouts)
    return None, attempts, reading


def _usual_scales(fits: Floats) -> list[int]:
    """Which of `SHORT_SCALES` to try, the one that fits best first; the usual ones where no fit is seen."""
    best = int(fits.argmax())
    return [best] if fits[best] >= _SEEN_FIT else [best, *(which for which in _USUAL if which != best)]


def _at_likely_scales(reading: Reading, code: CellCode) -> Iterator[tuple[Floats, tuple[Layout, ...]]]:
    """Soft values of one second for a short word, at one likely scale after the other, and their layouts."""
    short = reading.short
    own = tuple(one.layout for one in short.mixtures) or reading.layouts
    yield short.llr, own
    if short.mixtures:
        best = SHORT_SCALES[int(short.fits.argmax())]
        yield pooled_soft_values([short.mixtures], [best], code), own
        for which in _usual_scales(short.fits)[1:]:
            yield short.at_scale(which, code), own
    for other in short.under_other_codes(code):
        best = int(other.fits.argmax())
        yield other.at_scale(best, code), tuple(one.layout for one in other.mixtures)


def _read_long(
    reading: Reading, code: CellCode, settings: DetectorSettings
) -> tuple[Word | None, int, Reading]:
    """`read_alone` of a block of 191 bytes."""
    llr = reading.llr
    if worth(llr) <= settings.decode_information:
        return None, 0, reading
    word, attempts = code.read_word(llr)
    beliefs = code.beliefs
    for _ in range(settings.reread_turns if beliefs else 0):
        if word is not None or worth(llr) < settings.reread_information:
            break
        (llr,) = read_jointly([reading.mixtures], [llr], code, beliefs, rounds=1)
        word, tried = code.read_word(llr)
        attempts += tried
    return word, attempts, replace(reading, soft=llr)


def _likely_cycles(readings: Sequence[Reading], number: Ints, settings: DetectorSettings) -> list[int]:
    """Cycles of parts, the likeliest first: seconds that far apart would agree in their bits."""
    soft = {int(n): np.tanh(r.llr / 2.0) for n, r in zip(number, readings, strict=True)}
    agreement = []
    for cycle in range(1, min(settings.longest_cycle, max(1, len(readings) // 2)) + 1, 2):
        pairs = [soft[n] * soft[n + cycle] for n in list(soft)[: settings.most_together] if n + cycle in soft]
        norm = math.sqrt(sum(float((pair**2).sum()) for pair in pairs))
        agreement.append((sum(float(pair.sum()) for pair in pairs) / max(norm, 1e-9), cycle))
    best = [cycle for _, cycle in sorted(agreement, reverse=True)[: settings.most_cycles]]
    return best if 1 in best else [1, *best]


def _by_fit(readings: Sequence[Reading]) -> list[Reading]:
    """The readings, the one that fits best first."""
    return sorted(readings, key=lambda r: -r.fit)


def _read_together(
    readings: Sequence[Reading], code: CellCode, settings: DetectorSettings
) -> tuple[Word | None, int]:
    """The word that several seconds carry, and how many blocks were tried."""
    llr = np.sum([r.llr for r in readings], axis=0)
    readings = _by_fit(readings)[: settings.most_together]
    llrs: Sequence[Floats] = [r.llr for r in readings]
    word, attempts = code.read_word(llr) if worth(llr) > settings.decode_information else (None, 0)
    for beliefs in (None, code.beliefs):
        if word is not None or worth(llr) < settings.join_information:
            break
        llrs = read_jointly([r.mixtures for r in readings], llrs, code, beliefs)
        llr = np.sum(llrs, axis=0)
        word, tried = code.read_word(llr)
        attempts += tried
    return word, attempts


def _added_up(
    readings: Sequence[Reading], which: int, code: CellCode, believed: Floats | None = None
) -> Floats:
    """Soft values for a short word of seconds that, where they do not say otherwise, have one scale."""
    mixtures, scales, rest = [], [], np.zeros(N)
    for short in (r.short for r in readings):
        if not short.mixtures:
            rest += short.llr
            continue
        best = int(short.fits.argmax())
        unsure = short.fits[best] - short.fits[which] < _TOLD_SCALE
        mixtures.append(short.mixtures)
        scales.append(SHORT_SCALES[which if unsure else best])
    return rest + pooled_soft_values(mixtures, scales, code, believed)


def _common_fits(readings: Sequence[Reading]) -> Floats:
    """Fits ``[SHORT_SCALES]`` of all seconds for a short word, normal by chance."""
    total: Floats = np.sum([r.short.fits for r in readings], axis=0)
    return total / math.sqrt(len(readings))


def short_soft_values(
    readings: Sequence[Reading], code: CellCode, settings: DetectorSettings = DETECTOR
) -> Iterator[Floats]:
    """Soft values of a short word, without its named bits, that the seconds which fit best have together.

    Args:
        readings: of any number of seconds; of none nothing comes.
        code: key and profile.
        settings: the detector's.

    Yields:
        ``[bits of the word]``, positive for 0, at one likely scale after the other.
    """
    readings = _by_fit(readings)[: settings.most_together]
    if readings and code.has_short_words:
        for which in _usual_scales(_common_fits(readings)):
            yield _added_up(readings, which, code)[code.profile.named_bits :]


def _read_short_together(
    readings: Sequence[Reading], code: CellCode, settings: DetectorSettings, thorough: bool
) -> tuple[ShortRead, int]:
    """The short word that all seconds carry, and how many were added up for it."""
    if not code.has_short_words:
        return ShortRead(None, 0), 0
    attempts = 0
    readings = _by_fit(readings)[: settings.most_together]
    halves = [readings]
    if thorough and len(readings) > 3:
        # One stretch may be spoilt: the half that fits least is left out then.
        halves.append(readings[: (len(readings) + 1) // 2])
    own = code.learnable if all(r.is_learnable for r in readings) else code
    for chosen in halves:
        for which in _usual_scales(_common_fits(chosen)):
            found = own.read_short_word(_added_up(chosen, which, code))
            attempts += found.attempts
            if found.payload is not None:
                return replace(found, attempts=attempts), len(chosen)
    # Ways are of marks that are bound to their audio, whatever layouts seconds seem to have.
    for read, its in ((_read_short_in_turn, own), (_read_unsure, code)) if thorough else ():
        found = read(readings, its)
        attempts += found.attempts
        if found.payload is not None:
            return replace(found, attempts=attempts), len(readings)
    return ShortRead(None, attempts), 0


def _in_turn(llr: Floats, soft: Callable[[Floats], Floats], code: CellCode) -> ShortRead:
    """The word of soft values ``[2040]`` once `soft` has worked them out again from what the code believes of
    its bits; up to three times."""
    attempts = 0
    for _ in range(_TURNS):
        believed = code.short_beliefs(llr)
        if believed is None:
            break
        llr = soft(believed)
        found = code.read_short_word(llr)
        attempts += found.attempts
        if found.payload is not None:
            return replace(found, attempts=attempts)
    return ShortRead(None, attempts)


def _read_short_in_turn(readings: Sequence[Reading], code: CellCode) -> ShortRead:
    """The same, where what the code believes of bits shows how noisy they are: less noise lets it believe
    more."""
    soft = partial(_added_up, readings, _usual_scales(_common_fits(readings))[0], code)
    return _in_turn(soft(), soft, code)


def _read_unsure(readings: Sequence[Reading], code: CellCode) -> ShortRead:
    """The same, where most seconds do not show how they were marked."""
    unsure = [r.short.projected for r in readings if r.short.projected]
    if 2 * len(unsure) <= len(readings):
        return ShortRead(None, 0)
    attempts = 0
    for ways in likely_ways(unsure, code, _WAYS):
        for usual in (True, False):
            first = ways if usual else ways.weighed(code, usual=False)
            llr = first.soft_values(code)
            again = partial(ways.weighed_soft_values, code, usual)
            for read in (partial(code.read_short_word, llr), partial(_in_turn, llr, again, code)):
                found = read()
                attempts += found.attempts
                if found.payload is not None:
                    return replace(found, attempts=attempts)
    return ShortRead(None, attempts)


def _read_part(
    readings: Sequence[Reading], code: CellCode, settings: DetectorSettings
) -> tuple[Word | None, int, int]:
    """The word of seconds that carry the same part; how many were added up for it, and blocks tried."""
    word, attempts = _read_together(readings, code, settings)
    if word is not None or len(readings) <= 3:
        return word, len(readings), attempts
    # One stretch may be spoilt: leave out the half that fits least.
    readings = _by_fit(readings)[: (len(readings) + 1) // 2]
    word, tried = _read_together(readings, code, settings)
    return word, len(readings), attempts + tried


def combine(
    readings: Sequence[Reading],
    parts: Sequence[Part],
    code: CellCode,
    settings: DetectorSettings = DETECTOR,
    thorough: bool = True,
) -> Combined:
    """Add the soft values of seconds that should carry the same part, until the payload is whole.

    Seconds a whole number of cycles apart carry the same part. A second that decoded names the cycle; where
    none did, cycles are tried in turn.

    Args:
        readings: at least one, in the order of time; their `start` says how far they are apart.
        parts: those that were read from single seconds.
        code: key and profile.
        settings: the detector's.
        thorough: also leave out seconds that may be spoilt, and let the code of short words help.
    """
    attempts = 0
    if not parts:
        short, added = _read_short_together(readings, code, settings, thorough)
        attempts += short.attempts
        if short.payload is not None:
            return Combined(short.payload, added, attempts)
    first = readings[0].start
    number = np.array([round((r.start - first) / EUL_SAMPLES) for r in readings])
    known = {cycle_of(parts_of(part.length)) for part in parts}
    for cycle in sorted(known) or _likely_cycles(readings, number, settings):
        found = list(parts)
        used = lost = 0
        for residue in range(cycle):
            chosen = [r for r, n in zip(readings, number, strict=True) if n % cycle == residue]
            if not chosen:
                continue
            word, added, tried = _read_part(chosen, code, settings)
            attempts += tried
            if word is None:
                lost += 1
                if lost > 1 and not known:  # of a cycle one may be lost: a part may come twice in it
                    break
                continue
            found.append(word.part)
            used += added
        payload = assemble(found, code.key)
        if payload is not None:
            return Combined(payload, used, attempts)
    return Combined(None, 0, attempts)
