"""`-` in place of a file: standard input, kept in a file meanwhile, and standard output, given when all is
made. Audio is read several times, and nothing is given away before it was read back."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from soundsafe.errors import InputError, NotMarkable

__all__ = ["DASH", "input_file", "output_file"]

DASH = Path("-")
_IN, _OUT = "standard input", "standard output"


@contextlib.contextmanager
def input_file(path: Path) -> Iterator[Path]:
    """`path`, or a file that holds all of standard input and is gone afterwards.

    Raises:
        InputError: standard input is closed, empty or a terminal, or there is no room for it.
    """
    if path != DASH:
        yield path
        return
    with _folder() as folder:
        if sys.stdin is None or sys.stdin.isatty():
            raise InputError("nothing is given on standard input: pipe the audio into it")
        kept = folder / _IN
        try:
            with open(kept, "wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
        except OSError as error:
            raise InputError(f"cannot keep standard input in {folder.parent}: {error.strerror}") from None
        yield kept


@contextlib.contextmanager
def output_file(path: Path, suffix: str = ".wav") -> Iterator[Path]:
    """`path`, or a file with `suffix` whose content goes to standard output at the end, where nothing failed.

    Raises:
        InputError: standard output is a terminal.
        OSError: it takes no more.
    """
    if path != DASH:
        yield path
        return
    if sys.stdout is None or sys.stdout.isatty():
        raise InputError("audio is not written to a terminal: send standard output into a file or a pipe")
    with _folder() as folder:
        made = folder / (_OUT + suffix)
        yield made
        with open(made, "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A folder that is gone afterwards, and is in no message."""
    with tempfile.TemporaryDirectory(prefix="soundsafe-") as name:
        try:
            yield Path(name)
        except (InputError, NotMarkable) as error:
            raise type(error)(str(error).replace(name + os.sep, "")) from None
