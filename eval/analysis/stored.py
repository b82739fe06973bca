"""Runs as their folders hold them: rows, summary, `run.json` and times, read back with care.

A folder may come from another version or be damaged: what cannot be read at all is refused in one line that
names the file, a figure that is missing or of the wrong kind counts as not measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soundsafe.errors import InputError
from soundsafe.eval.analysis.environments import numeric
from soundsafe.eval.documents import figure, summary_from
from soundsafe.eval.rows import NAN, Figure, Json, Row, Summary

__all__ = [
    "AskedSuite",
    "Example",
    "Run",
    "RunDocument",
    "RunTimes",
    "read_configuration",
    "read_document",
    "read_numeric",
    "read_rows",
    "read_run",
    "read_times",
]

_NEEDED = (
    "system", "suite", "attack", "clip", "category", "group", "eul", "status", "ber", "bits", "payload_ok",
    "clip_ok", "id_ok",
)  # fmt: skip
_KEY = ["system", "attack", "clip", "eul"]


@dataclass(frozen=True)
class Example:
    """A clip of a run, original and marked: float32 [channels, samples] in [-1, 1] at `rate` Hz.

    `attacked`: marked audio after `attack`, where there is one; `outcome`: what became of its payload.
    """

    system: str
    clip: str
    rate: int
    clean: NDArray[np.float32]
    marked: NDArray[np.float32]
    attacked: NDArray[np.float32] | None = None
    attack: str = ""
    outcome: str = ""


@dataclass(frozen=True)
class AskedSuite:
    """A suite that a run was asked for; `version` None: attacks that were asked for by themselves."""

    suite: str
    version: int | None


@dataclass(frozen=True)
class RunDocument:
    """What `run.json` says: what a run depended on.

    Attributes:
        versions, environment, machine: names and values.
        commit, source: of the code; '' where that is not known.
        corpus: the recipe that the clips follow; '' where there is none, or none is known.
        state: `finished`, or what it had come to.
        systems: what each system says of itself.
        clips: the first digits of the SHA-256 of each clip's file, None where it has none.
        system_names, attacks, metrics: as they were asked for, in order.
        seconds: the first so many of each clip; None: all.
    """

    versions: Mapping[str, Json] = field(default_factory=dict)
    environment: Mapping[str, Json] = field(default_factory=dict)
    machine: Mapping[str, Json] = field(default_factory=dict)
    commit: str = ""
    source: str = ""
    state: str = ""
    seed: int | None = None
    systems: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    dataset: str = ""
    corpus: str = ""
    split: str | None = None
    clips: Mapping[str, str | None] = field(default_factory=dict)
    system_names: tuple[str, ...] = ()
    suites: tuple[AskedSuite, ...] = ()
    attacks: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    seconds: Figure = None

    @property
    def numeric(self) -> dict[str, Json]:
        """What the last bits of audio depend on, see `soundsafe.eval.analysis.environments`."""
        return numeric({"environment": dict(self.environment), "versions": dict(self.versions)})

    def described(self, system: str) -> Mapping[str, Json]:
        """What a system says of itself; {} where that is not known."""
        return self.systems.get(system, {})


@dataclass(frozen=True)
class RunTimes:
    """When a run ended (UTC, ISO 8601) and how many seconds it took; '' and None where that is not known."""

    finished: str = ""
    seconds: Figure = None


@dataclass(frozen=True)
class Run:
    """One run's folder: `frame` holds its rows, a line for each EUL; `timing` its times, maybe none."""

    name: str
    frame: pd.DataFrame
    summary: Summary
    document: RunDocument
    timing: pd.DataFrame
    times: RunTimes = RunTimes()


def _object(path: Path, folder: Path) -> dict[str, Json]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: is {folder} the folder of a finished run?") from error
    if not isinstance(document, dict):
        raise InputError(f"{path} is damaged: it holds no object")
    return document


def _mapping(item: Mapping[str, Json], name: str) -> dict[str, Json]:
    found = item.get(name)
    return found if isinstance(found, dict) else {}


def _names(item: Mapping[str, Json], name: str) -> tuple[str, ...]:
    found = item.get(name)
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _whole(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: Json) -> str:
    return "" if value is None else str(value)


def run_document(item: Mapping[str, Json]) -> RunDocument:
    """The content of a `run.json`."""
    c = _mapping(item, "configuration")
    asked = c.get("suites")
    suites = [s for s in asked if isinstance(s, dict)] if isinstance(asked, list) else []
    systems = _mapping(item, "systems")
    split = c.get("split")
    return RunDocument(
        versions=_mapping(item, "versions"),
        environment=_mapping(item, "environment"),
        machine=_mapping(item, "machine"),
        commit=_text(item.get("commit")),
        source=_text(item.get("source")),
        state=_text(item.get("state")),
        seed=_whole(item.get("seed", c.get("seed"))),
        systems={name: said for name, said in systems.items() if isinstance(said, dict)},
        dataset=_text(c.get("dataset")),
        corpus=_text(item.get("corpus")),
        split=split if isinstance(split, str) else None,
        clips={k: None if v is None else str(v) for k, v in _mapping(c, "clips").items()},
        system_names=_names(c, "systems"),
        suites=tuple(AskedSuite(_text(s.get("suite")), _whole(s.get("version"))) for s in suites),
        attacks=_names(c, "attacks"),
        metrics=_names(c, "metrics"),
        seconds=figure(c.get("seconds")),
    )


def read_document(folder: Path) -> RunDocument:
    """What the `run.json` of a run's folder says.

    Raises:
        InputError: it is missing or damaged.
    """
    return run_document(_object(folder / "run.json", folder))


def read_numeric(folder: Path) -> dict[str, Json]:
    """What the last bits of a run's audio depend on; nothing where its folder does not say."""
    try:
        return read_document(folder).numeric
    except InputError:
        return {}


def read_configuration(folder: Path) -> dict[str, Json]:
    """What a run was asked for, as its `run.json` has it.

    Raises:
        InputError: that is missing or damaged.
    """
    item = _object(folder / "run.json", folder)
    found = item.get("configuration", {})
    if not isinstance(found, dict):
        raise InputError(f"{folder / 'run.json'} is damaged: run --force starts afresh")
    return found


def read_rows(folder: Path) -> pd.DataFrame:
    """The rows of a finished run, a line for each EUL; columns are the fields of `soundsafe.eval.rows.Row`.

    Args:
        folder: of `soundsafe-eval run`; figures that a run of an earlier version lacks are NaN.

    Returns:
        A frame with one row for each system × clip × attack × EUL.

    Raises:
        InputError: the folder holds none, or what no run can have written.

    Example:
        >>> read_rows(Path("nowhere"))
        Traceback (most recent call last):
        ...
        soundsafe.errors.InputError: nowhere holds no finished run: results.parquet is missing
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


def _completed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with every column of a row; those of another version's that it lacks have their default."""
    missing = {}
    for f in fields(Row):
        if f.name not in frame.columns:
            missing[f.name] = "" if f.default is MISSING else f.default
    return frame.assign(**missing) if missing else frame


def read_times(folder: Path) -> RunTimes:
    """When the run of a folder ended and how long it took, as its `timing.json` says; nothing without one."""
    path = folder / "timing.json"
    if not path.is_file():
        return RunTimes()
    item = _object(path, folder)
    return RunTimes(_text(item.get("finished")), figure(item.get("seconds")))


def read_run(folder: Path) -> Run:
    """A finished run's folder.

    Raises:
        InputError: missing or damaged files; each message is one line that names the file.
    """
    frame = _completed(read_rows(folder))
    path = folder / "summary.json"
    try:
        summary = summary_from(_object(path, folder))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path} is damaged: `{error}` is no list of objects") from None
    timing = pd.DataFrame()
    if (folder / "timing.csv").is_file():
        try:
            timing = pd.read_csv(folder / "timing.csv")
        except (ValueError, OSError) as error:
            raise InputError(f"{folder / 'timing.csv'} is damaged") from error
    return Run(
        name=folder.resolve().name or "run",
        frame=frame,
        summary=summary,
        document=read_document(folder),
        timing=timing,
        times=read_times(folder),
    )
