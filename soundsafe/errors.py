"""The two ways in which a request can fail without being a defect of this package."""

from __future__ import annotations

__all__ = ["InputError", "NotMarkable"]


class InputError(ValueError):
    """Bad input or usage. The message is one line that says what is wrong, where, and what would be right.

    The command line answers with this line on stderr and exit code 2.
    """


class NotMarkable(Exception):
    """The input is sound, but the answer is no: the audio carries no mark that reads back (exit code 1)."""
