"""What the answers look like as JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from soundsafe.result import Decoded, Embedded, Eul

EMBEDDED = {
    "euls",
    "euls_verified",
    "payload_bytes",
    "capacity_bytes_per_eul",
    "snr_db",
    "zimtohrli",
    "seconds",
    "realtime_factor",
    "warnings",
}
DECODED = {
    "ok",
    "payload_hex",
    "score",
    "code",
    "layer",
    "id_ok",
    "id_hex",
    "euls",
    "combined",
    "speed",
    "tempo",
    "pitch",
    "factor_confidence",
    "offset_samples",
    "false_accept_bound",
    "seconds",
    "realtime_factor",
}
EUL = {"start_s", "ok", "corrected_bytes", "erasures", "allocator"}


def eul() -> Eul:
    return Eul(
        1.0, True, 3, 7, {"seed": 5}, np.zeros(2040, np.uint8), np.zeros((24, 100), np.int16), "00" * 32, 5
    )


def decoded(payload: bytes | None) -> Decoded:
    return Decoded(
        ok=payload is not None,
        payload=payload,
        score=12.3,
        code="ldpc",
        layer="eul" if payload else None,
        id_ok=payload is not None,
        id_hex="00" * 8 if payload else None,
        euls=[eul()],
        combined=0,
        speed=1.0,
        tempo=1.0,
        pitch=1.0,
        offset_samples=1105 if payload else None,
        false_accept_bound=2.0**-64,
        seconds=0.123456,
        realtime_factor=0.0123456,
    )


def embedded(snr_db: float, zimtohrli: float = 7.123456e-5) -> Embedded:
    return Embedded(
        np.zeros((2, 4), np.float32), 4, 3, 20, 175, snr_db, zimtohrli, 1.0, 0.25, ["second 2: x"], [2]
    )


def test_keys_of_decode() -> None:
    document = json.loads(json.dumps(decoded(b"\x00\xff").to_json(), allow_nan=False))
    assert set(document) == DECODED
    assert document["payload_hex"] == "00ff"
    assert set(document["euls"][0]) == EUL


def test_no_payload_is_null() -> None:
    document = json.loads(json.dumps(decoded(None).to_json(), allow_nan=False))
    assert document["ok"] is False
    assert document["payload_hex"] is None
    assert document["offset_samples"] is None


def test_keys_of_embed() -> None:
    document = json.loads(json.dumps(embedded(30.0).to_json(), allow_nan=False))
    assert set(document) == EMBEDDED
    assert document["zimtohrli"] == pytest.approx(7.123e-5)
    assert document["warnings"] == ["second 2: x"]


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_figures_that_json_cannot_hold_are_null(value: float) -> None:
    document = json.loads(json.dumps(embedded(value, value).to_json(), allow_nan=False))
    assert document["snr_db"] is None
    assert document["zimtohrli"] is None
