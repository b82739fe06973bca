from __future__ import annotations

import io
import sys

import pytest

from soundsafe import console


def test_tracked_gives_all_items(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(console.tracked("abc", 3, "reading")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_progress_names_what_is_done_from_the_first_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with console.progress("loading") as progress:
        first = sys.stderr.getvalue()  # type: ignore[attr-defined]
        progress(0.25, "rock\x1b[2J: mp3_128")
    shown = sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert "loading" in first
    assert r"rock\x1b[2J: mp3_128" in shown
    assert "25%" in shown
