"""What embedding and detection answer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Decoded", "Embedded", "Eul"]


@dataclass(frozen=True)
class Eul:
    """One second as the detector found it.

    `start_s`: where it starts. `ok`: its own codeword decoded and authenticated. `corrected_bytes`: of 255,
    how many hard decisions were wrong (0 where it did not decode). `erasures`: coded bits of which nothing
    was known. `allocator`: bits for each band, anchors, seed, scales. For the bench: `bits [2040]` (hard
    decisions in the order of the code), `features [bands, frames]`, `slots` (SHA-256 of the slot list) and
    `seed`.
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

    def to_json(self) -> dict[str, Any]:
        """The fields of the command's JSON."""
        return {
            "start_s": round(self.start_s, 6),
            "ok": self.ok,
            "corrected_bytes": self.corrected_bytes,
            "erasures": self.erasures,
            "allocator": self.allocator,
        }


@dataclass(frozen=True)
class Decoded:
    """The answer of a detection; see the command's JSON. `payload` is None unless `ok`.

    `layer`: ``"eul"`` or ``"tile"``, which one gave the payload, or else the identifier. `speed`, `tempo`,
    `pitch`: factors by which the audio was changed, 1.0 where nothing was authenticated;
    `offset_samples`: where the mark begins, in samples of the audio given, or a whole number of its seconds
    from there. `factor_confidence`: 0 (nothing authenticated) to 1, how surely they are no accident.
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

    @property
    def payload_hex(self) -> str | None:
        """The payload in hexadecimal, None unless `ok`."""
        return None if self.payload is None else self.payload.hex()

    def to_json(self) -> dict[str, Any]:
        """One JSON document."""
        return {
            "ok": self.ok,
            "payload_hex": self.payload_hex,
            "score": round(self.score, 4),
            "code": self.code,
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
            "seconds": round(self.seconds, 3),
            "realtime_factor": round(self.realtime_factor, 4),
        }


@dataclass(frozen=True)
class Embedded:
    """The answer of an embedding. `audio` is None where it went to a file.

    `unmarked_seconds`: the EULs that do not read back alone, each named in `warnings`. `snr_db` is infinite
    and written as null where nothing was changed; `zimtohrli` is the worst channel's distance, mean over
    stretches of 16 s.
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

    def to_json(self) -> dict[str, Any]:
        """One JSON document."""
        return {
            "euls": self.euls,
            "euls_verified": self.euls_verified,
            "payload_bytes": self.payload_bytes,
            "capacity_bytes_per_eul": self.capacity_bytes_per_eul,
            "snr_db": round(self.snr_db, 3) if math.isfinite(self.snr_db) else None,
            "zimtohrli": float(f"{self.zimtohrli:.4g}") if math.isfinite(self.zimtohrli) else None,
            "seconds": round(self.seconds, 3),
            "realtime_factor": round(self.realtime_factor, 4),
            "warnings": self.warnings,
        }
