"""From one decoded clip to its rows: which EUL is which, and what each figure is.

An EUL embedded at second i is expected at i seconds plus the attack's known delay, provided that all of it
lies within the attacked audio. A detected EUL within a quarter of a second is the same one; an expected EUL
without such a partner was missed (BER 0.5, not decoded). Where an attack's delay is not known in advance
(crops at random places, tempo), EULs are matched in the order in which they were found, each is compared with
the embedded bits that it agrees with best, and parity is not measured: nothing tells which second it was.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundsafe.eval.metrics import ber, parity, payload
from soundsafe.eval.rows import NAN
from soundsafe.eval.systems.interface import EUL_S

__all__ = ["Expected", "Truth", "expected_euls", "match", "score", "unmarked_seconds"]

MATCH_S = 0.25
"""Largest distance between where an EUL is and where it was found, in seconds."""


@dataclass(frozen=True)
class Expected:
    """EUL `index` of the marking, and where it should start in the attacked audio (None: not known)."""

    index: int
    start_s: float | None


@dataclass(frozen=True)
class Truth:
    """What was embedded: payload, coded bits [n_euls, bits] (None: the system has none), unmarked seconds."""

    payload: bytes
    bits: NDArray[np.uint8] | None
    unmarked: frozenset[int]


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


def unmarked_seconds(embedded: Any) -> frozenset[int]:
    """Seconds that a system says it could not mark: its `unmarked_seconds`, else those its warnings name."""
    seconds = getattr(embedded, "unmarked_seconds", None)
    if seconds is None:
        texts = getattr(embedded, "warnings", None) or ()
        seconds = [int(m.group(1)) for text in texts for m in re.finditer(r"\bsecond (\d+)", str(text))]
    return frozenset(int(s) for s in seconds)


def _number(value: Any) -> float:
    return NAN if value is None else float(value)


def _clip_fields(decoded: Any) -> dict[str, Any]:
    return {
        "id_ok": bool(getattr(decoded, "id_ok", False)),
        "combined": int(getattr(decoded, "combined", 0) or 0),
        "score": _number(getattr(decoded, "score", None)),
        "code": str(getattr(decoded, "code", None) or ""),
        "layer": str(getattr(decoded, "layer", None) or ""),
        "speed": _number(getattr(decoded, "speed", None)),
        "tempo": _number(getattr(decoded, "tempo", None)),
        "pitch": _number(getattr(decoded, "pitch", None)),
    }


def _ber(read: Any, expected: Expected, truth: Truth) -> float:
    """Bit errors of what was read (None: missed); NaN where the system has no coded bits."""
    if truth.bits is None:
        return NAN
    likely = truth.bits if expected.start_s is None else truth.bits[expected.index : expected.index + 1]
    return min(ber.bit_error_rate(read, bits) for bits in likely)


def _eul_fields(
    eul: Any, expected: Expected, truth: Truth, reference: Any, rate: int, control: bool
) -> dict[str, Any]:
    """Figures of one EUL; `eul` is None where it was missed."""
    out: dict[str, Any] = {
        "bits": 0 if truth.bits is None else truth.bits.shape[1],
        "ber": _ber(getattr(eul, "bits", None), expected, truth),
        "start_s": _number(getattr(eul, "start_s", None)),
        "corrected_bytes": _number(getattr(eul, "corrected_bytes", None)),
        "erasures": _number(getattr(eul, "erasures", None)),
    }
    if eul is not None and expected.start_s is not None and not control:
        out["offset_error_samples"] = parity.offset_error(float(eul.start_s), expected.start_s, rate)
    if reference is not None and not control:
        out["parity_frames"] = parity.frame_parity(
            getattr(reference, "features", None), getattr(eul, "features", None)
        )
        out["parity_slots"] = parity.slot_parity(
            getattr(reference, "slots", None), getattr(eul, "slots", None)
        )
        out["parity_bits"] = parity.bits_parity(
            parity.mixtures(reference, "bits_per_band"), parity.mixtures(eul, "bits_per_band")
        )
        out["seed_parity"] = parity.seed_parity(
            parity.mixtures(reference, "seed") or getattr(reference, "seed", None),
            parity.mixtures(eul, "seed") or getattr(eul, "seed", None),
        )
        shares = parity.band_parity(getattr(reference, "features", None), getattr(eul, "features", None))
        out["parity_bands"] = ",".join(f"{share:.4g}" for share in shares)
    return out


def _ends(decoded: Any, expected: list[Expected], partners: list[int | None], ok: list[bool]) -> list[float]:
    """Where EULs end that decode alone, in seconds of the attacked audio."""
    tempo = _number(getattr(decoded, "tempo", None))
    length = EUL_S / tempo if tempo > 0 else EUL_S
    return [
        (float(decoded.euls[k].start_s) if e.start_s is None else e.start_s) + length
        for e, k, accepted in zip(expected, partners, ok, strict=True)
        if accepted and k is not None
    ]


def score(
    decoded: Any,
    truth: Truth,
    *,
    n_samples: int,
    n_attacked: int,
    rate: int,
    delay: int | None,
    reference: list[Any],
    control: bool,
) -> list[dict[str, Any]]:
    """The measured fields of one clip's rows, one dict for each expected EUL (at least one).

    Args:
        decoded: what the system's `decode` returned for the attacked audio.
        truth: what was embedded, or, for a control, what a detector must not find.
        n_samples, n_attacked: lengths before and after the attack.
        delay: the attack's known delay in samples, or None.
        reference: the clean EULs for parity, in order of their index; [] where the system has none.
        control: no mark should be found: `payload_ok` and `clip_ok` are then whether anything at all was
            accepted, whatever its content.
    """
    expected = expected_euls(n_samples, n_attacked, rate, delay) or [Expected(0, None)]
    euls = list(getattr(decoded, "euls", None) or ())
    partners = match(expected, [float(e.start_s) for e in euls])
    if control:
        clip_ok = bool(decoded.ok)
        ok = [False] * len(expected)
        for e in euls:  # none may be lost, wherever it was found
            if e.ok:
                free = [i for i, taken in enumerate(ok) if not taken] or range(len(ok))
                ok[min(free, key=lambda i: abs((expected[i].start_s or float(i)) - e.start_s))] = True
    else:
        clip_ok = payload.clip_success(decoded.ok, decoded.payload, truth.payload)
        ok = [
            k is not None and payload.payload_success(euls[k].ok, decoded.payload, truth.payload)
            for k in partners
        ]
    # A codec pads the end; what was listened to is no longer than the clip, but where it was slowed down.
    heard = n_attacked if delay is None else min(n_samples, n_attacked)
    needed = payload.time_to_payload(_ends(decoded, expected, partners, ok), clip_ok, heard / rate)
    clip = _clip_fields(decoded) | {"clip_ok": clip_ok, "clip_s": n_samples / rate}
    if not control:
        clip["time_to_payload_s"] = needed
    rows = []
    for e, k, accepted in zip(expected, partners, ok, strict=True):
        ref = reference[e.index] if e.start_s is not None and e.index < len(reference) else None
        row = {"eul": e.index, "payload_ok": accepted, "markable": e.index not in truth.unmarked}
        row |= _eul_fields(None if k is None else euls[k], e, truth, ref, rate, control)
        rows.append(row | clip)
    return rows


def failed(n_samples: int, rate: int, truth: Truth | None, status: str, message: str) -> list[dict[str, Any]]:
    """Rows of a clip for which a step failed: one for each EUL it has, at least one, nothing decoded."""
    n = max(1, int(n_samples / rate / EUL_S))
    bits = 0 if truth is None or truth.bits is None else truth.bits.shape[1]
    unmarked = frozenset() if truth is None else truth.unmarked
    return [
        {
            "eul": i,
            "status": status,
            "message": message,
            "bits": bits,
            "markable": i not in unmarked,
            "clip_s": n_samples / rate,
            "time_to_payload_s": math.inf,
        }
        for i in range(n)
    ]
