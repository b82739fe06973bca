"""Outputs that are being made: held by their maker, and taken away where it was killed."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from pathlib import Path

__all__ = ["hold", "partial_beside", "sweep"]

_NAME = re.compile(r"\.soundsafe-[0-9a-f]{12}\.tmp")
_STARTING_S = 60.0
"""A file so young may be one that its maker has not held yet."""


def partial_beside(target: Path) -> Path:
    """A new name in the folder of `target`."""
    return target.with_name(f".soundsafe-{secrets.token_hex(6)}.tmp")


def hold(descriptor: int) -> int:
    """Hold an open file until the descriptor that is returned is closed, or the process ends in any way."""
    kept = os.dup(descriptor)
    with contextlib.suppress(ImportError, OSError):  # no locks: it is not held, and nothing is swept
        import fcntl

        fcntl.flock(kept, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return kept


def sweep(folder: Path) -> None:
    """Take away what makers that were killed have left in `folder`; whatever cannot be is left."""
    try:
        import fcntl
    except ImportError:  # pragma: no cover - there are no locks
        return
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not _NAME.fullmatch(entry.name):
                continue
            with contextlib.suppress(OSError):
                if time.time() - entry.stat(follow_symlinks=False).st_mtime < _STARTING_S:
                    continue
                descriptor = os.open(entry.path, os.O_RDWR | os.O_NOFOLLOW)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(entry.path)
                finally:
                    os.close(descriptor)
