"""The two ways in which a request can fail without being a defect of this package."""

from __future__ import annotations

import traceback
from pathlib import Path

__all__ = ["InputError", "NotMarkable", "defect"]


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
