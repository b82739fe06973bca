"""The blind detector: from audio and key alone to soft values, words and payload.

Works on a stream of 44.1 kHz blocks in constant memory: find an EUL, read EULs one after the other while
their pilots answer, look again when they stop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.cells.embedder import mix_channels, views
from soundsafe.cells.equaliser import CHANCE, layout_fit, supposed_features, undo_equaliser
from soundsafe.cells.joint import Positions, read_jointly
from soundsafe.cells.lattice import cell_index, correlate, fit_by_region, project, soft_values
from soundsafe.cells.layout import PHASES, Features, Layout, allocation, candidates, features, geometry
from soundsafe.cells.masking import threshold
from soundsafe.cells.profile import EUL_FRAMES, EUL_SAMPLES, Profile
from soundsafe.cells.sync import LOCK_Z, Lock, nudge, scan, try_offsets
from soundsafe.message.container import FALSE_ACCEPT, Part, assemble, cycle_of, parts_of, payload_id
from soundsafe.message.words import ERASED, Word, beliefs, read_word, worth
from soundsafe.result import Eul
from soundsafe.stft import RATE, Stft, stft

__all__ = ["Detection", "Reading", "detect", "read_equalised", "read_eul"]

Audio = NDArray[np.float32]

_HOP = RATE // EUL_FRAMES
_MARGIN = 10 * _HOP
_WINDOW = 3 * RATE
_KNOWN_OFFSETS = [0, 1105]
"""Offsets tried before all others: untouched audio, and LAME's encoder and decoder delay."""

_SURE_Z = 2.0 * LOCK_Z
"""A lock so good that it is no side lobe: in tonal music those reach a third of the best z possible."""

_KEEP_FIT = 6.0
"""Fit under which an EUL may lie elsewhere: the best by chance, of all layouts and scales, is about 5."""

_MOST_PATIENCE = 16

_NUDGED_FIT, _NUDGE = 25.0, 0.2
"""Clocks drift: an EUL that fits less is looked for nearby, and read again if it is so many samples away."""

_EQUALISED_FIT, _EQUALISED_TRIES = 15.0, 3
"""An EUL that still fits less may have gone through an equaliser; so many that did not are tried in a row."""

_UNFILTERED_FIT = 34.0
"""A fit, of one mixture of channels, that no equaliser leaves: after it none is looked for."""

_SUPPOSED, _TOLD_LAYOUT = 12, 12.0
"""Layouts that are tried for each supposed equaliser, and the quick fit that ends the search."""

_SURE_FIT = 25.0

_DOUBT = 4.0
"""What a decibel of distance takes from the fit of a layout: where codecs have left no fit, the audio's own
features are the better witness."""

_WORTH_DECODING = 0.45
_WORTH_REREADING, _TURNS = 0.5, 3
_WORTH_JOINING = 0.2
"""`soundsafe.message.words.worth` under which decoding, rereading, joining is not tried."""

_LONGEST_CYCLE = 25
_MOST_TOGETHER, _MOST_COUNTS = 48, 3
"""EULs that are read together, and cycles that are tried where no EUL tells the number of parts, at most."""

_MOST_KEPT = 1200
"""EULs that are kept to be added up, the best of a longer file: some 30 MB of mono, twice that of stereo."""


@dataclass(frozen=True)
class Reading:
    """Soft values ``[2040]`` of one EUL in the order of the code, with what the detector took its slots from.

    `start` in samples at 44.1 kHz, `layouts`: of each mixture of channels with the EUL, `fit`: how well the
    slots sit on the lattice (standard normal by chance).
    """

    start: float
    llr: NDArray[np.float64]
    layouts: tuple[Layout, ...]
    scales: tuple[float, ...]
    fit: float
    mixtures: tuple[Positions, ...] = ()


@dataclass(frozen=True)
class Detection:
    """What was found: authenticated parts, EULs, and the figures behind the answer."""

    payload: bytes | None
    identifier: bytes | None
    euls: list[Eul]
    combined: int
    score: float
    start: float | None
    bound: float
    samples: int


def _eul_spectrum(audio: Audio, start: float) -> torch.Tensor | None:
    """Spectrum ``[channels, bins, EUL_FRAMES]`` of the EUL at `start` (fractions by rotation), or None."""
    whole = round(start)
    lead = min(_MARGIN, whole // _HOP * _HOP) if whole > 0 else 0
    first = whole - lead
    x = audio[:, max(first, 0) : whole + EUL_SAMPLES + _MARGIN]
    if first < 0:
        x = np.pad(x, ((0, 0), (-first, 0)), mode="reflect")
    need = lead + EUL_SAMPLES - _HOP
    if x.shape[1] < need:
        return None
    spectrum = stft(torch.from_numpy(np.ascontiguousarray(x)))
    frames = lead // _HOP
    if spectrum.shape[-1] < frames + EUL_FRAMES:
        return None
    spectrum = spectrum[..., frames : frames + EUL_FRAMES]
    rest = start - whole
    if abs(rest) < 1e-3:
        return spectrum
    angle = 2.0 * math.pi * rest * torch.arange(spectrum.shape[-2]) / Stft().n_fft
    return spectrum * torch.polar(torch.ones_like(angle), angle)[:, None]


def read_eul(audio: Audio, start: float, phase: int, key: bytes, profile: Profile) -> Reading | None:
    """Soft values of the EUL of `phase` that starts at sample `start` of `audio` at 44.1 kHz.

    None where the audio does not hold all of it. Several mixtures of channels that carry the same bits are
    read apart and their soft values added.
    """
    spectrum = _eul_spectrum(audio, start)
    if spectrum is None:
        return None
    geo = geometry(key, profile)
    index = cell_index(geo, torch.zeros(1, dtype=torch.int64), EUL_FRAMES)[0]
    options: list[tuple[Layout, torch.Tensor, torch.Tensor]] = []
    for mix in views(spectrum.shape[0], phase):
        mixed = mix_channels(spectrum, mix)
        p = project(mixed / threshold(mixed, profile), index, geo)
        tried: list[tuple[float, Layout, torch.Tensor, torch.Tensor]] = []
        feats = features(mixed, profile)
        for lay in candidates(feats, key, profile, phase):
            position = p[lay.slots] / geo.step[lay.slots]
            fits = fit_by_region(position, lay, geo)
            tried.append((float(fits.max(1).values.sum()) - _DOUBT * lay.distance_db, lay, position, fits))
            if tried[-1][0] > _SURE_FIT * profile.regions / 5:
                break
        _, lay, position, fits = max(tried, key=lambda t: t[0])
        options.append((lay, position, fits))
    # Channels that carry the same EUL share its scales.
    total = torch.stack([fits for _, _, fits in options]).sum(0)
    choice = total.argmax(1)
    scale = torch.tensor(profile.scales)[choice]
    llr = np.zeros(len(geo.scramble))
    for lay, position, _ in options:
        region = torch.from_numpy(geo.region[lay.slots])
        llr += soft_values(position / scale[region] + lay.dither, lay, geo)
    llr *= 1.0 - 2.0 * geo.scramble
    best = float(total.max(1).values.sum() / math.sqrt(profile.regions * len(options)))
    layouts = tuple(lay for lay, _, _ in options)
    mixtures = tuple(Positions(p.numpy(), lay) for lay, p, _ in options)
    return Reading(start, llr, layouts, tuple(float(s) for s in scale), best, mixtures)


def _unfiltered(reading: Reading) -> bool:
    return reading.fit >= _UNFILTERED_FIT * math.sqrt(len(reading.layouts))


def _likeliest_layout(x: torch.Tensor, feats: Features, key: bytes, profile: Profile, phase: int) -> Layout:
    """The layout on whose lattice the complex projections `x` ``[carriers]`` sit best behind an equaliser."""
    geo = geometry(key, profile)
    best: tuple[float, Layout] | None = None
    seen = set()
    for supposed in supposed_features(feats):
        for lay in islice(candidates(supposed, key, profile, phase), _SUPPOSED):
            if lay.digest in seen:
                continue
            seen.add(lay.digest)
            fit = layout_fit(x[lay.slots], lay, geo)
            if best is None or fit > best[0]:
                best = fit, lay
            if fit > _TOLD_LAYOUT:
                return lay
    assert best is not None
    return best[1]


def read_equalised(audio: Audio, start: float, phase: int, key: bytes, profile: Profile) -> Reading | None:
    """`read_eul` of audio behind an equaliser that is not known; the fit is less what chance makes of it."""
    spectrum = _eul_spectrum(audio, start)
    if spectrum is None:
        return None
    geo = geometry(key, profile)
    index = cell_index(geo, torch.zeros(1, dtype=torch.int64), EUL_FRAMES)[0]
    llr = np.zeros(len(geo.scramble))
    layouts, mixtures, total = [], [], 0.0
    for mix in views(spectrum.shape[0], phase):
        mixed = mix_channels(spectrum, mix)
        x = correlate(mixed / threshold(mixed, profile), index, geo) / geo.step
        lay = _likeliest_layout(x, features(mixed, profile), key, profile, phase)
        undone = undo_equaliser(x[lay.slots], lay, geo)
        soft = soft_values(undone.p + lay.dither, lay, geo)
        llr += np.where(undone.trusted.numpy(), soft, 0.0)
        layouts.append(lay)
        mixtures.append(Positions(undone.p.numpy(), lay))
        total += undone.fit - CHANCE
    llr *= 1.0 - 2.0 * geo.scramble
    ones = (1.0,) * profile.regions
    return Reading(start, llr, tuple(layouts), ones, total / math.sqrt(len(layouts)), tuple(mixtures))


def _walk(
    blocks: Iterable[Audio], key: bytes, profile: Profile, state: dict[str, float]
) -> Iterator[tuple[Reading, Callable[[], Reading | None]]]:
    """Readings of all EULs of a stream; `state` collects score and samples.

    One that begins before the end of former ones, which did not fit, takes their place.

    With each comes what reads the same EUL as if it had gone through an equaliser.
    """
    buffer: Audio | None = None
    base = 0  # samples of the stream before the buffer
    position = 0  # where to look for a lock
    back = 0  # where the stretch begins that no clock has fitted so far
    at: float | None = None
    phase, misses, patience, equalisable = 0, 0, 1, _EQUALISED_TRIES
    source = iter(blocks)
    ended = at_end = False
    while True:
        # Keep enough in the buffer for a window behind the point of interest, and what may be read again.
        point = position if at is None else math.floor(at)
        while not ended and (buffer is None or base + buffer.shape[1] < point + _WINDOW + 2 * _MARGIN):
            block = next(source, None)
            if block is None:
                ended = True
            else:
                state["samples"] += block.shape[1]
                if buffer is None:
                    buffer = block
                else:
                    cut = max(0, min(min(point, back) - base - 2 * _MARGIN, buffer.shape[1]))
                    buffer = np.concatenate([buffer[:, cut:], block], axis=1)
                    base += cut
        if buffer is None:
            return
        end = base + buffer.shape[1]
        left = end - point
        if left < EUL_SAMPLES - _HOP:
            # Of what was passed over the end was not looked at.
            here = max(back, base, end - _WINDOW)
            passed = patience > 2 if at is not None else position > 16 * RATE
            if at_end or not passed or end - here < EUL_SAMPLES:
                return
            last = scan(buffer[:, here - base :], key, profile)
            state["score"] = max(state["score"], last.z)
            if last.z < LOCK_Z:
                return
            at, phase = _earliest(buffer, base, here + last.start, last.phase, back, key, profile)
            back, state["clock"], at_end = math.floor(at), at, True
            state.setdefault("start", at)
            continue
        if at is None:
            lock = _find(
                buffer[:, max(0, point - base) : point - base + _WINDOW], position == 0, key, profile, state
            )
            if lock is None:
                back = position
                position += 2 * RATE if position < 16 * RATE else 8 * RATE
                continue
            at, phase = _earliest(buffer, base, point + lock.start, lock.phase, back, key, profile)
            back, misses, patience = math.floor(at), 0, 1
            state["clock"] = at
            state.setdefault("start", at)
            continue
        reading = read_eul(buffer, at - base, phase, key, profile)
        if reading is None:
            return
        if reading.fit < _NUDGED_FIT:
            near = max(0, round(at - base))
            off = near + nudge(buffer, near, phase, key, profile) - (at - base)
            moved = read_eul(buffer, at + off - base, phase, key, profile) if abs(off) > _NUDGE else None
            if moved is not None and moved.fit > max(reading.fit, _KEEP_FIT):
                reading, at = moved, at + off
        if _unfiltered(reading):
            equalisable = 0
        elif reading.fit < _EQUALISED_FIT and equalisable:
            undone = read_equalised(buffer, at - base, phase, key, profile)
            if undone is not None and undone.fit > max(reading.fit, _KEEP_FIT):
                reading, equalisable = undone, _EQUALISED_TRIES
            else:
                equalisable -= 1
        if reading.fit >= _KEEP_FIT:
            back, misses, patience = math.floor(at) + EUL_SAMPLES, 0, 1
        else:
            misses += 1
        if misses >= patience:
            # The audio may have been cut here. Where nothing better is found, look ever less often.
            misses, patience = 0, min(2 * patience, _MOST_PATIENCE)
            here = max(point, base)
            lock = scan(buffer[:, here - base : here - base + _WINDOW], key, profile)
            if lock.z >= LOCK_Z and (abs(here + lock.start - at) > 1.0 or lock.phase != phase):
                at, phase = _earliest(buffer, base, here + lock.start, lock.phase, back, key, profile)
                back, state["clock"] = math.floor(at), at
                continue
            back = here
        yield replace(reading, start=at), partial(read_equalised, buffer, at - base, phase, key, profile)
        at, phase = at + EUL_SAMPLES, (phase + 1) % PHASES


def _earliest(
    buffer: Audio, base: int, at: float, phase: int, back: int, key: bytes, profile: Profile
) -> tuple[float, int]:
    """Place and phase of the first of the EULs before the one at `at`, from `back` on, that fit its clock.

    Where nothing was found for long, not every second was looked at.
    """
    while at - EUL_SAMPLES >= max(back, base):
        before = (phase - 1) % PHASES
        reading = read_eul(buffer, at - EUL_SAMPLES - base, before, key, profile)
        if reading is None or reading.fit < _KEEP_FIT:
            break
        at, phase = at - EUL_SAMPLES, before
    return at, phase


def _find(window: Audio, first: bool, key: bytes, profile: Profile, state: dict[str, float]) -> Lock | None:
    known = [o for o in (_KNOWN_OFFSETS if first else [0]) if o + EUL_SAMPLES <= window.shape[1]]
    lock = try_offsets(window, known, key, profile) if known else None
    if lock is None or lock.z < _SURE_Z:
        found = scan(window, key, profile)
        lock = found if lock is None or found.z > lock.z else lock
    state["score"] = max(state["score"], lock.z)
    return lock if lock.z >= LOCK_Z else None


def _eul(reading: Reading, ok: bool, corrected: int) -> Eul:
    return Eul(
        start_s=reading.start / RATE,
        ok=ok,
        corrected_bytes=corrected,
        erasures=int((np.abs(reading.llr) < ERASED).sum()),
        bits=(reading.llr < 0).astype(np.uint8),
        **allocation(reading.layouts, scales=list(reading.scales)),
    )


def detect(blocks: Iterable[Audio], key: bytes, profile: Profile) -> Detection:
    """Everything in a stream of blocks ``[channels, samples]`` at 44.1 kHz."""
    state: dict[str, float] = {"score": 0.0, "samples": 0.0}
    readings: list[Reading] = []
    euls: list[Eul] = []
    parts: list[Part] = []
    first: dict[Part, float] = {}  # where the clock began under which each was read first
    whole = False
    attempts = 0
    equalisable = _EQUALISED_TRIES
    for reading, behind_equaliser in _walk(blocks, key, profile, state):
        word, tried, reading = read_alone(reading, key, profile)
        attempts += tried
        if _unfiltered(reading):
            equalisable = 0
        elif word is None and reading.fit >= _EQUALISED_FIT and equalisable:
            # Most bands are as they were; a filter may have changed the others.
            equalisable -= 1
            other = behind_equaliser()
            if other is not None:
                word, tried, other = read_alone(replace(other, start=reading.start), key, profile)
                attempts += tried
                if word is not None:
                    reading, equalisable = other, _EQUALISED_TRIES
        while euls and euls[-1].start_s > reading.start / RATE - 0.5:
            euls.pop()
        while readings and readings[-1].start > reading.start - EUL_SAMPLES / 2:
            readings.pop()
        euls.append(_eul(reading, word is not None, word.corrected_bytes if word else 0))
        if word is not None:
            parts.append(word.part)
            if word.part not in first:
                first[word.part] = state["clock"]
                whole = whole or assemble(first, key) is not None
        # Nothing is added up once the payload is whole.
        if whole:
            readings.clear()
        else:
            readings.append(reading)
            if len(readings) >= 2 * _MOST_KEPT:
                best = sorted(range(len(readings)), key=lambda i: -readings[i].fit)[:_MOST_KEPT]
                readings = [readings[i] for i in sorted(best)]
    payload = assemble(parts, key)
    combined = 0
    if payload is None and len(readings) > 1:
        payload, combined, tried = combine(readings, parts, key, profile)
        attempts += tried
    bound = min(1.0, max(attempts, 1) * FALSE_ACCEPT)
    identifier = payload_id(payload) if payload is not None else None
    start = state.get("start")
    if payload is not None:
        # The first lock may be that of another mark, or an accident.
        its = [at for part, at in first.items() if part.belongs_to(payload, key)]
        start = min(its, default=start)
    return Detection(payload, identifier, euls, combined, state["score"], start, bound, int(state["samples"]))


def _likely_counts(readings: Sequence[Reading], number: NDArray[np.int64]) -> list[int]:
    """Cycles of parts, the likeliest first: EULs that many seconds apart would agree in their bits."""
    soft = {int(n): np.tanh(r.llr / 2.0) for n, r in zip(number, readings, strict=True)}
    agreement = []
    for count in range(1, min(_LONGEST_CYCLE, max(1, len(readings) // 2)) + 1, 2):
        pairs = [soft[n] * soft[n + count] for n in list(soft)[:_MOST_TOGETHER] if n + count in soft]
        norm = math.sqrt(sum(float((pair**2).sum()) for pair in pairs))
        agreement.append((sum(float(pair.sum()) for pair in pairs) / max(norm, 1e-9), count))
    best = [count for _, count in sorted(agreement, reverse=True)[:_MOST_COUNTS]]
    return best if 1 in best else [1, *best]


def read_alone(reading: Reading, key: bytes, profile: Profile) -> tuple[Word | None, int, Reading]:
    """The word of one EUL, how many blocks were tried, and the reading with the soft values of the last."""
    llr = reading.llr
    if worth(llr) <= _WORTH_DECODING:
        return None, 0, reading
    word, attempts = read_word(llr, key, profile)
    ask = beliefs(profile)
    for _ in range(_TURNS if ask else 0):
        if word is not None or worth(llr) < _WORTH_REREADING:
            break
        (llr,) = read_jointly([reading.mixtures], [llr], key, profile, ask, rounds=1)
        word, tried = read_word(llr, key, profile)
        attempts += tried
    return word, attempts, replace(reading, llr=llr)


def _read_together(readings: Sequence[Reading], key: bytes, profile: Profile) -> tuple[Word | None, int]:
    """The word that several EULs carry, and how many blocks were tried."""
    llr = np.sum([r.llr for r in readings], axis=0)
    readings = sorted(readings, key=lambda r: -r.fit)[:_MOST_TOGETHER]
    llrs: Sequence[NDArray[np.float64]] = [r.llr for r in readings]
    word, attempts = read_word(llr, key, profile) if worth(llr) > _WORTH_DECODING else (None, 0)
    for ask in (None, beliefs(profile)):
        if word is not None or worth(llr) < _WORTH_JOINING:
            break
        llrs = read_jointly([r.mixtures for r in readings], llrs, key, profile, ask)
        llr = np.sum(llrs, axis=0)
        word, tried = read_word(llr, key, profile)
        attempts += tried
    return word, attempts


def combine(
    readings: list[Reading], parts: list[Part], key: bytes, profile: Profile
) -> tuple[bytes | None, int, int]:
    """Add the soft values of EULs that should carry the same part, until the payload is whole.

    EULs a whole number of cycles apart carry the same part; an EUL that decoded tells the cycle, and cycles
    are tried in turn otherwise. Returns payload, EULs added up, blocks tried.
    """
    first = readings[0].start
    number = np.array([round((r.start - first) / EUL_SAMPLES) for r in readings])
    known = {cycle_of(parts_of(part.length)) for part in parts}
    attempts = 0
    for count in sorted(known) or _likely_counts(readings, number):
        found = list(parts)
        used = lost = 0
        for residue in range(count):
            chosen = [r for r, n in zip(readings, number, strict=True) if n % count == residue]
            if not chosen:
                continue
            word, tried = _read_together(chosen, key, profile)
            attempts += tried
            if word is None and len(chosen) > 3:
                # One stretch may be spoilt: leave out the half that fits least.
                chosen = sorted(chosen, key=lambda r: -r.fit)[: (len(chosen) + 1) // 2]
                word, tried = _read_together(chosen, key, profile)
                attempts += tried
            if word is None:
                lost += 1
                if lost > 1 and not known:  # of a cycle one may be lost: a part may come twice in it
                    break
                continue
            found.append(word.part)
            used += len(chosen)
        payload = assemble(found, key)
        if payload is not None:
            return payload, used, attempts
    return None, 0, attempts
