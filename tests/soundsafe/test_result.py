"""What the answers look like as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from soundsafe.result import Decoded, Embedded, Eul, FoundPayload, of_several_keys

EMBEDDED = {
    "euls",
    "euls_verified",
    "payload_bytes",
    "capacity_bytes_per_eul",
    "snr_db",
    "nmr_db",
    "margin_db",
    "strength_db",
    "zimtohrli",
    "seconds",
    "realtime_factor",
    "warnings",
}
DECODED = {
    "ok",
    "payload_hex",
    "text",
    "score",
    "code",
    "model",
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
    "payloads",
    "warnings",
}
EUL = {"start_s", "ok", "corrected_bytes", "erasures", "allocator", "id_hex"}


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


def test_several_payloads_and_keys() -> None:
    first, other = FoundPayload(b"to A", 3, ((0.0, 3.0),)), FoundPayload(b"\xff", 1, ((3.0, 4.0),))
    document = replace(decoded(b"to A"), payloads=(first, other)).to_json()
    assert document["payloads"] == [
        {
            "payload_hex": "746f2041",
            "text": "to A",
            "id_hex": first.id_hex,
            "euls": 3,
            "ranges": [[0.0, 3.0]],
        },
        {"payload_hex": "ff", "text": None, "id_hex": other.id_hex, "euls": 1, "ranges": [[3.0, 4.0]]},
    ]
    one = replace(decoded(None), payloads=())
    two = replace(decoded(b"to A"), payloads=(first, other))
    both = of_several_keys([one, two], ["k1", "k2"])
    assert (both.ok, both.payload) == (True, b"to A")
    assert [found.key_id for found in both.payloads] == ["k2", "k2"]
    assert both.false_accept_bound == one.false_accept_bound + two.false_accept_bound
    assert both.to_json()["payloads"][0]["key_id"] == "k2"


def test_an_answer_is_true_where_there_is_a_payload() -> None:
    assert decoded(b"hello")
    assert not decoded(None)


def test_answers_are_shown_in_one_short_line() -> None:
    for answer in (decoded(b"hello"), decoded(None), decoded(bytes(range(200))), eul()):
        assert len(repr(answer)) < 140
        assert "\n" not in repr(answer)
    assert repr(decoded(b"hello")).startswith("<Decoded: 5 bytes 'hello', ")
    assert "0001020304" in repr(decoded(bytes(range(200))))
    assert repr(decoded(None)).startswith("<Decoded: ")
    assert repr(eul()) == "<Eul at 1.000 s: read, 3 bytes corrected>"
    marked = Embedded(np.zeros((2, 44_100), np.float32), 1, 1, 5, 175, 31.25, 1e-5, 0.5, 0.5, ["second 0: x"])
    assert repr(marked) == "<Embedded: 5 bytes, 1 of 1 seconds read back, SNR 31.2 dB, 1 warnings>"


def test_an_answer_in_a_notebook_is_a_table_without_markup_of_the_payload() -> None:
    shown = decoded(b"<script>")._repr_html_()
    assert shown.startswith("<table><caption>")
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_text_is_there_where_it_is_text() -> None:
    assert decoded("grüße".encode()).text == "grüße"
    assert decoded(b"\xff").text is None
    assert decoded(None).text is None
