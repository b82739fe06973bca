"""The perceptual distance that the embedder keeps to and reports: Zimtohrli, at 48 kHz.

It takes a third of the work of marking, and the library holds Python's lock meanwhile. So where there are
several cores it works in processes of its own, which are started when they are first needed and end with this
one.

Why these are not `soundsafe.service.workers.Worker`: that starts by `multiprocessing`, which runs the user's
main module again, and with it whatever that imports. In a program that imports `soundsafe.api` a Worker
takes 6.9 s to start and 302 MB, a process of this module 0.3 s and 26 MB; calls cost the same (some 50 ms).
Eight seconds of music are marked in less time than a Worker starts.
"""

from __future__ import annotations

import atexit
import json
import os
import queue
import socket
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

__all__ = ["by_channel", "changed_most", "distances", "elsewhere_pids", "elsewhere_s", "worst_channel"]

Signal = NDArray[np.float32]

_RATE = 48_000
_SHORTEST_S = 0.5
"""The library corrupts memory on signals of a few milliseconds; half a second leaves it room."""

_MOST = 4
"""Processes, at most; each needs some 45 MB."""

_NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)
"""A process that was killed must not kill a program to which a broken pipe is fatal."""


class _Process:
    """One process that answers; raises OSError where it does not."""

    def __init__(self) -> None:
        program = Path(__file__).with_name("process.py")
        if getattr(sys, "frozen", False) or not sys.executable:
            raise FileNotFoundError("no interpreter to start")
        modules = json.dumps([place for place in sys.path if isinstance(place, str)])
        self._line, far = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                # Isolated: neither the current folder nor the package's own decides what it imports.
                [sys.executable, "-I", "-S", str(program), modules],
                stdin=far.fileno(),
                stdout=far.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # an interrupt at the terminal is for the one who asks
            )
        except BaseException:
            self._line.close()
            raise
        finally:
            far.close()
        self.spent_s = 0.0

    def distance(self, x: Signal, y: Signal) -> float:
        for part in (struct.pack("<qq", x.nbytes, y.nbytes), x.data, y.data):
            self._line.sendall(part, _NO_SIGNAL)
        answer = b""
        while len(answer) < 16:
            if not (more := self._line.recv(16 - len(answer))):
                raise ConnectionResetError("no answer")
            answer += more
        found, spent = struct.unpack("<dd", answer)
        self.spent_s += spent
        return float(found)

    @property
    def pid(self) -> int:
        return self._process.pid

    def end(self) -> None:
        self._line.close()
        self._process.kill()
        self._process.wait()


class _Processes:
    """As many as there are cores to be used, none where that is one; a call takes one that is free."""

    def __init__(self) -> None:
        asked = os.environ.get("OMP_NUM_THREADS", "")
        cores = int(asked) if asked.isdecimal() else os.cpu_count() or 1
        self.count = min(_MOST, cores) if hasattr(os, "fork") else 1  # elsewhere a socket is no input
        self._free: queue.LifoQueue[_Process | None] = queue.LifoQueue()
        for _ in range(self.count):
            self._free.put(None)  # not started yet
        self._all: set[_Process] = set()
        self.spent_s = 0.0

    def distance(self, x: Signal, y: Signal) -> float:
        process = self._free.get()
        fit = False
        try:
            if process is None:
                process = _Process()
                self._all.add(process)
            before = process.spent_s
            found = process.distance(x, y)
            self.spent_s += process.spent_s - before
            fit = True
        finally:  # an interrupt leaves one that would give the answer to the next question
            if not fit and process is not None:
                self._all.discard(process)
                process.end()
            self._free.put(process if fit else None)
        return found

    def pids(self) -> list[int]:
        return [process.pid for process in self._all]

    def end(self) -> None:
        self.count = 0
        for process in list(self._all):
            process.end()


_processes: _Processes | None = None


def _several() -> _Processes:
    """Made when first asked for: a worker gets its number of threads after modules were imported."""
    global _processes
    if _processes is None:
        _processes = _Processes()
    return _processes


def _forget() -> None:
    global _processes
    _processes = None


def _end() -> None:
    if _processes is not None:
        _processes.end()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)  # two must not talk to the same process
atexit.register(_end)


def elsewhere_s() -> float:
    """Processor seconds that distances took in other processes than this one."""
    return 0.0 if _processes is None else _processes.spent_s


def elsewhere_pids() -> list[int]:
    """The other processes."""
    return [] if _processes is None else _processes.pids()


def _distance(original: Signal, marked: Signal, rate: int) -> float:
    if len(original) < _SHORTEST_S * rate:
        return float("nan")
    if np.array_equal(original, marked):
        return 0.0
    x, y = (
        np.ascontiguousarray(soxr.resample(v, rate, _RATE, quality="HQ"), np.float32)
        for v in (original, marked)
    )
    several = _several()
    if several.count > 1:
        try:
            return several.distance(x, y)
        except OSError:
            several.count -= 1  # it could not start, or was killed for memory: fewer, at last none
    return float(zimtohrli.Pyohrli().distance(x, y))


def distances(pairs: Sequence[tuple[Signal, Signal]], rate: int) -> NDArray[np.float64]:
    """Zimtohrli's distance of each pair of original and marked ``[samples]``; 0 where they are identical.

    NaN below half a second: the library needs room.
    """
    if (beside := min(len(pairs), _several().count)) < 2:
        return np.array([_distance(a, b, rate) for a, b in pairs])
    with ThreadPoolExecutor(beside) as pool:
        return np.array(list(pool.map(lambda pair: _distance(pair[0], pair[1], rate), pairs)))


def by_channel(original: Signal, marked: Signal, rate: int) -> NDArray[np.float64]:
    """`distances` of each channel of ``[channels, samples]``."""
    return distances(list(zip(original, marked, strict=True)), rate)


def changed_most(original: NDArray[np.float32], marked: NDArray[np.float32]) -> int:
    """The channel of ``[channels, samples]`` of whose energy the largest share was changed."""
    if len(original) == 1:
        return 0
    change = np.square(marked - original).sum(axis=1) / np.maximum(np.square(original).sum(axis=1), 1e-9)
    return int(change.argmax())


def worst_channel(original: Signal, marked: Signal, rate: int) -> float:
    """The largest of `by_channel`."""
    return float(by_channel(original, marked, rate).max())
