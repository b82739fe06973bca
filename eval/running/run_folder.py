"""The folder of a run: what it was made with, whether it may be gone on with, and its files."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from soundsafe.datasets.recipe import recipe_of
from soundsafe.errors import InputError
from soundsafe.eval.analysis.environments import numeric, remark
from soundsafe.eval.analysis.families import family_rows
from soundsafe.eval.analysis.stored import read_times
from soundsafe.eval.documents import csv_bytes, summary_json
from soundsafe.eval.frames import table_bytes
from soundsafe.eval.rows import Json, Summary
from soundsafe.eval.running.environment import environment
from soundsafe.eval.running.plan import Plan
from soundsafe.eval.running.store import write_atomically
from soundsafe.eval.systems import registry
from soundsafe.files.audio_folder import MONO

__all__ = ["document_of", "prepare", "write_document", "write_errors", "write_figures", "write_times"]

RUN_FILES = (
    "results.parquet", "summary.csv", "summary.json", "quality.csv", "parity_by_band.csv", "families.csv",
    "timing.csv", "timing.json", "run.json", "store", "attacked", "plots", "errors.txt",
)  # fmt: skip


def _describe(plan: Plan) -> dict[str, Json]:
    out: dict[str, Json] = {}
    for name, system in zip(plan.system_names, plan.systems, strict=True):
        loaded = registry.get(system) if isinstance(system, str) else system
        out[name] = json.loads(json.dumps(registry.facts_of(loaded)))
    return out


def corpus_of(plan: Plan) -> str:
    """The name by which others can have the plan's clips: a recipe's; '' where they follow none."""
    name = recipe_of(clip.columns for clip in plan.clips)
    return f"{name}{MONO}" if name and plan.dataset.endswith(MONO) else name


def document_of(plan: Plan, state: str) -> dict[str, Json]:
    """The content of `run.json`: no times, no path but that of the dataset: equal runs, equal files."""
    document = environment()
    document |= {
        "configuration": plan.configuration(),
        "systems": _describe(plan),
        "corpus": corpus_of(plan),
        "seed": plan.seed,
        "state": state,
    }
    return document


def write_document(out: Path, document: dict[str, Json]) -> None:
    """Write `run.json`."""
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)
    write_atomically(out / "run.json", f"{text}\n".encode())


def write_times(out: Path, seconds: float) -> None:
    """Write `timing.json`: when the run ended, and how long it took in all calls that made it.

    Args:
        out: the run's folder.
        seconds: what this call took, by the clock.
    """
    before = read_times(out).seconds or 0.0
    item = {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(before + seconds, 1),
    }
    write_atomically(out / "timing.json", f"{json.dumps(item)}\n".encode())


def prepare(out: Path, document: dict[str, Json], *, resume: bool, force: bool) -> list[str]:
    """Make the run's folder, which nobody else may hold, ready, or refuse.

    Returns:
        A line where the run that is gone on with had another numeric environment; `document` then keeps both.

    Raises:
        InputError: the folder holds a run and neither `resume` nor `force` is given, or a run that differs in
            something that decides its rows, or none to `resume`, or files that are no run's and in the way.
    """
    if resume and force:
        raise InputError("--resume continues a run, --force starts it afresh: give one of them")
    held = out / "run.json"
    remarks: list[str] = []
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
        remarks = remark(f"what {out} was begun in", numeric(old), numeric(document))
        if remarks:
            before = old.get("resumed_in")
            held_before = before if isinstance(before, list) else []
            document["resumed_in"] = [*held_before, document["environment"]]
            document["environment"] = old["environment"]
    if not held.exists():
        there = {path.name for path in out.iterdir()} - {".lock"}
        if there if force else there & set(RUN_FILES):
            raise InputError(f"{out} holds files but no run, --out goes elsewhere")
        if resume:
            raise InputError(f"{out} holds no run to go on with: leave --resume out to start one")
    if force:
        for name in RUN_FILES:
            path = out / name
            if path == held:  # replaced in one step: without it the folder would be no run's
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    return remarks


def _difference(part: str, old: Json, new: Json) -> str:
    """Which entry of a part of `run.json` differs, in words."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(set(old) | set(new)):
            if old.get(name) != new.get(name):
                return f"{part.removesuffix('s')} ({name})"
    return {"source": "version of the code"}.get(part, part)


def write_figures(out: Path, rows: pd.DataFrame, timing: pd.DataFrame, summary: Summary) -> None:
    """Write all files of a run but `run.json`, which says when they are whole."""
    write_atomically(out / "results.parquet", _parquet(rows))
    write_atomically(out / "timing.csv", table_bytes(timing, "%.6g"))
    write_atomically(out / "summary.json", summary_json(summary))
    write_atomically(out / "summary.csv", csv_bytes(summary.rows))
    write_atomically(out / "quality.csv", csv_bytes(summary.quality))
    write_atomically(out / "parity_by_band.csv", csv_bytes(summary.parity_by_band))
    write_atomically(out / "families.csv", csv_bytes(family_rows(rows, summary.rows, category=None)))


def write_errors(out: Path, errors: Sequence[str]) -> None:
    """Write `errors.txt`: what ended the cells that did not run; no such file where all of them ran."""
    if errors:
        write_atomically(out / "errors.txt", "\n".join(errors).encode(errors="backslashreplace"))
    else:
        (out / "errors.txt").unlink(missing_ok=True)


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, engine="pyarrow", index=False, compression="zstd")
    return buffer.getvalue()
