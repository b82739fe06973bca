"""Run a plan: systems × clips × attacks, on many processes, resumable, with the same rows whatever happens.

The unit of parallel work is a system and a clip, so that each clip is marked once. Units are started in
a fixed order, write to files of their own, and are read back in that order: the number of processes
and interruptions leave no trace in the rows.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from soundsafe.claim import claim
from soundsafe.errors import InputError
from soundsafe.eval import systems as registry
from soundsafe.eval.environment import environment
from soundsafe.eval.metrics import to_ask
from soundsafe.eval.rows import CONTROLS, JOIN, NAN, Row, control_of, to_frame
from soundsafe.eval.store import UnitFile, address, lines_in, write_atomically
from soundsafe.eval.summary import (
    band_rows,
    breakdown_rows,
    csv_bytes,
    lossy_rows,
    quality_rows,
    summary_json,
    summary_rows,
)
from soundsafe.eval.systems import System
from soundsafe.eval.worker import Cell, Unit, complete, give_up, params_text, run_unit, start_worker

__all__ = ["Backend", "Plan", "Result", "content", "evaluate", "make_plan", "read_rows", "run"]

Progress = Callable[[int, int], None]
Backend = Literal["local", "ray"]

RUN_FILES = (
    "results.parquet", "summary.csv", "summary.json", "quality.csv", "parity_by_band.csv", "timing.csv",
    "run.json", "store", "plots",
)  # fmt: skip
_NEEDED = (
    "system", "suite", "attack", "clip", "category", "group", "eul", "status", "ber", "bits", "payload_ok",
    "clip_ok", "id_ok",
)  # fmt: skip
_KEY = ["system", "attack", "clip", "eul"]
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
# A worker that dies takes the pool with it, whoever was to blame: once more for everybody, then one by one.
_POOL_TRIES = 2


@dataclass(frozen=True)
class Plan:
    """What to run. `cells` pairs each attack with the suites that ask for it, in order, each once.

    `left_out`: attacks of the suites that cannot be run here, and why.
    """

    systems: tuple[System | str, ...]
    system_names: tuple[str, ...]
    clips: tuple[Any, ...]
    cells: tuple[tuple[Cell, tuple[str, ...]], ...]
    dataset: str
    split: str | None
    suites: tuple[dict[str, Any], ...]
    seed: int = 0
    seconds: float | None = None
    metrics: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def configuration(self) -> dict[str, Any]:
        """Everything that decides the rows, as JSON; a run is resumed only where it is equal."""
        document: dict[str, Any] = {
            "systems": list(self.system_names),
            "dataset": self.dataset,
            "split": self.split,
            "clips": {str(c.clip): content(c) for c in self.clips},
            "suites": list(self.suites),
            "attacks": [cell.name for cell, _ in self.cells],
            "seed": self.seed,
            "seconds": self.seconds,
        }
        if self.metrics:
            document["metrics"] = list(self.metrics)
        needed = [w for cell, _ in self.cells for w in getattr(cell.resolve(), "weights", ())]
        if needed:
            document["weights"] = {w.variable: w.digest() for w in dict.fromkeys(needed)}
        return document


@dataclass(frozen=True)
class Result:
    """Rows, their summary (`{"rows": [...], "quality": [...]}`) and times of a finished run.

    `unmeasured`: a line for each clip that lacks figures of quality, since measuring them failed.
    """

    rows: pd.DataFrame
    summary: dict[str, Any]
    timing: pd.DataFrame
    folder: Path
    unmeasured: tuple[str, ...] = ()


def _as_list(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)


def _cell(item: Any) -> Cell:
    """A cell from an attack's name or object, a control, or a control followed by an attack."""
    name = item if isinstance(item, str) else item.name
    if name in CONTROLS:
        return Cell(name, None)
    if not isinstance(item, str):
        return Cell(name, item)
    from soundsafe import attacks

    attack = name.partition(JOIN)[2] if control_of(name) else name
    attacks.get(attack)  # an unknown one is refused here, before any work
    return Cell(name, attack)


def make_plan(
    systems: Any,
    attacks: Any,
    dataset: Any,
    *,
    split: str | None = "test",
    limit: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    attacked_controls: bool = False,
    metrics: Any = (),
) -> Plan:
    """Look everything up and refuse what cannot be run.

    Args:
        systems: name of a registered system, a `System`, or several.
        attacks: name of a suite or an attack, a `Suite`, an attack object, or several. Attacks asked for by
            themselves are filed under the suite `custom`.
        dataset: name of a dataset, a folder of audio, or a `Dataset`.
        split: of the dataset, where it has splits.
        limit: the first so many clips, in the manifest's order.
        seconds: the first so many seconds of each clip.
        seed: of the whole run.
        attacked_controls: also look for marks where none should be found after every attack:
            `unmarked+then+…` and `wrong_key+then+…`.
        metrics: names of metrics that are measured only when asked for (`list metrics` says which).

    Raises:
        InputError: unknown system, suite, attack, dataset, split or metric, or nothing left to run.
    """
    from soundsafe import attacks as attack_registry
    from soundsafe import datasets

    if limit is not None and limit < 1:
        raise InputError(f"--limit {limit}: at least 1 clip is needed")
    if seconds is not None and not 0 < seconds < math.inf:
        raise InputError(f"--seconds {seconds:g}: a positive number is needed")
    extra = to_ask(_as_list(metrics))
    asked: dict[str, tuple[Cell, list[str]]] = {}
    suites: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    for item in _as_list(attacks):
        if isinstance(item, str) and (item in attack_registry.suites() or item.endswith(".toml")):
            item = attack_registry.suite(item)
        if isinstance(item, attack_registry.Suite):
            members: Sequence[Any] = item.attacks
            label, version = str(item.name), item.version
        else:
            members, label, version = [item], "custom", None
        if {"suite": label, "version": version} not in suites:
            suites.append({"suite": label, "version": version})
        for member in members:
            cell = _cell(member)
            reason = getattr(cell.resolve(), "left_out", "")
            if reason and version is None:
                raise InputError(f"{cell.name} {reason}")
            if reason:
                left_out[cell.name] = reason
                continue
            labels = asked.setdefault(cell.name, (cell, []))[1]
            if label not in labels:
                labels.append(label)
    if attacked_controls:
        for cell, labels in list(asked.values()):
            if not cell.control and cell.name != "none":
                for control in CONTROLS:
                    name = f"{control}{JOIN}{cell.name}"
                    asked.setdefault(name, (Cell(name, cell.attack), labels))
    if not asked:
        raise InputError("no attacks to run: name a suite")
    chosen = _as_list(systems)
    names = [str((registry.get(s) if isinstance(s, str) else s).name) for s in chosen]
    if len(set(names)) != len(names):
        raise InputError(f"each system once, please: {', '.join(names)}")
    data = (
        datasets.load(os.fspath(dataset), split=split) if isinstance(dataset, (str, os.PathLike)) else dataset
    )
    clips = tuple(data.clips if limit is None else data.clips[:limit])
    if not clips:
        raise InputError(f"dataset {data.name} has no clips" + (f" in split {split}" if split else ""))
    return Plan(
        systems=tuple(chosen),
        system_names=tuple(names),
        clips=clips,
        cells=tuple((cell, tuple(labels)) for cell, labels in asked.values()),
        dataset=str(data.name),
        split=split,
        suites=tuple(suites),
        seed=seed,
        seconds=seconds,
        metrics=extra,
        left_out=tuple(f"{name} {reason}" for name, reason in left_out.items()),
    )


def content(clip: Any) -> str | None:
    """16 hex digits of the SHA-256 of a clip's file; None where it has none."""
    try:
        with open(clip.path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except (AttributeError, TypeError, OSError):
        return None


def _describe(plan: Plan) -> dict[str, Any]:
    out = {}
    for name, system in zip(plan.system_names, plan.systems, strict=True):
        loaded = registry.get(system) if isinstance(system, str) else system
        out[name] = loaded.describe() | {"payload_bytes": loaded.payload_bytes}
    return out


def _document(plan: Plan, state: str) -> dict[str, Any]:
    """The content of `run.json`: no times and no paths, so that equal runs have equal files."""
    document = environment()
    document |= {
        "configuration": plan.configuration(),
        "systems": _describe(plan),
        "seed": plan.seed,
        "state": state,
    }
    return document


def _dump(document: Any) -> bytes:
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def prepare(out: Path, document: dict[str, Any], *, resume: bool, force: bool) -> None:
    """Make the run's folder, which nobody else may hold, ready, or refuse.

    Raises:
        InputError: the folder holds a run and neither `resume` nor `force` is given, or a run that differs in
            something that decides its rows, or files that are no run's and in the way.
    """
    if resume and force:
        raise InputError("--resume continues a run, --force starts it afresh: give one of them")
    held = out / "run.json"
    if held.exists() and not force:
        if not resume:
            raise InputError(
                f"{out} holds a run: --resume continues it, --force starts it afresh, --out goes elsewhere"
            )
        try:
            old = json.loads(held.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            old = None
        if not isinstance(old, dict):
            raise InputError(f"{held} is damaged: --force starts afresh")
        for part in ("configuration", "systems", "source", "versions"):
            if old.get(part) != document[part]:
                raise InputError(
                    f"{out} was run with another {_difference(part, old.get(part), document[part])}: "
                    "--force starts afresh, --out goes elsewhere"
                )
    if not held.exists():
        there = {path.name for path in out.iterdir()} - {".lock"}
        if there if force else there & set(RUN_FILES):
            raise InputError(f"{out} holds files but no run, --out goes elsewhere")
    if force:
        for name in RUN_FILES:
            path = out / name
            if path == held:  # replaced in one step: without it the folder would be no run's
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _difference(part: str, old: Any, new: Any) -> str:
    """Which entry of a part of `run.json` differs, in words."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(set(old) | set(new)):
            if old.get(name) != new.get(name):
                return f"{part.removesuffix('s')} ({name})"
    return {"source": "version of the code"}.get(part, part)


def _units(plan: Plan, folder: Path, document: dict[str, Any]) -> list[Unit]:
    cells = tuple(cell for cell, _ in plan.cells)
    units = []
    for system, name in zip(plan.systems, plan.system_names, strict=True):
        identity = address(document["systems"][name], document["source"], document["versions"])
        for clip in plan.clips:
            unit = Unit(system, name, clip, cells, plan.seed, plan.seconds, identity, folder, plan.metrics)
            units.append(unit)
    return units


@contextmanager
def _single_threads() -> Iterator[None]:
    """Processes started inside inherit one thread for each numeric library."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _pool(units: list[Unit], jobs: int, tick: Callable[[], None]) -> bool:
    """Run units in worker processes; False where a worker died before all were done."""
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        max_workers=min(jobs, len(units)),
        mp_context=context,
        initializer=start_worker,
        initargs=(os.getpid(),),
    )
    try:
        futures: list[Future[str]] = [pool.submit(run_unit, unit, os.getpid()) for unit in units]
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, timeout=0.5)
            tick()
            for future in done:
                future.result()
        return True
    except BrokenProcessPool:
        return False
    except BaseException:
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_processes(units: list[Unit], jobs: int, tick: Callable[[], None]) -> None:
    left = [u for u in units if not complete(u)]
    with _single_threads():
        for _ in range(_POOL_TRIES):
            if not left or _pool(left, jobs, tick):
                return
            left = [u for u in left if not complete(u)]
        for unit in left:
            tries = 0
            while not complete(unit) and not _pool([unit], 1, tick):
                before, tries = tries, tries + 1
                if before:
                    give_up(unit, "the worker process died")
                    tries = 0


def _assemble(plan: Plan, units: list[Unit]) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...]]:
    """Rows and times of finished units, in the plan's order, and what could not be measured."""
    rows: list[Row] = []
    unmeasured: list[str] = []
    times: list[dict[str, Any]] = []
    resolved = {cell.name: cell.resolve() for cell, _ in plan.cells}
    for unit in units:
        lines = UnitFile(unit.path).read()
        marking = lines[unit.embed_key]
        clip = unit.clip
        if marking["status"] == "quality_failed":
            unmeasured.append(f"quality_failed for {clip.clip}, {unit.system_name}: {marking['message']}")
        for cell, labels in plan.cells:
            line = lines[unit.cell_key(cell)]
            attack = resolved[cell.name]
            constants = {
                "system": unit.system_name,
                "suite": ",".join(labels),
                "attack": cell.name,
                "family": cell.control or str(attack.family),
                "params": params_text({} if attack is None else attack.params),
                "clip": str(clip.clip),
                "category": str(getattr(clip, "category", None) or ""),
                "group": str(getattr(clip, "group", None) or clip.clip),
                "lossy": _text(getattr(clip, "lossy", None)),
                "payload_bytes": marking["payload_bytes"],
                **marking["quality"],
            }
            rows += [Row(**(constants | row)) for row in line["rows"]]
            times.append(
                {name: constants[name] for name in ("system", "clip", "category", "attack")}
                | {"clip_s": line["rows"][0]["clip_s"], "audio_s": line.get("audio_s")}
                | {"embed_s": marking.get("embed_s")}
                | {name: line.get(name) for name in ("attack_s", "decode_s")}
            )
    timing = pd.DataFrame(times)
    numbers = ["clip_s", "audio_s", "embed_s", "attack_s", "decode_s"]
    timing[numbers] = timing[numbers].astype("float64")
    timing["embed_realtime_factor"] = timing["embed_s"] / timing["clip_s"]
    timing["decode_realtime_factor"] = timing["decode_s"] / timing["audio_s"]
    return to_frame(rows), timing, tuple(unmeasured)


def _text(value: Any) -> str:
    """A manifest's field as text, the same whether its loader keeps text or truth values."""
    return {None: "", True: "yes", False: "no"}.get(value, str(value))


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, engine="pyarrow", index=False, compression="zstd")
    return buffer.getvalue()


def run(
    plan: Plan,
    out: Path,
    *,
    jobs: int = 1,
    resume: bool = False,
    force: bool = False,
    backend: Backend = "local",
    progress: Progress | None = None,
) -> Result:
    """Run a plan into a folder.

    Args:
        plan: from `make_plan`.
        out: the run's folder, made if need be. It ends up holding `results.parquet`, `summary.csv`,
            `summary.json`, `quality.csv`, `parity_by_band.csv`, `timing.csv`, `run.json` and the `store` that
            `resume` uses.
        jobs: worker processes; 0 runs in this process, where systems and attacks need not be picklable. On a
            cluster: units at a time, 0 for as many as it has cores.
        resume: go on with the run that the folder holds.
        force: start afresh what the folder holds.
        backend: `local` for processes of this machine, `ray` for a cluster, see `ray_backend`.
        progress: called with (steps done, steps in all) as they change.

    Raises:
        InputError: see `prepare`.
        OSError: the folder cannot be written.
    """
    document = _document(plan, "unfinished")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is not a folder: give --out another name")
    out.mkdir(parents=True, exist_ok=True)
    with claim(out):
        prepare(out, document, resume=resume, force=force)
        write_atomically(out / "run.json", _dump(document))
        (out / "store").mkdir(exist_ok=True)
        units = _units(plan, out / "store", document)
        total = sum(1 + len(u.cells) for u in units)
        count = 0

        def tick() -> None:
            nonlocal count
            now = sum(lines_in(u.path) for u in units)
            if progress is not None and now != count:
                progress(now, total)
            count = now

        tick()
        if backend == "ray":
            from soundsafe.eval import ray_backend

            code = {part: document[part] for part in ("source", "versions")}
            ray_backend.run_units(units, jobs, tick, code, _ONE_THREAD)
        elif jobs > 0:
            _in_processes(units, jobs, tick)
        else:
            for unit in units:
                run_unit(unit, one=tick)
        tick()
        rows, timing, unmeasured = _assemble(plan, units)
        summary = {"rows": summary_rows(rows), "quality": quality_rows(rows)}
        summary["parity_by_band"] = band_rows(rows)
        summary["breakdown"] = breakdown_rows(summary["rows"])
        summary["by_lossy"] = lossy_rows(rows)
        write_atomically(out / "results.parquet", _parquet(rows))
        write_atomically(out / "timing.csv", timing.to_csv(index=False, float_format="%.6g").encode())
        write_atomically(out / "summary.json", summary_json(summary))
        write_atomically(out / "summary.csv", csv_bytes(summary["rows"]))
        write_atomically(out / "quality.csv", csv_bytes(summary["quality"]))
        write_atomically(out / "parity_by_band.csv", csv_bytes(summary["parity_by_band"]))
        write_atomically(out / "run.json", _dump(document | {"state": "finished"}))
    return Result(rows, summary, timing, out, unmeasured)


def read_rows(folder: Path) -> pd.DataFrame:
    """The rows of a finished run; figures that a run of an earlier version lacks are NaN.

    Raises:
        InputError: the folder holds none, or what no run can have written.
    """
    path = folder / "results.parquet"
    if not path.is_file():
        hint = ": finish it with --resume" if (folder / "run.json").exists() else ""
        raise InputError(f"{folder} holds no finished run{hint or ': results.parquet is missing'}")
    try:
        rows = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged or not a table of rows") from error
    missing = set(_NEEDED) - set(rows.columns)
    if missing:
        raise InputError(f"{path} lacks the columns {', '.join(sorted(missing))}")
    for name in ("eul", "ber", "bits"):
        if not pd.api.types.is_numeric_dtype(rows[name]):
            raise InputError(f"{path} is damaged: {name} holds no numbers")
    for f in fields(Row):
        if f.type == "bool" and f.name in rows and not pd.api.types.is_bool_dtype(rows[f.name]):
            raise InputError(f"{path} is damaged: {f.name} holds more than yes and no")
    if rows.duplicated(_KEY).any():
        raise InputError(f"{path} is damaged: it has rows of the same {', '.join(_KEY)}")
    return rows.assign(**{f.name: NAN for f in fields(Row) if f.type == "float" and f.name not in rows})


def evaluate(
    system: Any = "soundsafe",
    attacks: Any = "smoke",
    dataset: Any = "bundled",
    metrics: Any = (),
    *,
    split: str | None = "test",
    limit: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    jobs: int = 0,
    out: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """Evaluate watermarks and return the frame of rows, one for each system × clip × attack × EUL.

    Args:
        system: name of a registered system, a `System`, or a list of them.
        attacks: name of a suite or an attack, an attack object, or a list of them.
        dataset: name of a dataset, a folder of audio, or a `Dataset`.
        metrics: names of metrics to measure beside those that are always measured.
        split, limit, seconds, seed: as in `make_plan`.
        jobs: worker processes; 0 runs in this process.
        out: folder to keep the run in, as `soundsafe-eval run` does; nothing is kept by default.

    Example:
        >>> rows = evaluate("soundsafe", ["none", "mp3_128"], "bundled", limit=2)  # doctest: +SKIP
        >>> rows.groupby("attack").payload_ok.mean()  # doctest: +SKIP
    """
    plan = make_plan(
        system, attacks, dataset, split=split, limit=limit, seconds=seconds, seed=seed, metrics=metrics
    )
    if out is not None:
        return run(plan, Path(out), jobs=jobs).rows
    with tempfile.TemporaryDirectory(prefix="soundsafe-eval-") as folder:
        return run(plan, Path(folder), jobs=jobs).rows
