"""Calls in a process of their own, so that a crash, a call that never ends, or one that takes all memory
costs that call alone.

For any function that pickles. What has needs that this cannot meet has a process of its own kind: distances
must start in no time (`soundsafe.distance.zimtohrli`), published systems live in another Python, without this
package (the bench's peers), and the bench's units go to whichever of several processes is free (its pool).
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import signal
import threading
import weakref
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

from soundsafe.errors import InputError, NotMarkable, defect, reason

__all__ = ["CallFailed", "Worker"]

_CONTEXT = multiprocessing.get_context("spawn")  # a fork would copy torch's threads, and locks that they hold

_LONGEST_S = 1e6
"""Waiting longer than 2**31 ms is an error of the system's."""


class CallFailed(Exception):
    """A call ended without an answer: its process crashed, took too long, or met a defect. One line.

    `timed_out`: it was ended for the time that it took.
    """

    def __init__(self, message: str, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out


class Worker:
    """One process, started with the first call and again whenever it was lost; one call at a time.

    It ends with the process that made it, even where that one is killed. `threads`: of torch in it; `memory`:
    bytes that it may have, where the system can hold it to that; without it, half of the machine's, and never
    less than 4 GiB.
    """

    def __init__(self, threads: int = 1, memory: int | None = None) -> None:
        self._threads = threads
        self._memory = _usual_memory() if memory is None else memory
        self._lock = threading.Lock()
        self._stopped = False
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None
        _ALL.add(self)

    def call(self, function: Callable[..., Any], *arguments: Any, timeout: float | None = None) -> Any:
        """``function(*arguments)``, which must pickle, as its answer must.

        Raises InputError and NotMarkable as the function does, and CallFailed for everything else, also
        after `timeout` seconds, of which more than a million are a million.
        """
        if timeout is not None:
            timeout = min(timeout, _LONGEST_S)
        try:
            connection, process = self._started()
        except OSError as error:
            raise CallFailed(f"its process could not start ({error.strerror})") from None
        try:
            connection.send((function, arguments))
            if not wait([connection, process.sentinel], timeout):
                self.close()
                raise CallFailed(f"gave no answer in {timeout:g} s", timed_out=True)
            kind, answer = connection.recv()
        except (EOFError, OSError):
            process.join(5)
            code = process.exitcode
            self.close()
            raise CallFailed(f"its process crashed ({_ending(code)})") from None
        if kind == "answer":
            return answer
        raise answer if kind == "raised" else CallFailed(answer)

    def stop(self) -> None:
        """End the process and take no more calls; a call that another thread waits for fails at once."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def close(self) -> None:
        """End the process; the next call starts another. Not while another thread waits for a call."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        process, self._process = self._process, None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if process is not None:
            process.kill()
            process.join()
            process.close()

    def _started(self) -> tuple[Connection, multiprocessing.process.BaseProcess]:
        with self._lock:
            if self._stopped:
                raise CallFailed("stopped")
            if self._process is None or self._connection is None or not self._process.is_alive():
                self._close()
                near, far = _CONTEXT.Pipe()
                process = _CONTEXT.Process(target=_work, args=(far, self._threads, self._memory), daemon=True)
                try:
                    process.start()
                except BaseException:
                    near.close()
                    raise
                finally:
                    far.close()
                self._process, self._connection = process, near
            return self._connection, self._process


_ALL: weakref.WeakSet[Worker] = weakref.WeakSet()


@atexit.register  # before multiprocessing's own, which would wait for them: they ignore its signal
def _stop_all() -> None:
    for worker in list(_ALL):
        worker.stop()


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _usual_memory() -> int:
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # pragma: no cover - not POSIX
        whole = 0
    return max(4 << 30, whole // 2)


def _limit_memory(size: int) -> None:
    """Let the process have so many bytes of its own: more is an error of the call that asks for it."""
    try:
        import resource
    except ImportError:  # pragma: no cover - there is no such limit
        return
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    soft = size if hard == resource.RLIM_INFINITY else min(size, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _work(connection: Connection, threads: int, memory: int) -> None:
    """Answer calls until nobody asks any more."""
    _limit_memory(memory)
    for number in (signal.SIGINT, signal.SIGTERM):  # terminals and supervisors signal all; the parent decides
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # torch reads it when it is first needed
    while True:
        try:
            function, arguments = connection.recv()
        except EOFError:
            return
        answer: tuple[str, Any]
        try:
            answer = "answer", function(*arguments)
        except (InputError, NotMarkable) as error:
            answer = "raised", error
        except MemoryError:
            answer = "failed", "out of memory"
        except OSError as error:
            answer = "failed", reason(error)
        except Exception as error:
            answer = "failed", defect(error)
        connection.send(answer)
