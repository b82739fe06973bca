"""A folder that one process at a time may write into."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from soundsafe.errors import InputError

__all__ = ["claim"]


@contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Hold `folder` while writing; whoever comes second is refused with InputError.

    The operating system frees the claim when the process ends, however it ends. Where there are no advisory
    locks (Windows) nothing is checked.
    """
    try:
        import fcntl
    except ImportError:  # pragma: no cover
        yield
        return
    with open(folder / ".lock", "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{folder} is being written by another process, such as another run: wait for it, or give"
                " another --out"
            ) from None
        except OSError as error:
            raise InputError(f"{folder} cannot be locked: {error.strerror}; give another --out") from None
        yield
