"""A limit to how long a step may take, whatever code of others it runs."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

__all__ = ["TimedOut", "time_limit"]

_GRACE_S = 10.0
"""What code that heeds no signal is given beyond its limit, before its process is ended."""


class TimedOut(BaseException):
    """A step took too long; no Exception, so that code of others does not take it for one of its own."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"took longer than {seconds:g} s")


@contextlib.contextmanager
def time_limit(seconds: float | None, *, end_process: bool = False) -> Iterator[None]:
    """Raise TimedOut inside where it takes longer.

    Args:
        seconds: None for no limit. There is none outside a process's main thread, and on systems without
            interval timers, either.
        end_process: also end this process where nothing comes of that, as in a library that never returns.
    """
    if seconds is None or not hasattr(signal, "setitimer"):
        yield
        return
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise TimedOut(seconds)

    last = threading.Timer(seconds + _GRACE_S, os._exit, (1,))
    last.daemon = True
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    if end_process:
        last.start()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        last.cancel()
