from __future__ import annotations

import io
import sys
import threading

import pytest

from soundsafe import console
from soundsafe.console import bar


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


def test_where_nobody_sees_a_bar_lines_tell_of_steps_that_take_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = threading.Semaphore(0)
    write = bar.say

    def heard(text: str) -> None:
        write(text)
        said.release()

    monkeypatch.setattr(bar, "_LINE_EVERY_S", 1e-3)
    monkeypatch.setattr(bar, "say", heard)
    with console.progress("loading") as report:
        said.acquire()
        report(0.25, "rock: mp3_128")
        for _ in range(2):  # one may have been on its way
            said.acquire()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "loading"
    assert lines[-1] == "25 %, rock: mp3_128"
