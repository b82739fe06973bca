"""Detection in a report: failures are in its figures, and limits say what they take as independent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soundsafe.eval.analysis.stored import read_run
from soundsafe.reports import markdown
from soundsafe.reports.content import build
from soundsafe.reports.detection import detection, roc, upper_limit
from soundsafe.reports.families import families
from soundsafe.reports.load import gather
from soundsafe.reports.methods import limits
from soundsafe.reports.model import Section, Table, flat

ATTACKS = [
    ("none", "control", {}, 0.0), ("mp3_128", "mp3", {"kbps": 128}, 1.0),
    ("mp3_64", "mp3", {"kbps": 64}, 3.0), ("unmarked", "unmarked", {}, 9.0),
    ("wrong_key", "wrong_key", {}, 9.0),
]  # fmt: skip


@pytest.fixture
def rows(make_rows: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    return make_rows([("s", 4.0, 175)], ATTACKS, euls=4)


def _table(section: Section | None, name: str) -> Table:
    assert section is not None
    (found,) = (b for b in flat(section.blocks) if isinstance(b, Table) and b.id == name)
    return found


def test_a_clip_that_failed_is_detected_at_no_threshold() -> None:
    curve = roc(np.array([2.0, 3.0, -np.inf, -np.inf, np.nan]), np.array([0.0, 1.0]))
    assert curve is not None
    assert (curve.area, curve.positives) == (0.5, 4)
    assert curve.true_rate[curve.false_rate == 0].max() == 0.5
    assert (curve.false_rate[-1], curve.true_rate[-1]) == (1, 1)


def test_failed_clips_are_in_the_roc(
    rows: pd.DataFrame, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    rows["score"] = np.where(rows["attack"].isin(["unmarked", "wrong_key"]), 0.0, 9.0)
    failed = rows["clip"].isin(["clip_0", "clip_1", "clip_2", "clip_3"])
    failed &= rows["attack"].isin(["none", "unmarked"])
    rows.loc[failed, ["status", "score"]] = "refused", float("nan")
    e = gather([read_run(make_run(tmp_path / "x", rows))])
    areas = _table(detection(e, families(e)), "areas").rows
    assert [[c.value for c in row[2:]] for row in areas] == [[8, 12, 0.5, 0.5], [16, 12, 1.0, 1.0]]


def test_limits_by_clips_beside_those_by_euls(
    rows: pd.DataFrame, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    e = gather([read_run(make_run(tmp_path / "x", rows))])
    assert "as if those of one clip were" in _table(detection(e, families(e)), "false-accepts").caption
    assert upper_limit(0, 8) == pytest.approx(1 - 0.05 ** (1 / 8))
    text = markdown.render(build(e.runs)).decode()
    assert "0 of 64 seconds without the mark, 0 of 8 clips: 95 % upper limit 31.2 % of clips" in text
    (line,) = (t for t in limits(e, listened=True) if "cannot be told" in t)
    assert "4.7 % of seconds" in line
    assert "8 clips, one below about 37.5 % of clips" in line


@pytest.mark.parametrize(
    ("attacked", "wording"),
    [
        ([], "not attacked"),
        (["mp3_64"], "attacked in the same way where known"),
        (["mp3_64", "mp3_128"], "attacked in the same way"),
    ],
)
def test_one_attack_without_its_own_controls_relabels_no_others(
    attacked: list[str], wording: str, rows: pd.DataFrame, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    plain = rows[rows["attack"] == "unmarked"]
    more = [plain.assign(attack=f"unmarked+then+{name}") for name in attacked]
    e = gather([read_run(make_run(tmp_path / "x", pd.concat([rows, *more], ignore_index=True)))])
    assert f"against 8 unmarked clips, {wording}" in _table(detection(e, families(e)), "rates").caption
