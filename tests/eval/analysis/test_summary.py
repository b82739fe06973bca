"""Summaries of made-up rows, whose figures can be counted by hand."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pandas as pd
import pytest

from soundsafe import attacks
from soundsafe.eval.analysis.summary import (
    band_rows,
    breakdown_rows,
    lossy_rows,
    quality_rows,
    summarise,
    summary_rows,
)
from soundsafe.eval.documents import csv_bytes, summary_items, summary_json, to_item
from soundsafe.eval.frames import table_bytes, to_frame
from soundsafe.eval.rows import JOIN, QUALITY, Row, Summary

CONTRACT = [
    "system", "suite", "attack", "params", "category", "clips", "euls", "payload_bits", "seconds", "ber",
    "ber_ci95", "payload_success", "payload_success_ci95", "clip_success", "clip_success_ci95",
    "time_to_payload_s", "goodput_bps", "parity_frames", "parity_bits", "parity_slots", "seed_parity",
    "offset_error_samples",
]  # fmt: skip


def _rows(attack: str, clips: int = 6, **changes: Any) -> list[Row]:
    base: dict[str, Any] = {
        "system": "s", "suite": "a,b", "attack": attack, "family": "f", "params": '{"kbps":128}',
        "lossy": "", "bits": 2040, "ber": 0.01, "payload_ok": True, "clip_ok": True, "payload_bytes": 175,
        "time_to_payload_s": 1.0, "offset_error_samples": -2.0, "parity_slots": 1.0, "snr_db": 30.0,
        "zimtohrli": 5e-5, "lufs_difference": -0.02, "clip_s": 4.5,
    }  # fmt: skip
    out = []
    for clip in range(clips):
        for eul in range(4):
            row = base | {"clip": f"c{clip}", "group": f"g{clip}", "eul": eul}
            row["category"] = "speech" if clip % 2 else "music"
            out.append(Row(**(row | changes)))
    return out


def _one(rows: list[Any], **where: Any) -> Any:
    found = [r for r in rows if all(vars(r)[k] == v for k, v in where.items())]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def frame() -> pd.DataFrame:
    rows = _rows("none") + _rows("bad", payload_ok=False, clip_ok=False, time_to_payload_s=math.inf)
    rows += _rows("unmarked", payload_ok=False, clip_ok=False, ber=0.5)
    return to_frame(rows)


def test_controls_are_joined_as_attacks_are() -> None:
    assert JOIN == attacks.JOIN


def test_rows_have_the_promised_keys(frame: pd.DataFrame) -> None:
    rows = summary_rows(frame)
    assert len(rows) == 2 * 3 * 3  # suites, attacks, categories
    for row in rows:
        assert set(CONTRACT) <= set(to_item(row))
    assert [(r.suite, r.attack) for r in rows if r.category == "all"] == [
        ("a", "none"), ("a", "bad"), ("a", "unmarked"), ("b", "none"), ("b", "bad"), ("b", "unmarked")
    ]  # fmt: skip


def test_figures(frame: pd.DataFrame) -> None:
    rows = summary_rows(frame)
    good = _one(rows, suite="a", attack="none", category="all")
    assert (good.clips, good.euls, good.groups) == (6, 24, 6)
    assert (good.payload_bits, good.seconds) == (1400, 27)
    assert good.payload_success == good.clip_success == 1
    assert good.goodput_bps == 1400
    assert good.offset_error_samples == 2
    assert good.payload_success_ci95 == pytest.approx((0.025 ** (1 / 6), 1), rel=1e-5)
    assert good.params == {"kbps": 128}
    assert good.parity_frames is None
    assert _one(rows, suite="a", attack="none", category="speech").payload_success_ci95 is None
    bad = _one(rows, suite="a", attack="bad", category="all")
    assert bad.time_to_payload_s is None
    assert bad.goodput_bps == 0
    control = _one(rows, suite="a", attack="unmarked", category="all")
    assert control.goodput_bps is None
    assert control.payload_success == 0


def test_quality_is_counted_once_for_each_clip(frame: pd.DataFrame) -> None:
    frame.loc[frame["clip"] == "c1", "zimtohrli"] = 3e-4
    frame.loc[frame["clip"] == "c2", ["snr_db", "zimtohrli", "lufs_difference"]] = math.nan
    row = _one(quality_rows(frame), category="all")
    assert row.zimtohrli == pytest.approx((4 * 5e-5 + 3e-4) / 5)
    assert row.zimtohrli_worst == pytest.approx(3e-4)
    assert row.snr_db_worst == 30
    assert row.lufs_difference == 0.02
    assert row.visqol is None
    assert row.visqol_worst is None
    assert (row.false_accepts, row.unmarked_euls) == (0, 24)


def test_false_accepts(frame: pd.DataFrame) -> None:
    control = frame["attack"] == "unmarked"
    frame.loc[control & (frame["clip"] == "c0") & (frame["eul"] < 2), "payload_ok"] = True
    frame.loc[control & (frame["clip"] == "c0"), "clip_ok"] = True
    frame.loc[control & (frame["clip"] == "c1"), "clip_ok"] = True  # by combining alone
    frame.loc[control & (frame["clip"] == "c2"), "id_ok"] = True
    frame.loc[control & (frame["clip"] == "c3"), "status"] = "decode_failed"
    row = _one(quality_rows(frame), category="all")
    assert (row.false_accepts, row.unmarked_euls) == (4, 20)
    assert _one(quality_rows(frame), category="speech").false_accepts == 1
    tested = _one(summary_rows(frame), suite="a", attack="unmarked", category="all")
    assert (tested.euls, tested.failed_euls) == (20, 4)


def test_files_are_strict_and_the_same_each_time(frame: pd.DataFrame) -> None:
    summary = summarise(frame)
    data = summary_json(summary)
    assert json.loads(data)["rows"][0]["system"] == "s"
    assert b"NaN" not in data
    assert b"Infinity" not in data
    assert summary_json(summarise(frame.copy())) == data
    lines = csv_bytes(summary.rows).decode().splitlines()
    assert "payload_success_ci95_low,payload_success_ci95_high" in lines[0]
    assert len(lines) == 1 + len(summary.rows)


def test_everything_was_refused() -> None:
    frame = to_frame(
        _rows("none", status="refused", payload_ok=False, clip_ok=False, ber=0.5, bits=0, payload_bytes=0)
    )
    row = _one(summary_rows(frame), suite="a", category="all")
    assert row.payload_success == 0
    assert row.ber is None
    gone = to_frame(_rows("unmarked", status="read_failed", payload_ok=False, clip_ok=False))
    assert _one(summary_rows(gone), suite="a", category="all").payload_success is None
    assert _one(quality_rows(gone), category="all").unmarked_euls == 0


def _failing(attack: str, failed: tuple[str, ...], **changes: Any) -> list[Row]:
    """Rows in which these clips were refused."""
    gone = {
        "status": "refused", "payload_ok": False, "clip_ok": False, "ber": 0.5, "bits": 0,
        "payload_bytes": 0, "score": math.nan, "parity_slots": math.nan, "parity_bands": "",
        "time_to_payload_s": math.inf,
    }  # fmt: skip
    return [
        dataclasses.replace(r, **gone) if r.clip in failed else r
        for r in _rows(attack, **({"score": 9.0} | changes))
    ]


def test_what_was_refused_was_not_detected_and_has_no_parity() -> None:
    failed = ("c0", "c1", "c2")
    ones = ",".join(["1"] * 24)
    rows = _failing("none", failed, parity_bands=ones)
    rows += [dataclasses.replace(r, score=int(r.clip[1:]) / 10) for r in _rows("unmarked", clips=8)]
    frame = to_frame(rows)
    row = _one(summary_rows(frame, extrapolate=True), suite="a", attack="none", category="all")
    assert row.clip_success == row.detection_1e2 == row.auc == row.parity_slots == 0.5
    assert row.seed_parity is None  # the system has none
    (bands, _) = band_rows(frame)
    assert (bands.euls, bands.bands) == (24, (0.5,) * 24)
    frame.loc[frame["clip"] == "c7", "status"] = "decode_failed"
    control = _one(summary_rows(frame), suite="a", attack="none", category="all")
    assert control.detection_unmarked_clips == 7


def test_parity_that_an_attack_has_for_no_clip_is_not_measured() -> None:
    """Where an attack's delay is not known a refusal makes no parity of 0, unless everything was refused."""
    rows = _rows("none") + _failing("crop", ("c0",), parity_slots=math.nan)
    rows += _failing("dead", tuple(f"c{i}" for i in range(6)))
    found = summary_rows(to_frame(rows))
    values = {r.attack: r.parity_slots for r in found if (r.suite, r.category) == ("a", "all")}
    assert values == {"none": 1, "crop": None, "dead": 0}


def test_a_refusal_is_counted_once_and_with_what_the_system_carries() -> None:
    rows = _rows("none") + _failing("bad", ("c1", "c3", "c5"))
    rows += _failing("dead", tuple(f"c{i}" for i in range(6)))
    found = summary_rows(to_frame(rows))
    half = _one(found, suite="a", attack="bad", category="all")
    assert (half.payload_bits, half.payload_success, half.goodput_bps) == (1400, 0.5, 700)
    assert half.goodput_128_bps == 64
    assert half.ber == pytest.approx((0.01 + 0.5) / 2)
    for dead in (
        _one(found, suite="a", attack="bad", category="speech"),
        _one(found, suite="a", attack="dead", category="all"),
    ):
        assert (dead.ber, dead.goodput_bps, dead.capacity_bits) == (0.5, 0, 0)
        assert dead.payload_bits == 1400


def test_parity_by_band() -> None:
    half = ",".join(["1", "0.5", *["0"] * 22])
    rows = to_frame(_rows("mp3", parity_bands=half) + _rows("none", parity_bands=""))
    found = band_rows(rows)
    assert [(b.suite, b.attack, b.euls) for b in found] == [("a", "mp3", 24), ("b", "mp3", 24)]
    assert found[0].bands == (1.0, 0.5, *[0.0] * 22)
    assert csv_bytes(found).decode().splitlines()[0].startswith("system,suite,attack,euls,band_00,band_01")
    assert band_rows(to_frame(_rows("none"))) == []


def test_detection_is_calibrated_on_what_was_attacked_alike() -> None:
    """The attack lifts unmarked scores: against unattacked ones every marked clip would be detected."""

    def clips(attack: str, first: float, many: int = 100) -> list[Row]:
        rows = _rows(attack, clips=many, family="", payload_ok=False, clip_ok=False)[::4]
        return [dataclasses.replace(r, score=first + i / many) for i, r in enumerate(rows)]

    rows = clips("mp3", 7.0, 10) + clips("unmarked", 5.0)
    plain = _one(summary_rows(to_frame(rows)), suite="a", attack="mp3", category="all")
    assert (plain.detection_1e2, plain.auc) == (1, 1)
    low, high = plain.detection_1e2_ci95
    assert 0.6 < low < high == 1
    assert plain.detection_1e2_fpr_ci95 == pytest.approx((0.00025, 0.0362), rel=0.02)  # 1 of 101
    assert plain.detection_1e3 is plain.detection_1e3_ci95 is plain.detection_1e3_fpr_ci95 is None
    assert plain.detection_extrapolated == ""
    beyond = _one(summary_rows(to_frame(rows), extrapolate=True), suite="a", attack="mp3", category="all")
    assert (beyond.detection_1e3, beyond.detection_1e6) == (0.9, 0)  # at 7.05 and 8.78
    assert beyond.detection_extrapolated == "1e3,1e6"
    assert (plain.detection_calibration, plain.detection_unmarked_clips) == ("unattacked", 100)
    rows += clips("unmarked+then+mp3", 6.95)
    alike = _one(summary_rows(to_frame(rows)), suite="a", attack="mp3", category="all")
    assert alike.detection_calibration == "attacked"
    assert alike.detection_1e2 == 0
    assert alike.auc == pytest.approx(0.505, abs=0.002)
    assert _one(summary_rows(to_frame(rows)), suite="a", attack="unmarked", category="all").auc is None


def test_equal_payloads_and_capacity(frame: pd.DataFrame) -> None:
    rows = summary_rows(frame)
    good = _one(rows, suite="a", attack="none", category="all")
    assert (good.goodput_16_bps, good.goodput_40_bps, good.goodput_128_bps) == (16, 40, 128)
    assert good.capacity_bits == pytest.approx(2040 * (1 - 0.0807931), rel=1e-5)
    bad = _one(rows, suite="a", attack="bad", category="all")
    assert bad.goodput_16_bps == 0
    small = to_frame(_rows("none", payload_bytes=4, time_to_payload_s=8.0))
    assert _one(summary_rows(small), suite="a", category="all").goodput_128_bps == 4


def test_breakdown_of_a_sweep() -> None:
    rows = []
    for db, ok in ((30, True), (20, True), (10, False)):
        params = json.dumps({"colour": "white", "snr_db": db})
        rows += _rows(f"noise_white_{db}dB", params=params, payload_ok=ok, clip_ok=True)
    rows += _rows("gain", params='{"db":3}')
    found = breakdown_rows(summary_rows(to_frame(rows)))
    assert len(found) == 2  # suites
    line = found[0]
    assert (line.sweep, line.parameter, line.values) == ("noise_white_…dB", "snr_db", (10, 20, 30))
    assert (line.payload_breaks_at, line.clip_breaks_at) == ((15,), ())


def test_clips_coded_before_apart() -> None:
    coded = _rows("none", lossy="yes", payload_ok=False)
    plain = [dataclasses.replace(row, clip=f"plain_{row.clip}") for row in _rows("none", lossy="no")]
    rows = lossy_rows(to_frame(coded + plain))
    assert {(r.suite, r.category, r.clips, r.payload_success) for r in rows} == {
        (suite, *figures) for suite in "ab" for figures in (("no", 6, 1.0), ("yes", 6, 0.0))
    }
    stored = summary_items(Summary(by_lossy=tuple(rows)))["by_lossy"]
    assert stored[0]["lossy"] == "no"
    assert "category" not in stored[0]
    assert lossy_rows(to_frame(_rows("none"))) == []


def test_no_name_in_a_table_is_a_formula() -> None:
    frame = pd.DataFrame({"clip": ["=1+1", "@x", "-2", "a"], "=n": [-1.5, 2.0, 3.0, 4.0]})
    lines = table_bytes(frame).decode().splitlines()
    assert lines == ["clip,'=n", "'=1+1,-1.5", "'@x,2.0", "-2,3.0", "a,4.0"]


def test_what_did_not_run_is_in_no_figure_and_counted_apart() -> None:
    rows = _failing("mp3", ("c0",)) + _rows("none")
    rows = [dataclasses.replace(r, status="timed_out") if r.clip == "c1" else r for r in rows]
    rows += [dataclasses.replace(r, status="decode_failed", payload_ok=False) for r in _rows("dead")]
    found = summary_rows(to_frame(rows))
    row = _one(found, suite="a", attack="mp3", category="all")
    assert (row.clips, row.euls, row.failed_euls, row.refused_euls) == (5, 20, 4, 4)
    assert (row.payload_success, row.clip_success) == (0.8, 0.8)
    dead = _one(found, suite="a", attack="dead", category="all")
    assert (dead.clips, dead.euls, dead.failed_euls, dead.groups) == (0, 0, 24, 0)
    assert dead.payload_success is dead.clip_success is dead.ber is dead.goodput_bps is None
    assert dead.detection_1e2 is dead.parity_slots is dead.time_to_payload_s is None


def test_clips_of_which_nothing_was_measured_are_not_counted(frame: pd.DataFrame) -> None:
    before = _one(quality_rows(frame), category="all")
    some = frame.copy()
    first = some["clip"].unique()[0]
    figures = [name for name in QUALITY if name in some]
    some.loc[some["clip"] == first, figures] = math.nan
    assert _one(quality_rows(some), category="all").clips == before.clips - 1
    some = frame.copy()
    some.loc[some.drop_duplicates("clip").index, figures] = math.nan  # a cell that failed comes first
    after = _one(quality_rows(some), category="all")
    assert (after.clips, after.snr_db) == (before.clips, before.snr_db)
    nothing = frame.copy()
    nothing[figures] = math.nan
    assert _one(quality_rows(nothing), category="all").clips == 0
