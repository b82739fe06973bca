"""What both commands share, by a small program of its own: exit codes, one line, JSON, progress."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Annotated

import pytest
import typer

from soundsafe import console
from soundsafe.errors import InputError, NotMarkable

Called = tuple[int, str, str]


@pytest.fixture
def called(capsys: pytest.CaptureFixture[str]) -> Callable[..., Called]:
    """Run a program whose command `work` calls the given function: (exit code, stdout, stderr)."""

    def call(work: Callable[[], None], *arguments: str, terminated: str = "") -> Called:
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

        @app.callback()
        def root() -> None: ...

        @app.command("work")
        def command(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
            work()

        with pytest.raises(SystemExit) as stop:
            console.run(console.Command("toy", lambda: app, "stopped", terminated), arguments)
        out = capsys.readouterr()
        return int(stop.value.code or 0), out.out, out.err

    return call


def _raise(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("two\nlines"), 2, r"two\nlines"),
        (NotMarkable("silent"), 1, "silent"),
        (FileNotFoundError(2, "No such file", "x.wav"), 2, "No such file: x.wav"),
        (MemoryError(), 2, "out of memory"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_an_error_is_one_line_and_a_code(
    called: Callable[..., Called], error: BaseException, code: int, line: str
) -> None:
    assert called(_raise(error), "work") == (code, "", f"toy: {line}\n")


def test_an_error_is_one_json_document_where_asked_for(called: Callable[..., Called]) -> None:
    code, out, _ = called(_raise(InputError("no such file")), "work", "--json")
    assert (code, json.loads(out)) == (2, {"error": "no such file"})


def test_a_defect_says_where_it_was_raised(called: Callable[..., Called]) -> None:
    code, out, errors = called(_raise(RuntimeError("why")), "work")
    assert (code, out) == (2, "")
    assert errors.startswith("toy: internal error at test_console.py:")
    assert errors.endswith("RuntimeError: why\n")


def test_bad_usage_and_no_command(called: Callable[..., Called]) -> None:
    code, _, errors = called(lambda: None, "play")
    assert code == 2
    assert errors.endswith("(toy --help tells more)\n")
    assert called(lambda: None) == (2, "", "toy: name a command: work; --help shows them\n")


@pytest.mark.parametrize("terminated", ["", "goes on with --resume"])
def test_signals_end_with_their_codes_and_handlers_come_back(
    called: Callable[..., Called], terminated: str
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    said = f"toy: {terminated}\n" if terminated else ""
    found = called(lambda: os.kill(os.getpid(), signal.SIGTERM), "work", terminated=terminated)
    assert found == (143, "", said)
    assert signal.getsignal(signal.SIGTERM) is before


def test_json_has_null_for_what_is_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json({"a": [float("nan"), 1.5], "b": {"c": float("inf")}})
    assert json.loads(capsys.readouterr().out) == {"a": [None, 1.5], "b": {"c": None}}


def test_a_line_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    console.tell("a\x1b[2Jb\nc")
    console.say("d\re", "toy: ")
    out = capsys.readouterr()
    assert (out.out, out.err) == ("a\\x1b[2Jb\\nc\n", "toy: d\\re\n")


def test_tracked_gives_all_items(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(console.tracked("abc", 3, "reading")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_progress_is_shown_on_a_terminal_after_two_seconds_only(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    clock = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: clock[0])
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with console.progress() as progress:
        progress(0.1, "marking")
    assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]
    with console.progress() as progress:
        progress(0.1, "marking")
        clock[0] = 2.5
        progress(0.2, "verifying")
    assert "verifying" in sys.stderr.getvalue()  # type: ignore[attr-defined]
