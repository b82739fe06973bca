"""A stored run scored again: by another threshold or metric, or its kept audio read by another decoder.

Marking and attacking take most of a run's time. What a threshold changes is in the rows already; a decoder or
a metric needs the audio, which `keep_attacked` (`--keep-attacked`) keeps.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soundsafe import datasets
from soundsafe.datasets import Clip
from soundsafe.errors import InputError
from soundsafe.eval.analysis.stored import RunDocument, read_document, read_rows
from soundsafe.eval.analysis.summary import summarise
from soundsafe.eval.metrics import to_ask
from soundsafe.eval.rows import RAN, control_of
from soundsafe.eval.running import runner
from soundsafe.eval.running.plan import Plan, SystemSpec, content
from soundsafe.eval.running.run_folder import write_document, write_figures
from soundsafe.eval.running.store import make_folder
from soundsafe.eval.running.units import StoredAttack, Treatment
from soundsafe.eval.systems import registry
from soundsafe.eval.systems.whole_clip import payload_bits_of

__all__ = ["at_threshold", "rescore"]


def at_threshold(rows: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Rows as they are where a clip is accepted at a score of `threshold` or more.

    Args:
        rows: of systems that tell a score and no payload, or a message's bits: such a clip succeeds where it
            is accepted with every bit right, and a control where it is accepted.
        threshold: finite.

    Raises:
        InputError: a system's payload authenticates itself: no threshold decides.

    Example:
        >>> from soundsafe.eval import evaluate
        >>> try:
        ...     at_threshold(evaluate("null", "none", limit=1, seconds=1), 0.5)
        ... except InputError as error:
        ...     print(error)
        a threshold decides nothing for null: what authenticates itself has none
    """
    if undecided := _undecided(rows):
        raise InputError(_decides_nothing(undecided))
    control = rows["attack"].map(control_of) != ""
    accepted = (rows["score"] >= threshold) & (rows["status"] == "ok")
    right = control | (rows["payload_bits"] == 0) | (rows["bit_accuracy"] == 1.0)
    ok = accepted & right
    times = rows["clip_s"].where(ok, np.inf).where(~control & rows["status"].isin(RAN))
    # Nothing is read second by second here: what was came from the former threshold.
    return rows.assign(clip_ok=ok, payload_ok=False, id_ok=False, time_to_payload_s=times)


def _undecided(rows: pd.DataFrame) -> list[str]:
    """Systems whose payload authenticates itself, so that no threshold decides."""
    told = rows[rows["status"].isin(RAN) & (rows["attack"].map(control_of) == "")]
    return [
        str(system)
        for system, its in told.groupby("system", sort=False)
        if its["payload_bits"].max() > 0 and its.loc[its["status"] == "ok", "bit_accuracy"].isna().any()
    ]


def _decides_nothing(systems: Sequence[str]) -> str:
    return f"a threshold decides nothing for {', '.join(systems)}: what authenticates itself has none"


def _at_threshold(rows: pd.DataFrame, threshold: float) -> tuple[pd.DataFrame, list[str]]:
    """`at_threshold` of the systems for which it decides anything, and those that are left out."""
    undecided = _undecided(rows)
    kept = rows[~rows["system"].isin(undecided)]
    return at_threshold(kept if len(kept) else rows, threshold), undecided


def rescore(
    folder: Path,
    out: Path,
    *,
    system: SystemSpec | None = None,
    marked_by: str | None = None,
    threshold: float | None = None,
    extrapolate: bool = False,
    metrics: Sequence[str] = (),
    dataset: str | None = None,
    jobs: int = 0,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> runner.Result:
    """Score a finished run again, into a folder of its own, without marking or attacking.

    Args:
        folder: of the run; with its kept audio where anything is to be read again.
        out: folder of the new run.
        system: the decoder, a name or a `System`, of as many payload bits as the one that marked; None: what
            the run's systems answered stands, and is decoded again only where their code has changed.
        marked_by: which system's audio the decoder reads, where the run has several.
        threshold: see `at_threshold`; systems for which it decides nothing are left out, as a remark says.
        extrapolate: see `soundsafe.eval.analysis.summary.summary_rows`.
        metrics: measured of the kept audio, of those that `list metrics` says are measured when asked.
        dataset: where the clips are now, if not where the run found them.
        jobs: see `soundsafe.eval.run`.
        force: replace the run that `out` holds.
        progress: called with (steps done, steps in all).

    Returns:
        The new run, whose folder is as any other's.

    Raises:
        InputError: the run is not finished, kept no audio that is needed, or its clips are not there; nothing
            was asked for; the decoder does not fit; the threshold decides nothing for any system.
    """
    document = read_document(folder)
    if document.state != "finished":
        raise InputError(f"{folder} is not finished: soundsafe-eval run --resume goes on with it")
    if out.resolve() == folder.resolve():
        raise InputError(f"--out {out} is the run itself: give another folder")
    if system is None and not metrics:
        if threshold is None and not extrapolate:
            raise InputError("nothing to do: give --system, --metric, --threshold or --extrapolate")
        return _by_rows(folder, out, threshold, extrapolate=extrapolate, force=force)
    if not (folder / runner.KEPT).is_dir():
        raise InputError(f"{folder} kept no audio: soundsafe-eval run --keep-attacked does")
    plan, markers = _plan(folder, document, system, marked_by, metrics, dataset)
    again = runner.Reread(folder, markers, answers=system is None)
    result = runner.run(
        plan, out, jobs=jobs, force=force, progress=progress, extrapolate=extrapolate, again=again
    )
    if threshold is None:
        return result
    rows, undecided = _at_threshold(result.rows, threshold)
    summary = summarise(rows, extrapolate=extrapolate)
    timing = _without(result.timing, undecided)
    write_figures(out, rows, timing, summary)
    document = json.loads((out / "run.json").read_text(encoding="utf-8"))
    write_document(out, _only(document, undecided) | {"threshold": threshold})
    remarks = (*result.remarks, *_left_out(undecided))
    return runner.Result(rows, summary, timing, out, result.unmeasured, result.failures, remarks)


def _left_out(systems: Sequence[str]) -> list[str]:
    return [f"left out: {_decides_nothing(systems)}"] if systems else []


def _without(timing: pd.DataFrame, systems: Sequence[str]) -> pd.DataFrame:
    return timing[~timing["system"].isin(systems)] if "system" in timing else timing


def _only(document: dict[str, Any], left_out: Sequence[str]) -> dict[str, Any]:
    """A run's document without some of its systems."""
    described = {name: its for name, its in document["systems"].items() if name not in left_out}
    names = [name for name in document["configuration"]["systems"] if name not in left_out]
    return document | {
        "systems": described,
        "configuration": document["configuration"] | {"systems": names},
    }


def _by_rows(
    folder: Path, out: Path, threshold: float | None, *, extrapolate: bool, force: bool
) -> runner.Result:
    """A run's rows summed up anew."""
    rows = read_rows(folder)
    undecided: list[str] = []
    if threshold is not None:
        rows, undecided = _at_threshold(rows, threshold)
    if (out / "run.json").exists() and not force:
        raise InputError(f"{out} holds a run: --force replaces it, --out goes elsewhere")
    make_folder(out)
    summary = summarise(rows, extrapolate=extrapolate)
    path = folder / "timing.csv"
    timing = _without(pd.read_csv(path) if path.is_file() else pd.DataFrame(), undecided)
    write_figures(out, rows, timing, summary)
    document = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    write_document(out, _only(document, undecided) | {"threshold": threshold})
    return runner.Result(rows, summary, timing, out, remarks=tuple(_left_out(undecided)))


def _plan(
    folder: Path,
    document: RunDocument,
    system: SystemSpec | None,
    marked_by: str | None,
    metrics: Sequence[str],
    dataset: str | None,
) -> tuple[Plan, dict[str, str]]:
    """The run's plan with other decoders, and whose audio each reads."""
    names = document.system_names
    if marked_by is not None and marked_by not in names:
        raise InputError(f"{folder} has no system {marked_by}: it has {', '.join(names)}")
    chosen = [marked_by] if marked_by is not None else list(names)
    if system is not None and len(chosen) > 1:
        raise InputError(f"--marked-by: whose audio? {folder} has {', '.join(names)}")
    decoders: list[SystemSpec] = [*chosen] if system is None else [system]
    called = []
    for decoder, marker in zip(decoders, chosen, strict=True):
        loaded = registry.get(decoder) if isinstance(decoder, str) else decoder
        said = document.described(marker)
        bits = said.get("payload_bits", 8 * int(str(said.get("payload_bytes", 0))))
        if payload_bits_of(loaded) != bits:
            raise InputError(
                f"{loaded.name} reads {payload_bits_of(loaded)} bits, {marker} marked with {bits}"
            )
        called.append(str(loaded.name))
    plan = Plan(
        systems=tuple(decoders),
        system_names=tuple(called),
        clips=_clips(document, dataset),
        cells=tuple(_cells(read_rows(folder), document)),
        dataset=document.dataset,
        split=document.split,
        suites=document.suites,
        seed=document.seed or 0,
        seconds=document.seconds,
        metrics=to_ask(metrics),
    )
    return plan, dict(zip(called, chosen, strict=True))


def _clips(document: RunDocument, dataset: str | None) -> tuple[Clip, ...]:
    """The run's clips, which must be the files that they were."""
    known = {c.clip: c for c in datasets.load(dataset or document.dataset, split=document.split).clips}
    for name, digest in document.clips.items():
        if name not in known:
            raise InputError(f"clip {name} of the run is not in dataset {dataset or document.dataset}")
        if digest is not None and content(known[name]) != digest:
            raise InputError(f"{known[name].path} is not the file that the run had as {name}")
    return tuple(known[name] for name in document.clips)


def _cells(rows: pd.DataFrame, document: RunDocument) -> list[tuple[Treatment, tuple[str, ...]]]:
    """The run's attacks in their order, as they were called."""
    facts = rows.drop_duplicates("attack").set_index("attack")
    out = []
    for name in document.attacks:
        if name in facts.index:
            its = facts.loc[name]
            attack = StoredAttack(name, str(its["family"]), json.loads(its["params"] or "{}"))
            plain = name in ("unmarked", "wrong_key")
            out.append((Treatment(name, None if plain else attack), tuple(str(its["suite"]).split(","))))
    return out
