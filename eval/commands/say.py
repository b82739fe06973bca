"""Remarks on standard error, which nobody need be able to hear."""

from __future__ import annotations

import contextlib
import sys

__all__ = ["say"]


def say(line: str) -> None:
    """`line` and its end on stderr; nothing where that is full or closed: it does not change the answer."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
