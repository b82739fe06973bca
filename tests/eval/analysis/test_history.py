"""Several runs as one table."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from soundsafe.errors import InputError
from soundsafe.eval.analysis.history import connect, history
from soundsafe.eval.analysis.summary import summary_rows
from soundsafe.eval.documents import json_value
from soundsafe.eval.frames import to_frame
from soundsafe.eval.rows import Row


def _run(folder: Path, decoded: int, attacks: tuple[str, ...] = ("none", "mp3_128", "unmarked")) -> Path:
    folder.mkdir()
    rows = []
    for attack in attacks:
        for eul in range(8):
            ok = eul < decoded and attack != "unmarked"
            rows.append(
                Row(
                    system="s", suite="t", attack=attack, family="", params="{}", clip=f"c{eul // 4}",
                    category="music", group=f"g{eul // 4}", lossy="", eul=eul % 4, bits=100,
                    ber=0.1 if ok else 0.3, payload_ok=ok,
                    clip_ok=eul // 4 * 4 < decoded and attack != "unmarked",
                )
            )  # fmt: skip
    to_frame(rows).to_parquet(folder / "results.parquet")
    (folder / "run.json").write_text(json.dumps({"commit": "0123456789abcdef"}))
    return folder


def test_a_folders_name_is_no_pattern(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    _run(tmp_path / "run1", 8)
    asked = _run(tmp_path / "run[1]", 4)
    assert history([asked])[0].payload_success == 0.5


def test_runs_in_the_order_given(tmp_path: Path, command: Any) -> None:
    pytest.importorskip("duckdb")
    first = _run(tmp_path / "it's first", 8)
    second = _run(tmp_path / "second", 4, ("none", "gain_+3dB"))
    third = _run(tmp_path / "third", 6)
    rows = history([first, second, third])
    assert [(r.attack, Path(r.run).name) for r in rows] == [
        ("none", "it's first"), ("none", "second"), ("none", "third"), ("mp3_128", "it's first"),
        ("mp3_128", "third"), ("gain_+3dB", "second"),
    ]  # fmt: skip
    assert [r.payload_success for r in rows[:3]] == [1, 0.5, 0.75]
    assert [r.change for r in rows] == [None, -0.5, 0.25, None, -0.25, None]
    assert [r.clip_success for r in rows[:3]] == [1, 0.5, 1]
    assert rows[1].ber == pytest.approx(0.2)
    assert rows[0].parity_slots is None
    assert rows[0].commit == "0123456789ab"
    older = to_frame([]).columns.drop(["parity_slots"])
    for folder in (second, third):
        pd.read_parquet(folder / "results.parquet")[older].to_parquet(folder / "results.parquet")
    assert all(r.parity_slots is None for r in history([second, third]))
    count = connect([first, second]).execute("SELECT count(*) FROM rows WHERE run = 1").fetchone()
    assert count == (16,)
    code, text, _ = command("history", first, second, "--json")
    assert code == 0
    assert json.loads(text)["rows"] == json_value(history([first, second]))
    assert "(-50.0)" in command("history", first, second)[1]


def test_failures_count_as_in_a_summary(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    folder = _run(tmp_path / "run", 8, ("none", "some", "crop", "dead"))
    rows = pd.read_parquet(folder / "results.parquet")
    rows["parity_slots"] = 1.0
    failed = (rows["attack"] == "dead") | (rows["attack"].isin(["some", "crop"]) & (rows["clip"] == "c1"))
    rows.loc[failed, ["status", "parity_slots"]] = "refused", float("nan")
    rows.loc[rows["attack"] == "crop", "parity_slots"] = float("nan")
    rows.to_parquet(folder / "results.parquet")
    summary = {r.attack: r.parity_slots for r in summary_rows(rows) if r.category == "all"}
    assert {r.attack: r.parity_slots for r in history([folder])} == summary
    assert summary == {"none": 1, "some": 0.5, "crop": None, "dead": 0}


def test_what_cannot_be_read_is_said(tmp_path: Path, command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("duckdb")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "results.parquet").write_bytes(b"no")
    for folder, text in (("broken", "cannot be read"), ("missing", "no finished run")):
        code, out, errors = command("history", tmp_path / folder)
        assert (code, out) == (2, "")
        assert text in errors
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(InputError, match=r"soundsafe\[history\]"):
        history([tmp_path])
