"""What both commands share, by a small program of its own: exit codes, one line, JSON, signals, options."""

from __future__ import annotations

import json
import os
import signal
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
    assert errors.startswith("toy: internal error at test_program.py:")
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


def test_short_help_and_options_that_every_command_has(called: Callable[..., Called]) -> None:
    for arguments in (["-h"], ["work", "-h"]):
        code, out, errors = called(lambda: None, *arguments)
        assert (code, errors) == (0, "")
        assert {"--config", "--quiet", "--verbose"} <= set(out.replace(",", " ").split())


def test_quiet_and_verbose(called: Callable[..., Called]) -> None:
    def work() -> None:
        console.say("a remark")
        console.LOG.info("a detail")

    assert called(work, "work") == (0, "", "a remark\n")
    assert called(work, "work", "--quiet") == (0, "", "")
    assert called(work, "-q", "work") == (0, "", "")
    errors = called(work, "work", "--verbose")[2]
    assert errors.startswith("a remark\na detail\n")
    assert "exit code 0 after" in errors
    assert called(_raise(InputError("no")), "work", "-q") == (2, "", "toy: no\n")
    assert "Traceback" in called(_raise(RuntimeError("why")), "work", "-v")[2]


def test_a_shell_is_told_what_may_follow(
    called: Callable[..., Called], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_TOY_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "toy wo")
    monkeypatch.setenv("COMP_CWORD", "1")
    code, out, errors = called(lambda: None)
    assert (code, out.split(), errors) == (0, ["work"], "")
