"""A program from its arguments to its exit code: every error one line, signals, unwritten answers.

Exit codes: 0 done; 1 the answer is no; 2 bad input or usage; 130 interrupted, 143 and 129 ended by SIGTERM
and SIGHUP. Stdout holds the answer and nothing else; whatever else is said goes to stderr, which nobody need
be able to hear. With ``--json`` the answer is exactly one JSON document: the result, or ``{"error": ...}``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn, Protocol, runtime_checkable

import typer
from typer.core import TyperGroup

from soundsafe.console.common_options import HELP_NAMES, add_common_options
from soundsafe.console.defaults import FILE, read_defaults
from soundsafe.console.output import LOG, UnwrittenError, print_json, say, set_level
from soundsafe.errors import InputError, NotMarkable, defect, reason

__all__ = ["INTERRUPTED", "Command", "Terminated", "run"]

INTERRUPTED = 130
"""What shells expect of a command that was ended by Ctrl-C."""


@dataclass(frozen=True)
class Command:
    """A command line program and what it says where something ends it.

    `load` makes its parser. `terminated`: what is said of SIGTERM; nothing by default, as whoever sends it
    knows. `quiet_libraries`: C libraries that it uses must not write to stderr.
    """

    name: str
    load: Callable[[], typer.Typer]
    interrupted: str = "interrupted"
    terminated: str = ""
    out_of_memory: str = "out of memory"
    quiet_libraries: bool = False

    @property
    def completion(self) -> str:
        """The environment variable by which a shell asks for completions."""
        return f"_{self.name.replace('-', '_').upper()}_COMPLETE"


class Terminated(SystemExit):
    """A signal asked for the end: a SystemExit, as libraries expect, so that none takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(number + 128)
        self.number = number


@contextlib.contextmanager
def _native_libraries_silenced() -> Iterator[None]:
    """Keep C libraries from writing to stderr (mpg123 does, at every oddity of an MP3 file)."""
    python_stderr = sys.stderr
    try:
        own = python_stderr.fileno() == 2
        kept = os.dup(2)
    except (AttributeError, OSError, ValueError):
        yield
        return
    if own:
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        if own:
            replacement, sys.stderr = sys.stderr, python_stderr
            with contextlib.suppress(OSError, ValueError):
                replacement.close()


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    # An exception, so that unfinished outputs are removed and worker processes ended.
    raise Terminated(number)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the command with an exception; who ignores them (nohup) goes on."""
    ends = {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}
    before = {n: signal.signal(n, _terminated) for n in ends if signal.getsignal(n) != signal.SIG_IGN}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _refuse(command: Command, code: int, message: str, wants_json: bool) -> int:
    say(message, f"{command.name}: ", logging.ERROR)
    if wants_json:
        print_json({"error": message})
    return code


@runtime_checkable
class _OfParser(Protocol):
    """An error that a parser raises."""

    def format_message(self) -> str: ...


@runtime_checkable
class _InContext(Protocol):
    """One that knows which command it is about."""

    ctx: typer.Context | None


def _usage(command: Command, error: Exception) -> str | None:
    """What a parser's error says, whichever module of typer's defines it; None for any other error."""
    if not isinstance(error, _OfParser):
        return None
    context = error.ctx if isinstance(error, _InContext) else None
    path = command.name if context is None else context.command_path
    return f"{error.format_message().replace('Value error, ', '').rstrip('.')} ({path} --help tells more)"


def _call(command: Command, arguments: Sequence[str]) -> int:
    """The exit code of the program, every error of which has been said."""
    wants_json = "--json" in arguments
    parser = typer.main.get_command(command.load())
    add_common_options(parser)
    if not arguments and command.completion not in os.environ:
        names = ", ".join(parser.commands if isinstance(parser, TyperGroup) else ())
        return _refuse(command, 2, f"name a command: {names}; --help shows them", wants_json)
    try:
        defaults = {}
        if Path(FILE).is_file() and command.completion not in os.environ:
            defaults = read_defaults(Path(FILE), command.name, parser)
        code = parser.main(
            args=list(arguments),
            prog_name=command.name,
            standalone_mode=False,
            default_map=defaults,
            help_option_names=HELP_NAMES,
        )
        if code == INTERRUPTED:  # what typer makes of an interrupt
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except typer.Abort:
        raise KeyboardInterrupt from None
    except (UnwrittenError, BrokenPipeError):
        raise
    except NotMarkable as error:
        return _refuse(command, 1, str(error), wants_json)
    except InputError as error:
        return _refuse(command, 2, str(error), wants_json)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return _refuse(command, 2, f"{reason(error)}{where}", wants_json)
    except MemoryError:
        return _refuse(command, 2, command.out_of_memory, wants_json)
    except Exception as error:
        if (usage := _usage(command, error)) is None:
            for line in traceback.format_exc().splitlines():
                LOG.debug("%s", line)
        return _refuse(command, 2, usage or defect(error), wants_json)


def run(command: Command, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a program and leave with its exit code (`arguments`: those of the process by default)."""
    set_level(logging.WARNING)
    started = time.monotonic()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    if hasattr(sys.stdout, "reconfigure"):  # names of files need not be text
        sys.stdout.reconfigure(errors="backslashreplace")
    silenced = _native_libraries_silenced() if command.quiet_libraries else contextlib.nullcontext()
    with _signals(), silenced:
        try:
            code = _call(command, sys.argv[1:] if arguments is None else arguments)
            _flush()
        except KeyboardInterrupt:
            code = _refuse(command, INTERRUPTED, command.interrupted, False)
        except Terminated as end:
            code = end.number + 128
            if command.terminated:
                _refuse(command, code, command.terminated, False)
        except BrokenPipeError:
            code = 1
        except UnwrittenError as error:
            code = _refuse(command, 2, f"cannot write the answer: {error}", False)
    LOG.info("%s: exit code %d after %.1f s", command.name, code, time.monotonic() - started)
    _abandon_broken_streams()
    sys.exit(code)


def _flush() -> None:
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UnwrittenError(error.strerror) from error


def _abandon_broken_streams() -> None:
    """Python flushes both streams once more when it exits: it would complain about a pipe that nobody reads,
    and end with 120 where stderr takes nothing."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
