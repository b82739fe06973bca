"""Run a plan: systems × clips × attacks, on many processes, resumable, with the same rows whatever happens.

The unit of parallel work is a system and a clip, so that each clip is marked once. Units are started in
a fixed order, write to files of their own, and are read back in that order: the number of processes
and interruptions leave no trace in the rows.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from soundsafe.datasets import Dataset
from soundsafe.errors import InputError
from soundsafe.eval.analysis.summary import summarise, summary_rows
from soundsafe.eval.documents import to_item
from soundsafe.eval.frames import to_frame
from soundsafe.eval.rows import RAN, Figure, Json, Row, Summary, real
from soundsafe.eval.running import local_backend, unmarked_pool
from soundsafe.eval.running.audio_store import AudioStore
from soundsafe.eval.running.plan import AttackSpec, Plan, SystemSpec, make_plan
from soundsafe.eval.running.run_folder import (
    document_of,
    prepare,
    write_document,
    write_errors,
    write_figures,
    write_times,
)
from soundsafe.eval.running.store import (
    CellLine,
    MarkingLine,
    UnitFile,
    address,
    lines_in,
    make_folder,
)
from soundsafe.eval.running.units import Before, Treatment, Unit, params_text
from soundsafe.eval.running.worker import run_unit
from soundsafe.service.claim import claim

__all__ = ["KEPT", "Backend", "Failure", "Reread", "Result", "Rows", "evaluate", "none_ran", "run"]

Progress = Callable[[int, int], None]
Backend = Literal["local", "ray"]


@dataclass(frozen=True)
class Failure:
    """A cell that did not run: an error ended it.

    Attributes:
        system: its name.
        clip: its name.
        attack: its name.
        status: the step that failed.
        message: one line that says how, and where.
        traceback: of the error; '' where a worker process died.
    """

    system: str
    clip: str
    attack: str
    status: str
    message: str
    traceback: str


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        rows: one for each system x clip x attack x second.
        summary: the document of `summary.json`.
        timing: the table of `timing.csv`.
        folder: of the run.
        unmeasured: a line for each clip that lacks figures of quality, since measuring them failed.
        failures: cells that did not run.
        remarks: lines on what the rows may depend on beside their configuration.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     plan = make_plan("null", "none", "bundled", limit=1, seconds=1)
        ...     result = run(plan, Path(folder), jobs=0)
        >>> result.rows["attack"].tolist(), result.unmeasured
        (['none'], ())
    """

    rows: pd.DataFrame
    summary: Summary
    timing: pd.DataFrame
    folder: Path
    unmeasured: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reread:
    """An earlier run whose kept audio is read again: its folder, and for each system the one that marked.

    `answers`: what it decoded stands, wherever system and code are what they were.
    """

    folder: Path
    marked_by: Mapping[str, str]
    answers: bool = False


KEPT = "attacked"
"""Folder of the audio that a run keeps."""


def _befores(plan: Plan, document: Mapping[str, Json], again: Reread) -> dict[tuple[str, str], Before]:
    """By system and clip: the unit of the earlier run, whose address its `run.json` gives."""
    held = json.loads((again.folder / "run.json").read_text(encoding="utf-8"))
    asked = held["configuration"]
    metrics = tuple(asked.get("metrics", ()))
    audio = AudioStore(again.folder / KEPT, keep=True)
    out = {}
    for name in plan.system_names:
        marker = again.marked_by[name]
        identity = address(held["systems"][marker], held["source"], held["versions"])
        for clip in plan.clips:
            unit = Unit(
                marker, marker, clip, (), asked["seed"], asked["seconds"], identity,
                again.folder / "store", metrics,
            )  # fmt: skip
            answers = again.answers and _same_code(held, document, marker, name)
            out[name, str(clip.clip)] = Before(unit.path, unit.key, audio, answers)
    return out


def _same_code(held: Mapping[str, Json], document: Mapping[str, Json], marker: str, name: str) -> bool:
    """Whether a system would answer now what `marker` answered in an earlier run: by what both say of the
    system, of this package, of those that it needs, and of plug-ins."""

    def said(of: Mapping[str, Json], system: str) -> list[Json]:
        systems = of["systems"]
        assert isinstance(systems, dict)
        return [systems[system], of["source"], of["versions"]]

    def plugged(of: Mapping[str, Json]) -> dict[str, Json]:
        asked = of["configuration"]
        files = asked.get("plugged") if isinstance(asked, dict) else None
        return files if isinstance(files, dict) else {}

    # Files of attacks alone are in the earlier run's document only: they do not matter here.
    return (
        said(held, marker) == json.loads(json.dumps(said(document, name)))
        and plugged(document).items() <= plugged(held).items()
    )


def _units(
    plan: Plan,
    folder: Path,
    document: Mapping[str, Json],
    cell_timeout: float | None = None,
    *,
    keep: bool = False,
    share: bool = False,
    device: str | None = None,
    again: Reread | None = None,
) -> list[Unit]:
    """The units of a plan in its order. `keep`: all audio, beside `folder`; `share`: what several need."""
    befores = {} if again is None else _befores(plan, document, again)
    described = document["systems"]
    assert isinstance(described, dict)
    units = []
    for system, name in zip(plan.systems, plan.system_names, strict=True):
        identity = address(described[name], document["source"], document["versions"])
        said = described[name]
        keyless = isinstance(said, dict) and said.get("keyed") is False
        # Where there is no key, there is none that would be wrong.
        treatments = tuple(t for t, _ in plan.cells if not (keyless and t.control == "wrong_key"))
        for clip in plan.clips:
            units.append(
                Unit(
                    system=system,
                    system_name=name,
                    clip=clip,
                    treatments=treatments,
                    seed=plan.seed,
                    seconds=plan.seconds,
                    identity=identity,
                    folder=folder,
                    metrics=plan.metrics,
                    cell_timeout=cell_timeout,
                    audio=_audio(folder, str(clip.clip), keep=keep, share=share),
                    shared=len(plan.systems) > 1,
                    before=befores.get((name, str(clip.clip))),
                    device=device,
                )
            )
    return units


def _pool_units(
    plan: Plan, document: Mapping[str, Json], cell_timeout: float | None, device: str | None
) -> list[Unit]:
    """Units of the plan's pool, of each system; what earlier runs measured of it is there already."""
    described = document["systems"]
    assert isinstance(described, dict)
    folder = unmarked_pool.shared_folder()
    if plan.pool:
        make_folder(folder)
    treatments = tuple(t for t, _ in plan.cells if t.control == "unmarked")
    return [
        Unit(
            system=system,
            system_name=name,
            clip=clip,
            treatments=treatments or (Treatment("unmarked", None),),
            seed=plan.seed,
            seconds=plan.seconds,
            identity=address(described[name], document["source"], document["versions"]),
            folder=folder,
            cell_timeout=cell_timeout,
            marks=False,
            device=device,
        )
        for system, name in zip(plan.systems, plan.system_names, strict=True)
        for clip in plan.pool
    ]


def _audio(folder: Path, clip: str, *, keep: bool, share: bool) -> AudioStore | None:
    """Where a clip's attacked audio goes: to stay, or for as long as the clip's units are worked on."""
    if keep:
        return AudioStore(folder.parent / KEPT, keep=True)
    return AudioStore(folder / f"audio-{address(clip)}") if share else None


def _forget_audio(units: Sequence[Unit], done: Sequence[int]) -> None:
    """Remove the audio of clips that all systems are through with."""
    left = {u.clip.clip for u, steps in zip(units, done, strict=True) if steps <= len(u.treatments)}
    for unit in units:
        if unit.audio is not None and not unit.audio.keep and unit.clip.clip not in left:
            shutil.rmtree(unit.audio.folder, ignore_errors=True)


@dataclass(frozen=True)
class _Times:
    """A row of `timing.csv`: seconds of audio and of work."""

    system: str
    clip: str
    category: str
    attack: str
    clip_s: Figure
    audio_s: Figure
    embed_s: Figure
    attack_s: Figure
    decode_s: Figure


def _timing(times: Sequence[_Times]) -> pd.DataFrame:
    timing = pd.DataFrame([vars(t) for t in times])
    numbers = ["clip_s", "audio_s", "embed_s", "attack_s", "decode_s"]
    timing[numbers] = timing[numbers].astype("float64")
    timing["embed_realtime_factor"] = timing["embed_s"] / timing["clip_s"]
    timing["decode_realtime_factor"] = timing["decode_s"] / timing["audio_s"]
    return timing


def _assemble(plan: Plan, units: list[Unit], folder: Path, *, extrapolate: bool = False) -> Result:
    """Rows and times of finished units, in the plan's order, and what failed."""
    rows: list[Row] = []
    unmeasured: list[str] = []
    failures: list[Failure] = []
    times: list[_Times] = []
    known = {t.name: (t.family, params_text(t.params), labels) for t, labels in plan.cells}
    for unit in units:
        lines = UnitFile(unit.path).read()
        marking, clip = lines[unit.marking_key], unit.clip
        assert isinstance(marking, MarkingLine)
        if marking.status == "quality_failed":
            unmeasured.append(f"quality_failed for {clip.clip}, {unit.system_name}: {marking.message}")
        for treatment in unit.treatments:
            line = lines[unit.cell_key(treatment)]
            assert isinstance(line, CellLine)
            family, params, labels = known.get(treatment.name, ("unmarked", "{}", ()))
            labels = labels if unit.marks else (unmarked_pool.SUITE,)
            first = line.rows[0]
            if first.status not in RAN:
                failures.append(
                    Failure(
                        unit.system_name, str(clip.clip), treatment.name, first.status, first.message,
                        line.traceback,
                    )
                )  # fmt: skip
            for measured in line.rows:
                row = Row(
                    system=unit.system_name,
                    suite=",".join(labels),
                    attack=treatment.name,
                    family=family,
                    params=params,
                    clip=str(clip.clip),
                    category=str(clip.category or ""),
                    group=str(clip.group or clip.clip),
                    lossy=_text(clip.lossy),
                    payload_bytes=marking.payload_bytes,
                    payload_bits=marking.payload_bits,
                    **vars(measured),
                    **vars(marking.quality),
                    **vars(line.attacked),
                )
                rows.append(row)
            times.append(
                _Times(
                    unit.system_name, str(clip.clip), str(clip.category or ""), treatment.name,
                    clip_s=line.rows[0].clip_s, audio_s=line.audio_s, embed_s=marking.embed_s,
                    attack_s=line.attack_s, decode_s=line.decode_s,
                )
            )  # fmt: skip
    frame = to_frame(rows)
    summary = summarise(frame, extrapolate=extrapolate)
    return Result(frame, summary, _timing(times), folder, tuple(unmeasured), tuple(failures))


def _text(value: str | bool | None) -> str:
    """A manifest's field as text, the same whether its loader keeps text or truth values."""
    if value is None:
        return ""
    return value if isinstance(value, str) else "yes" if value else "no"


def run(
    plan: Plan,
    out: Path,
    *,
    jobs: int = 1,
    resume: bool = False,
    force: bool = False,
    backend: Backend = "local",
    progress: Progress | None = None,
    doing: Callable[[str], None] | None = None,
    cell_timeout: float | None = None,
    keep_attacked: bool = False,
    extrapolate: bool = False,
    device: str | None = None,
    again: Reread | None = None,
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
        doing: called with what is being done, in a few words: clip and attack, and what comes after them.
        cell_timeout: seconds that a cell may take, then it did not run (`timed_out`); None: any time.
        keep_attacked: keep marked and attacked audio in the folder `attacked`, for `rescore`: four bytes a
            sample.
        extrapolate: see `soundsafe.eval.analysis.summary.summary_rows`.
        device: where systems that have a model put it, as torch names it; None: where they do by themselves.
        again: nothing is marked and attacked; the audio that an earlier run kept is read, see
            `soundsafe.eval.running.rescoring`.

    Returns:
        Rows, their summary and times.

    Raises:
        InputError: see `prepare`.
        OSError: the folder cannot be written.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     plan = make_plan("null", "gain_-3dB", "bundled", limit=2, seconds=1)
        ...     rows = run(plan, Path(folder), jobs=0).rows
        >>> len(rows), rows["payload_ok"].any()
        (2, np.False_)
    """
    started = time.monotonic()
    document = document_of(plan, "unfinished")
    if device is not None:
        document["device"] = device
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is not a folder: give --out another name")
    if resume and not force and not out.exists():
        raise InputError(f"{out}: no such folder to go on in: leave --resume out to start a run")
    make_folder(out)
    with claim(out):
        remarks = prepare(out, document, resume=resume, force=force)
        write_document(out, document)
        (out / "store").mkdir(exist_ok=True)
        units = _units(
            plan, out / "store", document, cell_timeout,
            keep=keep_attacked, device=device, share=backend == "local" and again is None, again=again,
        )  # fmt: skip
        pool = _pool_units(plan, document, cell_timeout, device)
        # All systems of a clip one after the other: what they share need not be kept for long.
        place = {str(clip.clip): i for i, clip in enumerate(plan.clips)}
        by_clip = [*sorted(units, key=lambda unit: place[str(unit.clip.clip)]), *pool]
        total = sum(1 + len(u.treatments) for u in by_clip)
        count = 0

        def tick() -> None:
            nonlocal count
            done = [lines_in(u.path) for u in by_clip]
            now = sum(done)
            if progress is not None and now != count:
                progress(now, total)
            if doing is not None and (words := _under_way(by_clip, done)):
                doing(words)
            count = now
            _forget_audio(by_clip, done)

        tick()
        if backend == "ray":
            from soundsafe.eval.running import ray_backend

            code = {part: document[part] for part in ("source", "versions")}
            ray_backend.run_units(by_clip, jobs, tick, code, local_backend.ONE_THREAD)
        elif jobs > 0:
            local_backend.run_units(by_clip, jobs, tick)
        else:
            for unit in by_clip:
                run_unit(unit, one=tick)
        tick()
        if doing is not None:
            doing("summing up: intervals and tests")
        result = replace(
            _assemble(plan, [*units, *pool], out, extrapolate=extrapolate), remarks=tuple(remarks)
        )
        write_figures(out, result.rows, result.timing, result.summary)
        write_errors(out, [f"{_named(f)}\n{f.traceback}" for f in result.failures])
        write_times(out, time.monotonic() - started)
        write_document(out, document | {"state": "finished"})
    return result


def _under_way(units: Sequence[Unit], done: Sequence[int]) -> str:
    """What the first unit that is not complete is at, which units come one after the other; '' for none."""
    for unit, steps in zip(units, done, strict=True):
        if steps <= len(unit.treatments):
            step = unit.treatments[steps - 1].name if steps else "marking"
            return f"{unit.clip.clip}: {step} ({unit.system_name})"
    return ""


def _named(failure: Failure) -> str:
    return f"{failure.system}, {failure.clip}, {failure.attack}: {failure.status}: {failure.message}"


def none_ran(result: Result) -> list[str]:
    """A line for each system none of whose cells ran, marked ones where there are any."""
    out = []
    frame = result.rows
    marked = frame["attack"].map(real)
    for system in frame["system"].unique():
        its = frame[(frame["system"] == system) & marked]
        its = its if len(its) else frame[frame["system"] == system]
        if not its["status"].isin(RAN).any():
            first = next(f for f in result.failures if f.system == system)
            out.append(f"no cell of {system} ran: {first.status}: {first.message}")
    return out


class Rows(pd.DataFrame):
    """A frame of rows that knows how to sum itself up; what is made of it is a plain frame."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def summary(self, category: str = "all", *, extrapolate: bool = False) -> pd.DataFrame:
        """A line for each system and attack, with the figures of `soundsafe.eval.rows.SummaryRow`.

        Args:
            category: of the manifest, or `all`.
            extrapolate: find thresholds of false-positive rates beyond what the unmarked clips show.
        """
        rows = summary_rows(self, extrapolate=extrapolate)
        found = [to_item(row) for row in rows if row.category == category]
        return pd.DataFrame(found).set_index(["system", "attack"])


def evaluate(
    system: SystemSpec | Sequence[SystemSpec] = "soundsafe",
    attacks: AttackSpec | Sequence[AttackSpec] = "smoke",
    dataset: str | os.PathLike[str] | Dataset = "bundled",
    metrics: str | Sequence[str] = (),
    *,
    split: str | None = "test",
    limit: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    jobs: int = 0,
    out: str | os.PathLike[str] | None = None,
    cell_timeout: float | None = None,
    progress: Progress | None = None,
    keep_attacked: bool = False,
    pool: str | os.PathLike[str] | None = None,
    device: str | None = None,
) -> Rows:
    """Evaluate watermarks under attacks.

    Args:
        system: name of a registered system, a `System`, or a list of them.
        attacks: name of a suite or an attack, an attack object, or a list of them.
        dataset: name of a dataset, a folder of audio, or a `Dataset`.
        metrics: names of metrics to measure besides those that are always measured.
        split: see `make_plan`.
        limit: see `make_plan`.
        seconds: see `make_plan`.
        seed: see `make_plan`.
        jobs: worker processes; 0 runs in this process.
        out: folder to keep the run in, as `soundsafe-eval run` does; nothing is kept by default.
        cell_timeout: seconds that one attack on one clip may take; None: any time.
        progress: called with (steps done, steps in all) as they change.
        keep_attacked: keep marked and attacked audio in `out`, for `rescore`.
        pool: see `make_plan`.
        device: where systems that have a model put it, as torch names it.

    Returns:
        A frame with one row for each system x clip x attack x second; its `summary()` has a line for each
        system and attack.

    Raises:
        InputError: see `make_plan`.

    Example:
        >>> rows = evaluate("spread-spectrum", ["none", "gain_-3dB"], limit=1, seconds=2)
        >>> sorted(rows["attack"].unique())
        ['gain_-3dB', 'none']
    """
    plan = make_plan(
        system,
        attacks,
        dataset,
        split=split,
        limit=limit,
        seconds=seconds,
        seed=seed,
        metrics=metrics,
        pool=pool,
    )
    for note in plan.notes:
        warnings.warn(f"{plan.dataset}: {note}", stacklevel=2)
    with contextlib.ExitStack() as stack:
        if out is None:
            out = stack.enter_context(tempfile.TemporaryDirectory(prefix="soundsafe-eval-"))
        result = run(
            plan, Path(out), jobs=jobs, cell_timeout=cell_timeout, progress=progress,
            keep_attacked=keep_attacked, device=device,
        )  # fmt: skip
    if lines := none_ran(result):
        error = InputError(lines[0])
        error.add_note(result.failures[0].traceback)
        raise error
    for _, failures in itertools.groupby(result.failures, key=lambda f: (f.system, f.status)):
        named = list(failures)
        warnings.warn(f"{len(named)} cells did not run ({_named(named[0])})", stacklevel=2)
    return Rows(result.rows)
