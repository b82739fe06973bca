"""Stored runs, read and set side by side: the evidence that a report is made from."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from soundsafe.errors import InputError
from soundsafe.eval.rows import CONTROLS, Row, control_of
from soundsafe.eval.running.run_folder import read_rows
from soundsafe.eval.systems.interface import EUL_S
from soundsafe.reports.format import count, number, seconds

__all__ = ["AttackFacts", "Evidence", "Run", "Subject", "distinct", "finite", "gather", "read_run"]

Item = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One run's folder: `frame` holds its EULs; the lists of `summary.json` are as they stand there."""

    name: str
    frame: pd.DataFrame
    rows: tuple[Item, ...]
    quality: tuple[Item, ...]
    parity_by_band: tuple[Item, ...]
    breakdown: tuple[Item, ...]
    document: Item
    timing: pd.DataFrame


@dataclass(frozen=True)
class Subject:
    """A system of one run; `label` tells it from all others of the report."""

    label: str
    system: str
    run: Run

    @cached_property
    def frame(self) -> pd.DataFrame:
        return self.run.frame[self.run.frame["system"] == self.system]

    def figures(self, attack: str, category: str = "all") -> Item | None:
        """The summary's row of an attack (the same in every suite that holds it)."""
        return self._index.get((attack, category))

    @cached_property
    def _index(self) -> dict[tuple[str, str], Item]:
        found: dict[tuple[str, str], Item] = {}
        for row in self.run.rows:
            if row.get("system") == self.system:
                found.setdefault((str(row.get("attack")), str(row.get("category", "all"))), row)
        return found

    def quality(self, category: str = "all") -> Item | None:
        """The summary's figures of marking."""
        for row in self.run.quality:
            if row.get("system") == self.system and row.get("category") == category:
                return row
        return None

    def bands(self, attack: str) -> list[float] | None:
        """The summary's parity of each band under an attack, lowest first; None where there is none."""
        for row in self.run.parity_by_band:
            if row.get("system") == self.system and row.get("attack") == attack:
                values = row.get("bands")
                if isinstance(values, list) and values and all(number(v) is not None for v in values):
                    return [float(v) for v in values]
        return None

    def description(self) -> Item:
        """What the run's document says of the system."""
        found = (self.run.document.get("systems") or {}).get(self.system)
        return found if isinstance(found, dict) else {}

    @property
    def keyed(self) -> bool:
        """Whether it has a key at all: where it has none, reading with another one is no false accept."""
        return self.description().get("keyed") is not False

    @cached_property
    def controls(self) -> pd.DataFrame:
        """Rows of audio without its mark, or read with another key (where there are keys), of which every
        step was done."""
        control = self.frame["attack"].map(control_of).isin(CONTROLS if self.keyed else ("unmarked",))
        return self.frame[control & (self.frame["status"] == "ok")]

    @cached_property
    def whole_clips(self) -> bool:
        """It reads clips, but never a second by itself: its figures are those of whole clips."""
        real = self.frame[[not control_of(str(a)) for a in self.frame["attack"]]]
        return bool(len(real)) and not real["payload_ok"].any() and bool(real["clip_ok"].any())

    @property
    def success(self) -> str:
        """The summary's field that says how often the payload comes back, in the system's own unit."""
        return "clip_success" if self.whole_clips else "payload_success"

    @cached_property
    def clip_s(self) -> float:
        """Median seconds of its clips."""
        return number(float(self.frame["clip_s"].median())) or EUL_S

    @cached_property
    def payload_bits(self) -> int:
        """What a clip of it carries; 0 where it only says that the mark is there."""
        return 8 * int(self.frame["payload_bytes"].max()) if len(self.frame) else 0

    @cached_property
    def seconds(self) -> float | None:
        """Audio that each attack's figures are of, where they differ the most of any; None where unknown."""
        rows = [r for (a, c), r in self._index.items() if c == "all" and not control_of(a)]
        return max((v for r in rows if (v := number(r.get("seconds"))) is not None), default=None)

    @property
    def measured_on(self) -> str:
        """Its label with its payload and the seconds of audio."""
        parts = [f"{count(self.payload_bits)}\u00a0bits" if self.payload_bits else "presence only"]
        parts += [] if self.seconds is None else [f"{seconds(self.seconds)}\u00a0s"]
        return f"{self.label}: {', '.join(parts)}"

    @property
    def unit_s(self) -> float:
        """Seconds of what `success` counts: of an EUL, or of a clip."""
        return self.clip_s if self.whole_clips else EUL_S

    @property
    def unit_label(self) -> str:
        """Its label, with what is counted where that is no second."""
        return f"{self.label}, whole clips" if self.whole_clips else self.label


@dataclass(frozen=True)
class AttackFacts:
    """An attack's name, the family that it is listed under, and its parameters."""

    name: str
    family: str
    params: Item


@dataclass(frozen=True)
class Evidence:
    """All systems of all runs, and the attacks, controls and categories in order of first appearance."""

    runs: tuple[Run, ...]
    subjects: tuple[Subject, ...]
    attacks: tuple[AttackFacts, ...]
    controls: tuple[str, ...]
    categories: tuple[str, ...]


def _json(path: Path, folder: Path) -> Item:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: is {folder} the folder of a finished run?") from error
    if not isinstance(document, dict):
        raise InputError(f"{path} is damaged: it holds no object")
    return document


def _items(document: Item, key: str, path: Path) -> tuple[Item, ...]:
    found = document.get(key, [])
    if not isinstance(found, list) or not all(isinstance(i, dict) for i in found):
        raise InputError(f"{path} is damaged: `{key}` is no list of objects")
    return tuple(found)


def _completed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with every column of a row; those of another version's that it lacks have their default."""
    missing = {}
    for f in fields(Row):
        if f.name not in frame.columns:
            missing[f.name] = "" if f.default is MISSING else f.default
    return frame.assign(**missing) if missing else frame


def read_run(folder: Path) -> Run:
    """A finished run's folder.

    Raises:
        InputError: missing or damaged files; each message is one line that names the file.
    """
    frame = _completed(read_rows(folder))
    path = folder / "summary.json"
    summary = _json(path, folder)
    timing = pd.DataFrame()
    if (folder / "timing.csv").is_file():
        try:
            timing = pd.read_csv(folder / "timing.csv")
        except (ValueError, OSError) as error:
            raise InputError(f"{folder / 'timing.csv'} is damaged") from error
    return Run(
        name=folder.resolve().name or "run",
        frame=frame,
        rows=_items(summary, "rows", path),
        quality=_items(summary, "quality", path),
        parity_by_band=_items(summary, "parity_by_band", path),
        breakdown=_items(summary, "breakdown", path),
        document=_json(folder / "run.json", folder),
        timing=timing,
    )


def distinct(names: Sequence[str]) -> list[str]:
    """The names, those that occur several times with a number each."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if names.count(name) == 1 else f"{name} {seen[name]}")
    return out


def gather(runs: Sequence[Run]) -> Evidence:
    """Runs side by side. A system that several runs hold is named with its run.

    Raises:
        InputError: nothing to report on.
    """
    named = [replace(r, name=name) for name, r in zip(distinct([r.name for r in runs]), runs, strict=True)]
    held = [(run, str(system)) for run in named for system in dict.fromkeys(run.frame["system"])]
    names = [system for _, system in held]
    subjects = tuple(
        Subject(system if names.count(system) == 1 else f"{system} ({run.name})", system, run)
        for run, system in held
    )
    if not subjects:
        raise InputError("the runs hold no rows: nothing to report on")
    found: dict[str, AttackFacts] = {}
    categories: dict[str, None] = {}
    for run in named:
        families = run.frame.drop_duplicates("attack").set_index("attack")["family"].to_dict()
        for row in run.rows:
            name = str(row.get("attack"))
            params = row.get("params")
            family = "no attack" if name == "none" else str(families.get(name, ""))
            facts = AttackFacts(name, family, params if isinstance(params, dict) else {})
            found.setdefault(name, facts)
            categories.setdefault(str(row.get("category", "all")))
    attacks = [a for a in found.values() if not control_of(a.name)]
    order = {family: i for i, family in enumerate(dict.fromkeys(a.family for a in attacks))}
    return Evidence(
        runs=tuple(named),
        subjects=subjects,
        attacks=tuple(sorted(attacks, key=lambda a: order[a.family])),
        controls=tuple(a for a in found if control_of(a)),
        categories=tuple(c for c in categories if c != "all"),
    )


def finite(value: Any) -> Any:
    """A JSON value in which every number that is not finite is null."""
    if isinstance(value, dict):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
