"""What embedding and detection answer."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundsafe.keys import payload_id

__all__ = ["Decoded", "Embedded", "Eul", "FoundPayload", "of_several_keys"]


@dataclass(frozen=True, repr=False)
class Eul:
    """One second (the unit that carries one codeword) as the detector found it.

    Attributes:
        start_s: where it starts, in seconds from the audio's beginning.
        ok: its own codeword decoded and authenticated.
        corrected_bytes: how many of 255 hard decisions were wrong; 0 where it did not decode.
        erasures: coded bits of which nothing was known, 0 to 2040.
        allocator: bits for each band, anchors, seed, scales.
        bits: hard decisions ``[2040]`` in the order of the code, for the bench.
        features: ``[bands, frames]``, for the bench.
        slots: SHA-256 of the slot list in hexadecimal, for the bench.
        seed: 32 bits, for the bench.
        id_hex: the identifier of the payload that it carries, where that is known.
        margin_db: how many decibels noisier its word could be and still be read; None where it was not read.

    Example:
        >>> second = Eul(start_s=0.0, ok=True, corrected_bytes=3, erasures=0, allocator={})
        >>> second.to_json()["corrected_bytes"]
        3
    """

    start_s: float
    ok: bool
    corrected_bytes: int
    erasures: int
    allocator: dict[str, Any]
    bits: NDArray[np.uint8] | None = None
    features: NDArray[np.int16] | None = None
    slots: str = ""
    seed: int | None = None
    id_hex: str | None = None
    margin_db: float | None = None

    def __repr__(self) -> str:
        """One line, without the arrays."""
        read = f"read, {self.corrected_bytes} bytes corrected" if self.ok else "not read"
        return f"<Eul at {self.start_s:.3f} s: {read}>"

    def to_json(self) -> dict[str, Any]:
        """The fields of the command's JSON.

        Returns:
            Values that JSON can hold.
        """
        return {
            "start_s": round(self.start_s, 6),
            "ok": self.ok,
            "corrected_bytes": self.corrected_bytes,
            "erasures": self.erasures,
            "id_hex": self.id_hex,
            "allocator": self.allocator,
        }


@dataclass(frozen=True)
class FoundPayload:
    """A payload, and where in the audio it is.

    Attributes:
        payload: its bytes.
        euls: how many seconds carry it, of those that were read alone or agree with it.
        ranges: where they lie, as pairs of seconds; empty where only the tile layer gave it.
        key_id: which key it is of, where several were tried.

    Example:
        >>> FoundPayload(b"to A", 2, ((0.0, 2.0),)).text
        'to A'
    """

    payload: bytes
    euls: int
    ranges: tuple[tuple[float, float], ...]
    key_id: str | None = None

    @property
    def text(self) -> str | None:
        """The payload as text; None where it is not UTF-8."""
        try:
            return self.payload.decode()
        except UnicodeDecodeError:
            return None

    @property
    def id_hex(self) -> str:
        """Its identifier, 16 hexadecimal digits."""
        return payload_id(self.payload).hex()

    def later(self, seconds: float) -> FoundPayload:
        """The same in audio in which it comes so much later."""
        return replace(self, ranges=tuple((start + seconds, end + seconds) for start, end in self.ranges))

    def at_speed(self, speed: float) -> FoundPayload:
        """The same in audio that is played `speed` times as fast."""
        return replace(self, ranges=tuple((start / speed, end / speed) for start, end in self.ranges))

    def to_json(self) -> dict[str, Any]:
        """An entry of `payloads` in what `soundsafe decode --json` prints.

        Returns:
            Values that JSON can hold.
        """
        document: dict[str, Any] = {
            "payload_hex": self.payload.hex(),
            "text": self.text,
            "id_hex": self.id_hex,
            "euls": self.euls,
            "ranges": [[round(start, 3), round(end, 3)] for start, end in self.ranges],
        }
        return document if self.key_id is None else document | {"key_id": self.key_id}


@dataclass(frozen=True, repr=False)
class Decoded:
    """The answer of a detection.

    Attributes:
        ok: a payload was read and authenticated.
        payload: its bytes; None unless `ok`.
        score: how likely the audio is marked, higher is likelier.
        code: the error-correcting code, ``ldpc`` or ``rs``.
        layer: which layer gave the payload, or else the identifier: ``eul`` (seconds) or ``tile``; None.
        id_ok: the payload's identifier was read and authenticated.
        id_hex: the identifier, 16 hexadecimal digits: the first 8 bytes of the payload's SHA-256; None.
        euls: each second.
        combined: how many seconds were combined for the payload.
        speed: factor by which the audio was changed; 1.0 where nothing was authenticated.
        tempo: the same.
        pitch: the same.
        offset_samples: where the mark begins, in samples of the audio given, or a whole number of its seconds
            from there; None where nothing was found.
        false_accept_bound: upper bound of the probability that unmarked audio gives such an answer.
        seconds: of work.
        realtime_factor: seconds of work for each second of audio.
        factor_confidence: 0 (nothing authenticated) to 1, how surely the three factors are no accident.
        payloads: every payload that was read and authenticated, the one with most seconds, `payload`, first.
        warnings: what should be known of the mark that was read: that it can be forged.
        model: name or path of the network whose map the mark was read through; None: of none.

    Example:
        >>> import soundsafe
        >>> found = soundsafe.decode(np.zeros((1, 44_100), np.float32), 44_100)
        >>> found.ok, found.payload, found.to_json()["id_ok"]
        (False, None, False)
    """

    ok: bool
    payload: bytes | None
    score: float
    code: str
    layer: str | None
    id_ok: bool
    id_hex: str | None
    euls: list[Eul]
    combined: int
    speed: float
    tempo: float
    pitch: float
    offset_samples: int | None
    false_accept_bound: float
    seconds: float
    realtime_factor: float
    factor_confidence: float = 0.0
    payloads: tuple[FoundPayload, ...] = ()
    warnings: list[str] = field(default_factory=list)
    model: str | None = None

    def __bool__(self) -> bool:
        """Whether a payload was read: `if soundsafe.decode(audio, rate): ...`."""
        return self.ok

    def __repr__(self) -> str:
        """One line: what was read, and from how much."""
        return f"<Decoded: {_said(self)}>"

    def _repr_html_(self) -> str:
        """The same for a notebook, with the figures below."""
        facts = {
            "payload": self.payload_hex or "–", "text": self.text or "–", "identifier": self.id_hex or "–",
            "score": f"{self.score:.3f}", "layer": self.layer or "–",
            "seconds read": f"{sum(eul.ok for eul in self.euls)} of {len(self.euls)}",
            "tempo, pitch": f"{self.tempo:.5f}, {self.pitch:.5f}",
        }  # fmt: skip
        rows = "".join(f"<tr><th>{name}</th><td>{html.escape(v)}</td></tr>" for name, v in facts.items())
        return f"<table><caption>{html.escape(_said(self))}</caption>{rows}</table>"

    @property
    def payload_hex(self) -> str | None:
        """The payload in hexadecimal, None unless `ok`."""
        return None if self.payload is None else self.payload.hex()

    @property
    def text(self) -> str | None:
        """The payload as text; None unless `ok`, and where it is not UTF-8."""
        try:
            return None if self.payload is None else self.payload.decode()
        except UnicodeDecodeError:
            return None

    def to_json(self) -> dict[str, Any]:
        """What `soundsafe decode --json` prints.

        Returns:
            Values that JSON can hold.
        """
        return {
            "ok": self.ok,
            "payload_hex": self.payload_hex,
            "text": self.text,
            "payloads": [found.to_json() for found in self.payloads],
            "score": round(self.score, 4),
            "code": self.code,
            "model": self.model,
            "layer": self.layer,
            "id_ok": self.id_ok,
            "id_hex": self.id_hex,
            "euls": [eul.to_json() for eul in self.euls],
            "combined": self.combined,
            "speed": round(self.speed, 7),
            "tempo": round(self.tempo, 7),
            "pitch": round(self.pitch, 7),
            "factor_confidence": round(self.factor_confidence, 6),
            "offset_samples": self.offset_samples,
            "false_accept_bound": self.false_accept_bound,
            "warnings": self.warnings,
            "seconds": round(self.seconds, 3),
            "realtime_factor": round(self.realtime_factor, 4),
        }


def _said(found: Decoded) -> str:
    """What a detection found, in words."""
    read = f"{sum(eul.ok for eul in found.euls)} of {len(found.euls)} seconds read"
    if found.payload is not None:
        text = found.text
        shown = repr(text) if text is not None and text.isprintable() else found.payload.hex()
        shown = shown if len(shown) <= 48 else f"{shown[:45]}..."
        return f"{len(found.payload)} bytes {shown}, {read}, {found.layer} layer"
    if found.id_ok:
        return f"identifier {found.id_hex} alone, {read}"
    return f"no payload, {read}, score {found.score:.3f}"


def of_several_keys(answers: Sequence[Decoded], key_ids: Sequence[str]) -> Decoded:
    """One answer of a file that was read under several keys.

    Args:
        answers: of each key.
        key_ids: their names (`soundsafe.keys.key_id`), which the payloads get.

    Returns:
        The answer with most seconds of a payload, or else the best score, with the payloads of all.
    """
    payloads = [
        replace(found, key_id=key_id)
        for answer, key_id in zip(answers, key_ids, strict=True)
        for found in answer.payloads
    ]
    most = [max((found.euls for found in answer.payloads), default=0) for answer in answers]
    rank = [(each.ok, euls, each.score) for each, euls in zip(answers, most, strict=True)]
    best = answers[max(range(len(answers)), key=rank.__getitem__)]
    return replace(
        best,
        payloads=tuple(sorted(payloads, key=lambda found: (found.payload != best.payload, -found.euls))),
        false_accept_bound=min(1.0, sum(answer.false_accept_bound for answer in answers)),
        seconds=sum(answer.seconds for answer in answers),
        realtime_factor=sum(answer.realtime_factor for answer in answers),
    )


@dataclass(frozen=True, repr=False)
class Embedded:
    """The answer of an embedding.

    Attributes:
        audio: the marked audio, float32 ``[channels, samples]``; None where it went to a file.
        euls: whole seconds of the audio.
        euls_verified: how many of them read back alone.
        payload_bytes: 1 to 4096.
        capacity_bytes_per_eul: of payload, in one second.
        snr_db: of the mark, in dB; infinite, and null in JSON, where nothing was changed.
        zimtohrli: perceptual distance, mean over stretches of 4 s, each of the channel that was changed most.
        seconds: of work.
        realtime_factor: seconds of work for each second of audio.
        warnings: each names a second that does not read back alone, and why, or what could not be kept.
        unmarked_seconds: numbers of the seconds that do not read back alone.
        nmr_db: noise-to-mask ratio of ITU-R BS.1387, of the same stretches; NaN where nothing was changed.
        margin_db: how many decibels noisier the weakest of the seconds that read back could be; NaN where
            none read back alone, or the code does not say.
        strength_db: as it was asked for.

    Example:
        >>> answer = Embedded(None, 2, 2, 16, 175, 34.5, 1e-5, 0.5, 0.25)
        >>> answer.to_json()["euls_verified"]
        2
    """

    audio: NDArray[np.float32] | None
    euls: int
    euls_verified: int
    payload_bytes: int
    capacity_bytes_per_eul: int
    snr_db: float
    zimtohrli: float
    seconds: float
    realtime_factor: float
    warnings: list[str] = field(default_factory=list)
    unmarked_seconds: list[int] = field(default_factory=list)
    nmr_db: float = math.nan
    margin_db: float = math.nan
    strength_db: float = 0.0

    def __repr__(self) -> str:
        """One line, without the audio."""
        read = f"{self.euls_verified} of {self.euls} seconds read back"
        more = f", {len(self.warnings)} warnings" if self.warnings else ""
        return f"<Embedded: {self.payload_bytes} bytes, {read}, SNR {self.snr_db:.1f} dB{more}>"

    def to_json(self) -> dict[str, Any]:
        """What `soundsafe embed --json` prints.

        Returns:
            Values that JSON can hold.
        """
        return {
            "euls": self.euls,
            "euls_verified": self.euls_verified,
            "payload_bytes": self.payload_bytes,
            "capacity_bytes_per_eul": self.capacity_bytes_per_eul,
            "snr_db": round(self.snr_db, 3) if math.isfinite(self.snr_db) else None,
            "nmr_db": round(self.nmr_db, 3) if math.isfinite(self.nmr_db) else None,
            "margin_db": round(self.margin_db, 2) if math.isfinite(self.margin_db) else None,
            "strength_db": self.strength_db,
            "zimtohrli": float(f"{self.zimtohrli:.4g}") if math.isfinite(self.zimtohrli) else None,
            "seconds": round(self.seconds, 3),
            "realtime_factor": round(self.realtime_factor, 4),
            "warnings": self.warnings,
        }
