"""What marking and reading cost: rows of real audio, the table made of rows, and the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from soundsafe import datasets
from soundsafe.eval.commands.bench import by_quality, draw, length_row
from soundsafe.eval.commands.cli import main


def answer(command: list[str], capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *command, "--json"])
    assert ended.value.code == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["rows"]
    return rows


def test_costs_of_qualities(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--clip", "rock", "--seconds", "2", "--rounds", "1", "--attack", "mp3_320"]
    command += ["--quality", "fast", "--quality", "default", "--out", str(tmp_path)]
    rows = answer(command, capsys)
    assert [row["quality"] for row in rows] == ["fast", "default"]
    for row in rows:
        assert (row["clips"], row["euls"], row["clip_success"]) == (1, 2, 1.0)
        assert 0 < row["decode_cpu_s"] < row["embed_cpu_s"]
        assert row["embed_mp3"] > 1
        assert 1e-5 < row["zimtohrli"] < 1e-3
        assert row["low"] is None  # one clip tells no interval
    assert pd.read_csv(tmp_path / "qualities.csv")["quality"].tolist() == ["fast", "default"]
    assert (tmp_path / "qualities.svg").read_bytes().startswith(b"<?xml")


def test_costs_of_lengths() -> None:
    clips = [clip for clip in datasets.load("bundled").clips if clip.clip == "rock"]
    row = length_row(2.0, clips, "fast", 0)
    assert row["reads"] is True
    assert row["embed_mb"] >= row["start_mb"] > 0
    assert row["decode_cpu_s"] < row["search_cpu_s"]


def test_the_table_of_rows() -> None:
    same = {"embed_cpu_s": 1.0, "zimtohrli": 1e-4}
    rows = [
        {"clip": str(i), "group": str(i), "quality": "fast", "euls": 4, "ok": i, "clip_ok": i > 0} | same
        for i in range(5)
    ]
    table = by_quality(pd.DataFrame(rows))
    only = table.iloc[0]
    assert (only["clips"], only["euls"], only["success"], only["clip_success"]) == (5, 20, 0.5, 0.8)
    assert 0 < only["low"] < 0.5 < only["high"] < 1
    assert len(draw(table, "mp3_192").axes) == 2


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["--quality", "fine"], "unknown quality 'fine': fast, default, best"),
        (["--clip", "none"], "none is no bundled clip: "),
        (["--attack", "none_such"], "none_such"),
        (["--length", "0.5"], "at least one second"),
        (["--length", "nan"], "at least one second"),
        (["--length", "inf"], "an end"),
        (["--seconds", "inf"], "--seconds inf"),
        (["--length", "2", "--clip", "speech_hungarian"], "a clip of music"),
    ],
)
def test_what_it_refuses(command: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *command])
    err = capsys.readouterr().err
    assert ended.value.code == 2
    assert says in err
    assert err.count("\n") == 1
