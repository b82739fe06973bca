"""What a run will do: systems, clips, attacks and metrics looked up, and refused where they cannot be run."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundsafe.errors import InputError
from soundsafe.eval.metrics import to_ask
from soundsafe.eval.rows import CONTROLS, JOIN, control_of
from soundsafe.eval.running.worker import Cell
from soundsafe.eval.systems import registry
from soundsafe.eval.systems.interface import System

__all__ = ["Plan", "content", "known_split", "make_plan"]


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
        if plugged := _plugged([cell.resolve() for cell, _ in self.cells], self.systems):
            document["plugged"] = plugged
        return document


def _plugged(attacks: Iterable[Any], systems: Iterable[Any]) -> dict[str, str]:
    """The SHA-256 of files with attacks and systems of others: `source_hash` knows this package's alone."""
    systems = (registry.get(s) if isinstance(s, str) else s for s in systems)
    defined = [getattr(a, "function", type(a)) for a in attacks if a is not None]
    out = {}
    for thing in [*defined, *(type(s) for s in systems)]:
        module = str(getattr(thing, "__module__", ""))
        if module.split(".")[0] != "soundsafe":
            with contextlib.suppress(TypeError, OSError):
                out[module] = hashlib.sha256(Path(inspect.getfile(thing)).read_bytes()).hexdigest()
    return dict(sorted(out.items()))


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
    data = dataset
    if isinstance(dataset, (str, os.PathLike)):
        data = datasets.load(os.fspath(dataset), split=split)
        known_split(data, split)
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


def known_split(data: Any, split: str | None) -> None:
    """Raise InputError for a split that no clip of a dataset is in; `test`, the default, always passes."""
    if split not in (None, "test", *(c.split for c in data.clips)):
        raise InputError(f"{data.name}: no manifest.csv puts a clip into split {split}: leave --split out")


def content(clip: Any) -> str | None:
    """16 hex digits of the SHA-256 of a clip's file; None where it has none."""
    try:
        with open(clip.path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except (AttributeError, TypeError, OSError):
        return None
