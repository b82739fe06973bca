"""What systems answer, as values of one type: the only place that looks fields up by name.

A system may return any object that has the fields of `soundsafe.result.Decoded` and `Eul`, or some of them; a
missing one is a figure not measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soundsafe.aliases import Bits, Floats
from soundsafe.eval.rows import NAN

__all__ = [
    "Answer",
    "AnsweredSecond",
    "answer",
    "answered_second",
    "plain",
    "unmarked_seconds",
    "warnings_of",
]


@dataclass(frozen=True)
class AnsweredSecond:
    """One second as a detector found it, or as it is in clean audio.

    Attributes:
        start_s: where it starts; NaN where that is not said.
        bits: [bits] hard decisions in the order of the code.
        features: [bands, frames] whole numbers, those of several mixtures of channels one below the other.
        slots: of the list of slots, anything that is equal for equal lists.
        bits_per_band, seed: of each mixture of channels that carries the second; None where there are none.
    """

    start_s: float = NAN
    ok: bool = False
    corrected_bytes: float = NAN
    erasures: float = NAN
    bits: NDArray[np.int64] | None = None
    features: NDArray[np.int64] | None = None
    slots: str | None = None
    bits_per_band: object = None
    seed: object = None


@dataclass(frozen=True)
class Answer:
    """What a detector says of a clip; see `soundsafe.result.Decoded` and `Found`."""

    ok: bool
    payload: bytes | None
    score: float = NAN
    id_ok: bool = False
    combined: int = 0
    code: str = ""
    layer: str = ""
    speed: float = NAN
    tempo: float = NAN
    pitch: float = NAN
    euls: tuple[AnsweredSecond, ...] = ()
    bits: Bits | None = None
    present: Floats | None = None


def _field(thing: object, name: str) -> object:
    return getattr(thing, name, None)


def _number(thing: object, name: str) -> float:
    value = _field(thing, name)
    return NAN if value is None else float(value)  # type: ignore[arg-type]


def _text(thing: object, name: str) -> str:
    return str(_field(thing, name) or "")


def plain(value: object) -> object:
    """A tensor as something that NumPy takes, wherever it lies; anything else as it is."""
    for name in ("detach", "cpu", "numpy"):
        step = _field(value, name)
        value = step() if callable(step) else value
    return value


def _array(thing: object, name: str) -> NDArray[np.int64] | None:
    value = _field(thing, name)
    return None if value is None else np.asarray(plain(value))


def _bits(thing: object) -> Bits | None:
    """The message's bits, from truth values, numbers of 0 and 1 or chances of a 1."""
    found = _array(thing, "bits")
    if found is None:
        return None
    values = found.astype(np.float64)
    if values.ndim != 1 or not np.all((values >= 0) & (values <= 1)):
        raise ValueError(f"bits of shape {values.shape}: a row of 0 and 1, or of chances of a 1, is needed")
    return (values > 0.5).astype(np.uint8)


def _items(thing: object, name: str) -> list[object]:
    found = _field(thing, name)
    return list(found) if isinstance(found, Iterable) else []


def _of_mixtures(thing: object, name: str) -> list[object] | None:
    """The field of an EUL's allocator, one for each mixture of channels that carries it, or None."""
    allocator = _field(thing, "allocator")
    if not isinstance(allocator, Mapping):
        return None
    mixtures = allocator.get("mixtures") or [allocator]
    found = [m.get(name) for m in mixtures]
    return None if any(v is None for v in found) else found


def answered_second(eul: object) -> AnsweredSecond:
    """One second, whatever type its system gives it."""
    slots = _field(eul, "slots")
    return AnsweredSecond(
        start_s=_number(eul, "start_s"),
        ok=bool(_field(eul, "ok")),
        corrected_bytes=_number(eul, "corrected_bytes"),
        erasures=_number(eul, "erasures"),
        bits=_array(eul, "bits"),
        features=_array(eul, "features"),
        slots=None if slots is None else str(slots),
        bits_per_band=_of_mixtures(eul, "bits_per_band"),
        seed=_of_mixtures(eul, "seed") or _field(eul, "seed"),
    )


def answer(decoded: object) -> Answer:
    """A clip's answer, whatever type its system gives it.

    Raises:
        TypeError: it has no `ok`, or its payload is neither bytes nor None.
        ValueError: its bits are no row of 0 and 1, or of chances.
    """
    ok, payload, bits = _field(decoded, "ok"), _field(decoded, "payload"), _bits(decoded)
    if ok is None:
        raise TypeError(
            f"decode returned {type(decoded).__name__}, which has no ok: Found(ok, payload) is needed"
        )
    if payload is not None and not isinstance(payload, bytes):
        raise TypeError(f"decode returned a payload that is {type(payload).__name__}, not bytes")
    if payload is None and ok:
        # Where there are no bits, what is found is that the mark is there.
        payload = b"" if bits is None else np.packbits(bits).tobytes()
    present = _array(decoded, "present")
    combined = _number(decoded, "combined")
    return Answer(
        ok=bool(ok),
        payload=payload,
        score=_number(decoded, "score"),
        id_ok=bool(_field(decoded, "id_ok")),
        combined=0 if np.isnan(combined) else int(combined),
        code=_text(decoded, "code"),
        layer=_text(decoded, "layer"),
        speed=_number(decoded, "speed"),
        tempo=_number(decoded, "tempo"),
        pitch=_number(decoded, "pitch"),
        euls=tuple(answered_second(eul) for eul in _items(decoded, "euls")),
        bits=bits,
        present=None if present is None else present.astype(np.float64),
    )


def warnings_of(embedded: object) -> tuple[str, ...]:
    """What a system says of its marking."""
    return tuple(str(text) for text in _items(embedded, "warnings"))


def unmarked_seconds(embedded: object) -> frozenset[int]:
    """Seconds that a system says it could not mark: its `unmarked_seconds`, else those its warnings name."""
    if _field(embedded, "unmarked_seconds") is None:
        texts = warnings_of(embedded)
        return frozenset(int(m.group(1)) for text in texts for m in re.finditer(r"\bsecond (\d+)", text))
    return frozenset(int(s) for s in _items(embedded, "unmarked_seconds"))  # type: ignore[call-overload]
