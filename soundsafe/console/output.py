"""What a command says: the answer on stdout, everything else through `logging` on stderr.

Stdout holds the answer and nothing else. Remarks are records of the logger `soundsafe`; the commands write
them to stderr, which nobody need be able to hear.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import sys
from collections.abc import Mapping

import typer

__all__ = [
    "LOG", "UnwrittenError", "finite", "one_line", "print_json", "say", "set_level", "tell", "write",
]  # fmt: skip

LOG = logging.getLogger("soundsafe")


class UnwrittenError(Exception):
    """Stdout took no answer; not an OSError, which would be one of a file."""


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
        raise UnwrittenError(error.strerror) from error


def tell(text: str) -> None:
    """One line on stdout."""
    write(f"{one_line(text)}\n")


def print_json(document: object, *, ascii_only: bool = True) -> None:
    """One JSON document on stdout; null stands for NaN and infinity."""
    write(json.dumps(finite(document), ensure_ascii=ascii_only, allow_nan=False) + "\n")


class _Stderr(logging.Handler):
    """A line for each record on what is stderr now; where that is closed, the answer stays as it is."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(f"{one_line(record.getMessage())}\n")
            sys.stderr.flush()


_HANDLER = _Stderr()


def set_level(level: int) -> None:
    """Write what the package's loggers say from this level on (`logging.WARNING`) to stderr."""
    if _HANDLER not in LOG.handlers:
        LOG.addHandler(_HANDLER)
    LOG.propagate = False
    LOG.setLevel(level)


def say(text: str, prefix: str = "", level: int = logging.WARNING) -> None:
    """One line beside the answer, at a level of `logging`: the commands show warnings and errors."""
    if not LOG.handlers:
        set_level(logging.WARNING)
    LOG.log(level, "%s%s", prefix, text)
