"""What both commands have in common: exit codes, one line for an error, JSON, signals, progress.

Exit codes: 0 done; 1 the answer is no; 2 bad input or usage; 130 interrupted, 143 and 129 ended by SIGTERM
and SIGHUP. Stdout holds the answer and nothing else; whatever else is said goes to stderr, which nobody need
be able to hear. With ``--json`` the answer is exactly one JSON document: the result, or ``{"error": ...}``.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn, TypeVar

import typer

from soundsafe.aliases import Progress
from soundsafe.errors import InputError, NotMarkable, defect

__all__ = [
    "INTERRUPTED", "Command", "Terminated", "finite", "print_json", "progress", "run", "say", "tell",
    "tracked", "write",
]  # fmt: skip

INTERRUPTED = 130
"""What shells expect of a command that was ended by Ctrl-C."""

_PROGRESS_AFTER_S = 2.0
T = TypeVar("T")


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


class _UnwrittenError(Exception):
    """Stdout took no answer; not an OSError, which would be one of a file."""


class Terminated(SystemExit):
    """A signal asked for the end: a SystemExit, as libraries expect, so that none takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(number + 128)
        self.number = number


def finite(value: object) -> object:
    """A JSON value in which null stands for what JSON does not know: NaN and infinity.

    Example:
        >>> finite({"ber": float("nan"), "clips": [1, 2.5]})
        {'ber': None, 'clips': [1, 2.5]}
    """
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def one_line(text: str) -> str:
    """`text` without anything that would move a terminal's cursor: names of files may hold all sorts."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def write(text: str) -> None:
    """`text` on stdout, as it is."""
    if sys.stdout is None:  # closed by who called: nobody reads the answer
        return
    try:
        typer.echo(text, nl=False)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _UnwrittenError(error.strerror) from error


def tell(text: str) -> None:
    """One line on stdout."""
    write(f"{one_line(text)}\n")


def print_json(document: object, *, ascii_only: bool = True) -> None:
    """One JSON document on stdout; null stands for NaN and infinity."""
    write(json.dumps(finite(document), ensure_ascii=ascii_only, allow_nan=False) + "\n")


def say(text: str, prefix: str = "") -> None:
    """One line on stderr, if there is one; where it is full or closed, that does not change the answer."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"{prefix}{one_line(text)}\n")
        sys.stderr.flush()


@contextlib.contextmanager
def progress() -> Iterator[Progress]:
    """A bar with the time left, shown on a terminal once two seconds have passed."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda done, what: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    bar = Bar(*columns, console=Console(file=sys.stderr), transient=True)
    task = bar.add_task("", total=1.0)
    start = time.monotonic()

    def update(done: float, what: str) -> None:
        bar.update(task, completed=done, description=what)
        if not bar.live.is_started and time.monotonic() - start > _PROGRESS_AFTER_S:
            bar.start()

    try:
        yield update
    finally:
        if bar.live.is_started:
            bar.stop()


def tracked(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The items one by one, with a bar of how many of `total` are done."""
    with progress() as update:
        for count, item in enumerate(items):
            update(count / max(1, total), f"{what} {count + 1}/{total}")
            yield item


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
    say(message, f"{command.name}: ")
    if wants_json:
        print_json({"error": message})
    return code


def _usage(command: Command, error: Exception) -> str | None:
    """What a parser's error says, whichever module of typer's defines it; None for any other error."""
    text = getattr(error, "format_message", None)
    if text is None:
        return None
    context = getattr(error, "ctx", None)
    path = command.name if context is None else context.command_path
    return f"{text().replace('Value error, ', '').rstrip('.')} ({path} --help tells more)"


def _call(command: Command, arguments: Sequence[str]) -> int:
    """The exit code of the program, every error of which has been said."""
    wants_json = "--json" in arguments
    parser = typer.main.get_command(command.load())
    if not arguments:
        names = ", ".join(getattr(parser, "commands", ()))
        return _refuse(command, 2, f"name a command: {names}; --help shows them", wants_json)
    try:
        code = parser.main(args=list(arguments), prog_name=command.name, standalone_mode=False)
        if code == INTERRUPTED:  # what typer makes of an interrupt
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except typer.Abort:
        raise KeyboardInterrupt from None
    except (_UnwrittenError, BrokenPipeError):
        raise
    except NotMarkable as error:
        return _refuse(command, 1, str(error), wants_json)
    except InputError as error:
        return _refuse(command, 2, str(error), wants_json)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return _refuse(command, 2, f"{error.strerror or error}{where}", wants_json)
    except MemoryError:
        return _refuse(command, 2, command.out_of_memory, wants_json)
    except Exception as error:
        return _refuse(command, 2, _usage(command, error) or defect(error), wants_json)


def run(command: Command, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a program and leave with its exit code (`arguments`: those of the process by default)."""
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
        except _UnwrittenError as error:
            code = _refuse(command, 2, f"cannot write the answer: {error}", False)
    _abandon_stdout_if_broken()
    sys.exit(code)


def _flush() -> None:
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _UnwrittenError(error.strerror) from error


def _abandon_stdout_if_broken() -> None:
    """Python flushes stdout once more when it exits, and would complain about a pipe that nobody reads."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
