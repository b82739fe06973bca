"""Units on processes of this machine, one after the other where a process dies."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from soundsafe.errors import InputError
from soundsafe.eval.running.store import lines_in
from soundsafe.eval.running.units import Unit
from soundsafe.eval.running.worker import give_up, run_unit, start_worker

__all__ = ["ONE_THREAD", "run_units", "workers"]

ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
# A worker that dies takes the pool with it, whoever was to blame: once more for everybody, then one by one.
_POOL_TRIES = 2


@contextmanager
def _single_threads() -> Iterator[None]:
    """Processes started inside inherit one thread for each numeric library."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def workers(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """So many worker processes, which end with this one, and at once where it is interrupted."""
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        max_workers=jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=start_worker,
        initargs=(os.getpid(),),
    )
    try:
        yield pool
    except BaseException:
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _pool(units: list[Unit], jobs: int, tick: Callable[[], None]) -> bool:
    """Run units in worker processes; False where a worker died before all were done."""
    try:
        with workers(min(jobs, len(units))) as pool:
            waiting: set[Future[str]] = {pool.submit(run_unit, unit, os.getpid()) for unit in units}
            while waiting:
                done, waiting = wait(waiting, timeout=0.5)
                tick()
                for future in done:
                    future.result()
        return True
    except BrokenProcessPool:
        return False


def _sendable(units: list[Unit]) -> None:
    """Raise InputError where a system or an attack cannot be sent to worker processes."""
    for unit in {unit.system_name: unit for unit in units}.values():
        try:
            pickle.loads(pickle.dumps(unit))
        except Exception as error:  # whatever a class of others raises
            raise InputError(
                f"{unit.system_name} cannot be sent to worker processes ({error}): define it in a module of "
                "its own, or use jobs=0"
            ) from error


def run_units(units: list[Unit], jobs: int, tick: Callable[[], None]) -> None:
    """Complete all units on `jobs` processes; `tick` is called twice a second.

    Raises:
        InputError: a system or an attack cannot be sent to them.
    """
    _sendable(units)
    left = [u for u in units if not u.complete()]
    with _single_threads():
        for _ in range(_POOL_TRIES):
            if not left or _pool(left, jobs, tick):
                return
            left = [u for u in left if not u.complete()]
        for unit in left:
            tries = 0
            while not unit.complete():
                before = lines_in(unit.path)
                if _pool([unit], 1, tick):
                    break
                # A death counts against the step that it happened in, twice in a row.
                tries = 1 if lines_in(unit.path) > before else tries + 1
                if tries > 1:
                    give_up(unit, "the worker process died")
                    tries = 0
