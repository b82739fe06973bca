"""From one decoded clip to its rows: which EUL is which, and what each figure is.

An EUL embedded at second i is expected at i seconds plus the attack's known delay, provided that all of it
lies within the attacked audio. A detected EUL within a quarter of a second is the same one; an expected EUL
without such a partner was missed (BER 0.5, not decoded). Where an attack's delay is not known in advance
(crops at random places, tempo), EULs are matched in the order in which they were found, each is compared with
the embedded bits that it agrees with best, and parity is not measured: nothing tells which second it was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from soundsafe.aliases import Audio
from soundsafe.eval.metrics import ber, message, parity, payload
from soundsafe.eval.rows import NAN, Measured
from soundsafe.eval.systems.answers import Answer, AnsweredSecond
from soundsafe.eval.systems.interface import EUL_S
from soundsafe.eval.systems.whole_clip import bits_of

__all__ = ["Expected", "Truth", "expected_euls", "failed", "match", "score"]

MATCH_S = 0.25
"""Largest distance between where an EUL is and where it was found, in seconds."""


@dataclass(frozen=True)
class Expected:
    """EUL `index` of the marking, and where it should start in the attacked audio (None: not known)."""

    index: int
    start_s: float | None


@dataclass(frozen=True)
class Truth:
    """What was embedded: payload, coded bits [n_euls, bits] (None: the system has none), unmarked seconds,
    and how many bits of the payload are a message that a whole clip tells."""

    payload: bytes
    bits: NDArray[np.uint8] | None
    unmarked: frozenset[int]
    payload_bits: int = 0


def expected_euls(n_samples: int, n_attacked: int, rate: int, delay: int | None) -> list[Expected]:
    """The EULs of `n_samples` of marked audio that lie wholly within the `n_attacked` samples left of it.

    `delay` is the attack's, in samples, negative where it cuts the beginning; None where it is unknown, and
    then as many EULs are expected as whole seconds are left.
    """
    total = int(n_samples / rate / EUL_S)
    if delay is None:
        return [Expected(i, None) for i in range(min(total, int(n_attacked / rate / EUL_S)))]
    step = EUL_S * rate
    inside = [i for i in range(total) if i * step + delay >= 0 and (i + 1) * step + delay <= n_attacked]
    return [Expected(i, i * EUL_S + delay / rate) for i in inside]


def match(expected: list[Expected], starts_s: list[float]) -> list[int | None]:
    """For each expected EUL the position in `starts_s` of the one that was found for it, or None."""
    order = sorted(range(len(starts_s)), key=lambda k: starts_s[k])
    free = list(order)
    found: list[int | None] = []
    for e in expected:
        if e.start_s is None:
            best = free[0] if free else None
        else:
            start = e.start_s
            best = min(free, key=lambda k: abs(starts_s[k] - start), default=None)
            if best is not None and abs(starts_s[best] - start) > MATCH_S:
                best = None
        if best is not None:
            free.remove(best)
        found.append(best)
    return found


def _ber(read: NDArray[np.int64] | None, expected: Expected, truth: Truth) -> float:
    """Bit errors of what was read (None: missed); NaN where the system has no coded bits."""
    if truth.bits is None:
        return NAN
    likely = truth.bits if expected.start_s is None else truth.bits[expected.index : expected.index + 1]
    return min(ber.bit_error_rate(read, bits) for bits in likely)


_MISSED = AnsweredSecond()


def _second(clip: Measured, found: AnsweredSecond | None, expected: Expected, truth: Truth) -> Measured:
    """`clip`, what holds for all seconds of a clip, with the figures of one (None: it was missed)."""
    read = _MISSED if found is None else found
    return replace(
        clip,
        eul=expected.index,
        markable=expected.index not in truth.unmarked,
        bits=0 if truth.bits is None else truth.bits.shape[1],
        ber=_ber(read.bits, expected, truth),
        start_s=read.start_s,
        corrected_bytes=read.corrected_bytes,
        erasures=read.erasures,
    )


def _placed(row: Measured, found: AnsweredSecond | None, expected: Expected, rate: int) -> Measured:
    """With how far from its place it was found, where that is known."""
    if found is None or expected.start_s is None:
        return row
    return replace(row, offset_error_samples=parity.offset_error(found.start_s, expected.start_s, rate))


def _alike(row: Measured, found: AnsweredSecond | None, reference: AnsweredSecond) -> Measured:
    """With how far what the detector computed agrees with `reference`."""
    read = _MISSED if found is None else found
    shares = parity.band_parity(reference.features, read.features)
    return replace(
        row,
        parity_frames=parity.frame_parity(reference.features, read.features),
        parity_slots=parity.slot_parity(reference.slots, read.slots),
        parity_bits=parity.bits_parity(reference.bits_per_band, read.bits_per_band),
        seed_parity=parity.seed_parity(reference.seed, read.seed),
        parity_bands=",".join(f"{share:.4g}" for share in shares),
    )


def _ends(
    decoded: Answer, expected: list[Expected], partners: list[int | None], ok: list[bool]
) -> list[float]:
    """Where EULs end that decode alone, in seconds of the attacked audio."""
    length = EUL_S / decoded.tempo if decoded.tempo > 0 else EUL_S
    return [
        (decoded.euls[k].start_s if e.start_s is None else e.start_s) + length
        for e, k, accepted in zip(expected, partners, ok, strict=True)
        if accepted and k is not None
    ]


def _message(decoded: Answer, truth: Truth, control: bool) -> tuple[float, float]:
    """Share of the message's bits that are right, and log10 of the chance of it; NaN where none is stated.

    Raises:
        ValueError: there are not as many as the payload has.
    """
    if decoded.bits is None:
        return NAN, NAN
    if len(decoded.bits) != truth.payload_bits:
        raise ValueError(f"decode returned {len(decoded.bits)} bits, the payload has {truth.payload_bits}")
    if control or not len(decoded.bits):
        return NAN, NAN
    right = message.bit_accuracy(decoded.bits, bits_of(truth.payload, truth.payload_bits))
    return right, message.log10_p(right, truth.payload_bits)


def _overlap(decoded: Answer, n_samples: int, n_attacked: int, delay: int | None, control: bool) -> float:
    """Overlap of the samples said to be marked and those that are: all of the clip, wherever it lies now; NaN
    where that is not known, and for a control, which bears no mark.

    Raises:
        ValueError: not each sample has been judged.
    """
    if decoded.present is None:
        return NAN
    if len(decoded.present) != n_attacked:
        raise ValueError(f"{len(decoded.present)} samples judged, {n_attacked} there")
    if control or delay is None:
        return NAN
    marked = np.zeros(n_attacked, dtype=bool)
    marked[max(0, delay) : max(0, delay + n_samples)] = True
    return message.iou(decoded.present, marked)


def score(
    decoded: Answer,
    truth: Truth,
    *,
    n_samples: int,
    n_attacked: int,
    rate: int,
    delay: int | None,
    reference: Sequence[AnsweredSecond],
    control: bool,
) -> list[Measured]:
    """What was measured of one clip, for each expected EUL (at least one).

    Args:
        decoded: what the system answered for the attacked audio.
        truth: what was embedded, or, for a control, what a detector must not find.
        n_samples, n_attacked: lengths before and after the attack.
        delay: the attack's known delay in samples, or None.
        reference: the clean EULs for parity, in order of their index; [] where the system has none.
        control: no mark should be found: `payload_ok` and `clip_ok` are then whether anything at all was
            accepted, whatever its content.
    """
    expected = expected_euls(n_samples, n_attacked, rate, delay) or [Expected(0, None)]
    euls = decoded.euls
    partners = match(expected, [e.start_s for e in euls])
    if control:
        clip_ok = decoded.ok
        ok = [False] * len(expected)
        for eul in euls:  # none may be lost, wherever it was found
            if eul.ok:
                free = [i for i, taken in enumerate(ok) if not taken] or range(len(ok))
                ok[min(free, key=lambda i, at=eul.start_s: abs((expected[i].start_s or float(i)) - at))] = (
                    True
                )
    else:
        clip_ok = payload.clip_success(decoded.ok, decoded.payload, truth.payload)
        ok = [
            k is not None and payload.payload_success(euls[k].ok, decoded.payload, truth.payload)
            for k in partners
        ]
    # A codec pads the end; what was listened to is no longer than the clip, but where it was slowed down.
    heard = n_attacked if delay is None else min(n_samples, n_attacked)
    needed = payload.time_to_payload(_ends(decoded, expected, partners, ok), clip_ok, heard / rate)
    right, chance = _message(decoded, truth, control)
    clip = Measured(
        eul=0,
        bit_accuracy=right,
        log10_p=chance,
        iou=_overlap(decoded, n_samples, n_attacked, delay, control),
        clip_ok=clip_ok,
        id_ok=decoded.id_ok,
        combined=decoded.combined,
        score=decoded.score,
        code=decoded.code,
        layer=decoded.layer,
        speed=decoded.speed,
        tempo=decoded.tempo,
        pitch=decoded.pitch,
        time_to_payload_s=NAN if control else needed,
        clip_s=n_samples / rate,
    )
    rows = []
    for e, k, accepted in zip(expected, partners, ok, strict=True):
        found = None if k is None else euls[k]
        row = replace(_second(clip, found, e, truth), payload_ok=accepted)
        if not control:
            row = _placed(row, found, e, rate)
            if e.start_s is not None and e.index < len(reference):
                row = _alike(row, found, reference[e.index])
        rows.append(row)
    return rows


def with_levels(rows: Sequence[Measured], before: Audio, after: Audio, rate: int) -> list[Measured]:
    """`rows` with how far the audio's levels agree, where the system has features and the second was found.

    Args:
        rows: from `score`.
        before, after: the audio whose features the rows compare, ``[channels, samples]``.
        rate: of both, in Hz.
    """
    out = []
    for row in rows:
        if not np.isnan(row.parity_frames):
            second = before[:, row.eul * rate : (row.eul + 1) * rate]
            at = -1 if np.isnan(row.start_s) else round(row.start_s * rate)
            whole = at >= 0 and second.shape[1] == rate
            share = parity.level_parity(second, after[:, at : at + rate], rate) if whole else 0.0
            row = replace(row, parity_3db=share)
        out.append(row)
    return out


def failed(n_samples: int, rate: int, truth: Truth | None, status: str, why: str) -> list[Measured]:
    """What is known of a clip for which a step failed: a row for each EUL it has, nothing decoded."""
    n = max(1, int(n_samples / rate / EUL_S))
    unmarked = frozenset() if truth is None else truth.unmarked
    return [
        Measured(
            eul=i,
            status=status,
            message=why,
            bits=0 if truth is None or truth.bits is None else truth.bits.shape[1],
            markable=i not in unmarked,
            clip_s=n_samples / rate,
            time_to_payload_s=math.inf,
        )
        for i in range(n)
    ]
