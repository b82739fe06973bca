"""Systems that read whole clips alone, have no key, or carry no payload are counted for what they are."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from soundsafe.eval.analysis.stored import read_run
from soundsafe.reports import markdown
from soundsafe.reports.capacity import delivered, needed
from soundsafe.reports.content import build
from soundsafe.reports.load import Evidence, gather
from soundsafe.reports.model import Table, flat

ATTACKS = [
    ("none", "control", {}, 0.0), ("mp3_64", "mp3", {"kbps": 64}, 9.0),
    ("unmarked", "unmarked", {}, 9.0), ("wrong_key", "wrong_key", {}, 9.0),
]  # fmt: skip


@pytest.fixture
def run(make_rows: Callable[..., pd.DataFrame], make_run: Callable[..., Path], tmp_path: Path) -> Path:
    """`seconds` reads seconds, `clips` whole clips only and with any key, `presence` bears no payload."""
    rows = make_rows([("seconds", 3.0, 10), ("clips", 3.0, 10), ("presence", 3.0, 0)], ATTACKS, euls=4)
    whole = rows["system"] != "seconds"
    rows.loc[whole, "payload_ok"] = False
    marked = whole & (rows["attack"] == "wrong_key")
    rows.loc[marked, ["clip_ok", "id_ok"]] = True
    rows.loc[marked, "score"] = 99.0
    keyless = {"version": "1", "keyed": False, "rate": 16_000, "minimum_s": 2.0}
    return make_run(tmp_path / "x", rows, systems={"seconds": {}, "clips": keyless, "presence": keyless})


@pytest.fixture
def evidence(run: Path) -> Evidence:
    return gather([read_run(run)])


def test_units(evidence: Evidence) -> None:
    seconds, clips, presence = evidence.subjects
    assert [s.whole_clips for s in evidence.subjects] == [False, True, True]
    assert [s.unit_s for s in evidence.subjects] == [1.0, 4.0, 4.0]
    assert seconds.success("none")[0] == seconds.figures("none").payload_success
    assert clips.success("none")[0] == clips.figures("none").clip_success
    assert delivered(seconds, "none") == pytest.approx(80.0)
    assert delivered(clips, "none") == pytest.approx(20.0)
    assert delivered(clips, "mp3_64") == 0
    assert delivered(presence, "none") is None
    assert needed(seconds, "none", 81) == pytest.approx(2.0)
    assert needed(clips, "none", 81) == pytest.approx(8.0)
    assert needed(clips, "mp3_64", 16) == math.inf


def test_without_a_key_another_one_is_no_false_accept(run: Path) -> None:
    report = build([read_run(run)])
    tables = {b.id: b for s in report.sections for b in flat(s.blocks) if isinstance(b, Table)}
    accepts = [(r[0].text, r[1].text) for r in tables["false-accepts"].rows]
    assert accepts == [
        ("seconds", "unmarked"), ("seconds", "wrong_key"), ("clips", "unmarked"), ("presence", "unmarked")
    ]  # fmt: skip
    clean = {r[0].text: r[4].value for r in tables["areas"].rows if r[1].text == "No attack"}
    assert clean["clips"] > 0.9
    standing = {r[0].text: r for r in tables["standing"].rows}
    assert standing["presence"][0].note == "presence only, 32\u00a0s of audio"
    assert standing["clips"][4].text == "0 of 8 clips"
    assert standing["clips"][2].value == 0.0
    facts = {r[0].text: [c.text for c in r] for r in tables["systems"].rows}
    assert facts["clips"][2:6] == ["80", "16000", "2.0", "no"]
    text = markdown.render(report).decode()
    assert "left out: clips, presence" in text
    assert "0 of 8 unmarked clips; it has no key" in text
