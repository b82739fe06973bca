"""`soundsafe-eval dataset make` as a command: its exit codes, and one line for what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_what_is_missing_is_one_line_and_exit_2(tmp_path: Path, command: Any) -> None:
    for arguments, said in (
        (
            ["open-audio", tmp_path / "a", "--packages", tmp_path],
            "lacks colobot-common-sounds, hedgewars-data",
        ),
        (
            ["open-audio", tmp_path / "b", "--packages", tmp_path / "no"],
            "no such folder; give one of .deb files",
        ),
        (["closed-audio", tmp_path / "c"], "no such recipe; there is open-audio"),
    ):
        code, _, errors = command("dataset", "make", *arguments)
        assert code == 2
        assert said in errors
        assert len(errors.splitlines()) == 1
