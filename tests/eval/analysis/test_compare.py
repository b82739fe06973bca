"""Two runs side by side, of systems that are right in exactly as many clips as was decided here."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from soundsafe.eval.analysis.compare import compare
from soundsafe.eval.frames import to_frame
from soundsafe.eval.rows import Row

CLIPS = 16


def _rows(right: dict[str, int], *, whole: bool, status: str = "ok") -> pd.DataFrame:
    """A run in which so many of the first clips succeed, one second each; `whole`: by whole clips alone."""
    rows = [
        Row(
            system="s", suite="t", attack=attack, family="", params="{}", clip=f"c{i}", category="music",
            group=f"g{i}", lossy="", eul=0, payload_ok=i < k and not whole, clip_ok=i < k, score=float(i < k),
            status=status if i >= 14 and attack == "mp3" else "ok",
        )
        for attack, k in right.items()
        for i in range(CLIPS)
    ]  # fmt: skip
    return to_frame(rows)


def test_whole_clip_systems_are_compared_by_clips() -> None:
    before = _rows({"none": 16, "mp3": 14, "unmarked": 0}, whole=True)
    after = _rows({"none": 16, "mp3": 2, "unmarked": 0}, whole=True)
    rows = {row.attack: row for row in compare(before, after)}
    assert set(rows) == {"none", "mp3"}
    mp3 = rows["mp3"]
    assert (mp3.clips, mp3.clip_success_a, mp3.clip_success_b) == (16, 14 / 16, 2 / 16)
    assert (mp3.clips_only_a, mp3.clips_only_b, mp3.clip_difference) == (12, 0, -0.75)
    assert mp3.p_clips == pytest.approx(2 / 2**12, rel=1e-5)  # McNemar's, each clip being a group
    assert mp3.p_clips_holm == pytest.approx(2 * 2 / 2**12, rel=1e-5)  # seconds are not among the tests
    assert (mp3.verdict, rows["none"].verdict) == ("worse", "within noise")
    assert mp3.p_clustered is mp3.p_holm is mp3.difference_ci95 is None
    assert (rows["none"].auc_a, mp3.auc_b) == (1.0, pytest.approx(0.5 + 1 / 16))
    assert {row.attack: row.verdict for row in compare(after, before)}["mp3"] == "better"


def test_seconds_and_clips_are_adjusted_together() -> None:
    before, after = _rows({"none": 16, "mp3": 14}, whole=False), _rows({"none": 16, "mp3": 2}, whole=False)
    rows = {row.attack: row for row in compare(before, after)}
    assert rows["mp3"].p_clustered == rows["mp3"].p_clips
    assert rows["mp3"].p_holm == pytest.approx(4 * 2 / 2**12, rel=1e-5)
    assert rows["mp3"].verdict == "worse"


def test_what_did_not_run_in_one_is_compared_in_none() -> None:
    before = _rows({"mp3": 16}, whole=True)
    after = _rows({"mp3": 16}, whole=True, status="timed_out")
    (row,) = compare(before, after)
    assert (row.clips, row.euls) == (14, 14)
    refused = _rows({"mp3": 14}, whole=True, status="refused")
    (row,) = compare(before, refused)
    assert (row.clips, row.clips_only_a) == (16, 2)


def test_clips_of_one_source_count_as_one() -> None:
    before = _rows({"mp3": 16}, whole=True).assign(group="one")
    (row,) = compare(before, _rows({"mp3": 0}, whole=True).assign(group="one"))
    assert row.p_clips == 1.0
    assert row.verdict == "within noise"
    assert math.isclose(row.clip_difference or 0.0, -1.0)
