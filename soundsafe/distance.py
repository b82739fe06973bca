"""The perceptual distance that the embedder keeps to and reports: Zimtohrli, at 48 kHz.

It takes a third of the work of marking, and the library holds Python's lock meanwhile. So where there are
several cores it works in processes of its own, which are started when they are first needed and end with this
one.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import struct
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soxr
import zimtohrli
from numpy.typing import NDArray

__all__ = ["by_channel", "distances", "elsewhere_s", "worst_channel"]

Signal = NDArray[np.float32]

_RATE = 48_000
_SHORTEST_S = 0.5
"""The library corrupts memory on signals of a few milliseconds; half a second leaves it room."""

_MOST = 4
"""Processes, at most; each needs some 45 MB."""


class _Process:
    """One process that answers; raises OSError or struct.error where it does not."""

    def __init__(self) -> None:
        program = Path(__file__).with_name("distance_process.py")
        if getattr(sys, "frozen", False) or not sys.executable:
            raise FileNotFoundError("no interpreter to start")
        self._process = subprocess.Popen(
            # Isolated: neither the current folder nor the package's own decides what it imports.
            [sys.executable, "-I", "-S", str(program), json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt at the terminal is for the one who asks
        )
        self.spent_s = 0.0

    def distance(self, x: Signal, y: Signal) -> float:
        to, back = self._process.stdin, self._process.stdout
        assert to is not None
        assert back is not None
        for part in (struct.pack("<q", x.nbytes), x.data, y.data):
            to.write(part)
        to.flush()
        found, spent = struct.unpack("<dd", back.read(16))
        self.spent_s += spent
        return float(found)

    def end(self) -> None:
        self._process.kill()
        with contextlib.suppress(OSError):  # what is left in the buffer of a broken pipe
            self._process.communicate()


class _Processes:
    """As many as there are cores to be used, none where that is one; a call takes one that is free."""

    def __init__(self) -> None:
        asked = os.environ.get("OMP_NUM_THREADS", "")
        self.count = min(_MOST, int(asked) if asked.isdecimal() else os.cpu_count() or 1)
        self._free: queue.LifoQueue[_Process | None] = queue.LifoQueue()
        for _ in range(self.count):
            self._free.put(None)  # not started yet
        self.spent_s = 0.0

    def distance(self, x: Signal, y: Signal) -> float:
        process = self._free.get()
        fit = False
        try:
            process = process or _Process()
            before = process.spent_s
            found = process.distance(x, y)
            self.spent_s += process.spent_s - before
            fit = True
        finally:  # an interrupt leaves one that would give the answer to the next question
            if not fit and process is not None:
                process.end()
            self._free.put(process if fit else None)
        return found

    def end(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                if (process := self._free.get_nowait()) is not None:
                    process.end()


_processes = _Processes()


def _start_anew() -> None:
    global _processes
    _processes = _Processes()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)  # two must not talk to the same process
atexit.register(lambda: _processes.end())


def elsewhere_s() -> float:
    """Processor seconds that distances took in other processes than this one."""
    return _processes.spent_s


def _distance(original: Signal, marked: Signal, rate: int) -> float:
    if len(original) < _SHORTEST_S * rate:
        return float("nan")
    if np.array_equal(original, marked):
        return 0.0
    x, y = (
        np.ascontiguousarray(soxr.resample(v, rate, _RATE, quality="HQ"), np.float32)
        for v in (original, marked)
    )
    if _processes.count > 1:
        try:
            return _processes.distance(x, y)
        except (OSError, struct.error):
            _processes.count -= 1  # it could not start, or was killed for memory: fewer, at last none
    return float(zimtohrli.Pyohrli().distance(x, y))


def distances(pairs: Sequence[tuple[Signal, Signal]], rate: int) -> NDArray[np.float64]:
    """Zimtohrli's distance of each pair of original and marked ``[samples]``; 0 where they are identical.

    NaN below half a second: the library needs room.
    """
    if min(len(pairs), _processes.count) < 2:
        return np.array([_distance(a, b, rate) for a, b in pairs])
    with ThreadPoolExecutor(min(len(pairs), _processes.count)) as pool:
        return np.array(list(pool.map(lambda pair: _distance(pair[0], pair[1], rate), pairs)))


def by_channel(original: Signal, marked: Signal, rate: int) -> NDArray[np.float64]:
    """`distances` of each channel of ``[channels, samples]``."""
    return distances(list(zip(original, marked, strict=True)), rate)


def worst_channel(original: Signal, marked: Signal, rate: int) -> float:
    """The largest of `by_channel`."""
    return float(by_channel(original, marked, rate).max())
