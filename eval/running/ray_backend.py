"""The units of a run on a Ray cluster: the same lines as from processes of this machine.

A task computes what a unit's file lacks and sends each line as soon as it is there; only this process writes.
So a worker or a node that dies costs the cell it was at, which is then computed elsewhere. Every node needs
the same code and versions, which is checked, and the clips under the same path.
"""

from __future__ import annotations

import os
import platform
import sys
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType

from soundsafe.errors import InputError
from soundsafe.eval.rows import Json
from soundsafe.eval.running.environment import environment
from soundsafe.eval.running.store import Line, UnitFile
from soundsafe.eval.running.units import Unit
from soundsafe.eval.running.worker import give_up, missing_lines

__all__ = ["run_units"]

_TRIES = 3
"""Deaths at one cell, after which it is recorded as failed."""


def _ray() -> ModuleType:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError("--backend ray needs Ray: pip install 'soundsafe[ray]'") from error
    return ray


def _task() -> Callable[[bytes], Iterator[Line]]:
    """What runs on any node. Ray has its workers look for modules in the current folder first; that of a
    checkout would stand for the installed package. So what is ours arrives as bytes, and is opened without
    that folder where this process does not look there either."""
    hidden = {str(Path.cwd())} - set(sys.path)

    def task(arguments: bytes) -> Iterator[Line]:
        import pickle
        import sys

        sys.path[:] = [folder for folder in sys.path if folder not in hidden]
        lines, *given = pickle.loads(arguments)
        yield from lines(*given)

    return task


def _lines(unit: Unit, done: Collection[str], code: Mapping[str, Json]) -> Iterator[Line]:
    here = environment()
    for part, value in code.items():
        if here[part] != value:
            raise InputError(f"node {platform.node()} has another {part} of the code than this machine")
    yield from missing_lines(unit, done)


def run_units(
    units: Sequence[Unit],
    jobs: int,
    tick: Callable[[], None],
    code: Mapping[str, Json],
    threads: Sequence[str],
) -> None:
    """Compute all that the units' files lack.

    Args:
        units: started in this order.
        jobs: units at a time; 0: as many as the cluster has cores.
        tick: called now and then.
        code: parts of `environment()` that must be the same on every node.
        threads: environment variables that hold workers to one thread.

    Ray is where `RAY_ADDRESS` says, else started on this machine.

    Raises:
        InputError: Ray is missing, or a node has other code.
        ConnectionError: there is no cluster at that address.
    """
    ray = _ray()
    ours = not ray.is_initialized()
    if ours:
        ray.init(log_to_driver=False, logging_level="ERROR", include_dashboard=False)
    single = {"env_vars": dict.fromkeys(threads, "1")}
    task = ray.remote(num_cpus=1, num_returns="streaming", max_retries=0, runtime_env=single)(_task())
    waiting = deque(unit for unit in units if not unit.complete())
    running: dict[Iterator[object], Unit] = {}
    deaths: Counter[str] = Counter()
    try:
        while waiting or running:
            while waiting and len(running) < (jobs or int(ray.cluster_resources().get("CPU", 1)) or 1):
                unit = waiting.popleft()
                file = UnitFile(unit.path)
                file.repair()
                given = (_lines, unit, list(file.read()), code)
                running[task.remote(ray.cloudpickle.dumps(given))] = unit
            ready, _ = ray.wait(list(running), num_returns=1, timeout=0.5)
            for stream in ready:
                unit = running[stream]
                try:
                    UnitFile(unit.path).append(ray.get(next(stream)))
                    deaths[unit.key] = 0
                except StopIteration:
                    del running[stream]
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from None
                except ray.exceptions.RayError:
                    del running[stream]
                    deaths[unit.key] += 1
                    if deaths[unit.key] == _TRIES:
                        give_up(unit, "the worker process died")
                        deaths[unit.key] = 0
                    if not unit.complete():
                        waiting.appendleft(unit)
            tick()
    finally:
        for stream in running:
            ray.cancel(stream, force=True)
        if ours:
            ray.shutdown()
