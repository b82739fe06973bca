"""The command that measures what marking and reading cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from soundsafe.eval.commands.cli import main


def answer(command: list[str], capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *command, "--json"])
    assert ended.value.code == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["rows"]
    return rows


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["--quality", "fine"], "unknown quality fine: "),
        (["--clip", "none"], "unknown bundled clip none: "),
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
