"""The two ways in which a request can fail without being a defect of this package."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable
from pathlib import Path

__all__ = ["InputError", "NotMarkable", "defect", "reason", "unknown"]


class InputError(ValueError):
    """Bad input or usage. The message is one line that says what is wrong, where, and what would be right.

    The command line answers with this line on stderr and exit code 2.

    Example:
        >>> import soundsafe
        >>> try:
        ...     soundsafe.read_key_file("no such file")
        ... except soundsafe.InputError as error:
        ...     print(error)
        cannot read the key file no such file: No such file or directory
    """


class NotMarkable(Exception):
    """The input is sound, but the answer is no: the audio carries no mark that reads back (exit code 1).

    Example:
        >>> import numpy as np, soundsafe
        >>> try:
        ...     soundsafe.embed(np.zeros((1, 88_200), np.float32), 44_100, b"hello")
        ... except soundsafe.NotMarkable as error:
        ...     print("silent" in str(error))
        True
    """


def defect(error: BaseException) -> str:
    """Of any other error, which is a defect, what it is and where it was raised: commands say no more."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"internal error at {Path(where.filename).name}:{where.lineno}: {type(error).__name__}: {error}"


def reason(error: BaseException) -> str:
    """Why something failed, in as few words as there are.

    Args:
        error: of any type.

    Returns:
        The system's words where they are its own error's, else the error's, else the name of its type.

    Example:
        >>> reason(FileNotFoundError(2, "No such file or directory", "name")), reason(EOFError())
        ('No such file or directory', 'EOFError')
    """
    words = error.strerror if isinstance(error, OSError) else None
    return words or str(error) or type(error).__name__


def unknown(kind: str, name: str, known: Iterable[str], listed: str = "") -> str:
    """What is said of a name that there is not: the likeliest that was meant, or where all stand.

    Args:
        kind: of thing, such as `suite`.
        name: as it was given.
        known: the names that there are.
        listed: what names them all, such as `soundsafe-eval list suites`; '': the line itself does.

    Returns:
        One line.

    Example:
        >>> unknown("suite", "mp4", ["mp3", "noise"])
        'unknown suite mp4: did you mean mp3?'
        >>> unknown("suite", "other", ["mp3", "noise"])
        'unknown suite other: choose from mp3, noise'
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, 3)
    meant = f"did you mean {' or '.join(close)}?" if close else ""
    if listed:
        return f"unknown {kind} {name}: {meant or 'not one of those there are;'} {listed} names all"
    return f"unknown {kind} {name}: {meant or 'choose from ' + ', '.join(names)}"
