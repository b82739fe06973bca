"""What a run will do: systems, clips, attacks and metrics looked up, and refused where they cannot be run."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from soundsafe import attacks, datasets
from soundsafe.attacks import Suite
from soundsafe.datasets import Clip, Dataset
from soundsafe.errors import InputError
from soundsafe.eval.analysis.stored import AskedSuite
from soundsafe.eval.metrics import to_ask
from soundsafe.eval.rows import CONTROLS, JOIN, Json, control_of
from soundsafe.eval.running.units import AnyAttack, Treatment
from soundsafe.eval.systems import registry
from soundsafe.eval.systems.interface import System

__all__ = ["AttackSpec", "Plan", "SystemSpec", "content", "known_split", "make_plan"]


SystemSpec: TypeAlias = "str | System"
"""Name of a registered system, or the system itself, of any type that is like one."""

AttackSpec: TypeAlias = "str | Suite | AnyAttack"
"""Name of a suite or of an attack, a suite, or an attack."""


@dataclass(frozen=True)
class Plan:
    """What to run.

    Attributes:
        systems: watermarks under test, as objects or by name.
        system_names: their names.
        clips: the audio.
        cells: each attack, once, with the suites that ask for it.
        dataset: its name.
        split: of the dataset; None: all of it.
        suites: name, version and attacks of each.
        seed: of the whole run.
        seconds: how much of each clip; None: all of it.
        metrics: names of metrics that are measured only when asked for.
        left_out: attacks of the suites that cannot be run here, and why.
        notes: what a reader of the figures should know of the dataset, a line each.
        pool: audio without a mark, for thresholds alone.

    Example:
        >>> plan = make_plan("soundsafe", "smoke", "bundled", limit=2)
        >>> len(plan.clips), plan.system_names
        (2, ('soundsafe',))
    """

    systems: tuple[SystemSpec, ...]
    system_names: tuple[str, ...]
    clips: tuple[Clip, ...]
    cells: tuple[tuple[Treatment, tuple[str, ...]], ...]
    dataset: str
    split: str | None
    suites: tuple[AskedSuite, ...]
    seed: int = 0
    seconds: float | None = None
    metrics: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    pool: tuple[Clip, ...] = ()

    def configuration(self) -> dict[str, Json]:
        """Everything that decides the rows; a run is resumed only where it is equal.

        Returns:
            Values that JSON can hold.
        """
        treatments = [treatment for treatment, _ in self.cells]
        document: dict[str, Json] = {
            "systems": list(self.system_names),
            "dataset": self.dataset,
            "split": self.split,
            "clips": {str(c.clip): content(c) for c in self.clips},
            "suites": [{"suite": s.suite, "version": s.version} for s in self.suites],
            "attacks": [treatment.name for treatment in treatments],
            "seed": self.seed,
            "seconds": self.seconds,
        }
        if self.pool:
            document["pool"] = hashlib.sha256(" ".join(c.clip for c in self.pool).encode()).hexdigest()[:16]
        if self.metrics:
            document["metrics"] = list(self.metrics)
        attacks = [attack for t in treatments if (attack := t.registered()) is not None]
        if needed := dict.fromkeys(w for attack in attacks for w in attack.weights):
            document["weights"] = {w.variable: w.digest() for w in needed}
        if plugged := _plugged(treatments, self.systems):
            document["plugged"] = dict(plugged)
        return document


def _plugged(treatments: Iterable[Treatment], systems: Iterable[SystemSpec]) -> dict[str, str]:
    """The SHA-256 of files with attacks and systems of others: `source_hash` knows this package's alone."""
    defined: list[Callable[..., object] | type] = []
    for treatment in treatments:
        attack, known = treatment.resolve(), treatment.registered()
        if attack is not None:
            defined.append(type(attack) if known is None else known.function)
    defined += [type(registry.get(s) if isinstance(s, str) else s) for s in systems]
    out = {}
    for thing in defined:
        module = thing.__module__
        if module.split(".")[0] != "soundsafe":
            with contextlib.suppress(TypeError, OSError):
                out[module] = hashlib.sha256(Path(inspect.getfile(thing)).read_bytes()).hexdigest()
    return dict(sorted(out.items()))


def _names(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _systems(value: SystemSpec | Sequence[SystemSpec]) -> list[SystemSpec]:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _attacks(value: AttackSpec | Sequence[AttackSpec]) -> list[AttackSpec]:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _treatment(item: str | AnyAttack) -> Treatment:
    """From an attack's name or object, a control, or a control followed by an attack."""
    name = item if isinstance(item, str) else item.name
    if name in CONTROLS:
        return Treatment(name, None)
    if not isinstance(item, str):
        return Treatment(name, item)
    attack = name.partition(JOIN)[2] if control_of(name) else name
    attacks.get(attack)  # an unknown one is refused here, before any work
    return Treatment(name, attack)


def make_plan(
    systems: SystemSpec | Sequence[SystemSpec],
    attacks: AttackSpec | Sequence[AttackSpec],
    dataset: str | os.PathLike[str] | Dataset,
    *,
    split: str | None = "test",
    limit: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    attacked_controls: bool | None = None,
    metrics: str | Sequence[str] = (),
    pool: str | os.PathLike[str] | None = None,
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
            `unmarked+then+…` and `wrong_key+then+…`. None: unmarked audio alone, after attacks of suites;
            thresholds of the score are found there. False: none.
        metrics: names of metrics that are measured only when asked for (`list metrics` says which).
        pool: name of a dataset or a folder of audio without a mark, whose scores say where thresholds lie;
            see `soundsafe.eval.running.unmarked_pool`.

    Returns:
        A plan that `run` takes.

    Raises:
        InputError: unknown system, suite, attack, dataset, split or metric, or nothing left to run.

    Example:
        >>> plan = make_plan("soundsafe", ["none", "mp3_128"], "bundled", limit=1)
        >>> [cell.name for cell, _ in plan.cells]
        ['none', 'mp3_128']
    """
    if limit is not None and limit < 1:
        raise InputError(f"--limit {limit}: at least 1 clip is needed")
    if seconds is not None and not 0 < seconds < math.inf:
        raise InputError(f"--seconds {seconds:g}: a positive number is needed")
    extra = to_ask(_names(metrics))
    asked = _asked(_attacks(attacks))
    versions = {s.suite for s in asked.suites if s.version is not None}
    if attacked_controls is None or attacked_controls:
        for treatment, labels in list(asked.cells.values()):
            usual = attacked_controls or not versions.isdisjoint(labels)
            if usual and not treatment.control and treatment.name != "none":
                for control in CONTROLS if attacked_controls else CONTROLS[:1]:
                    name = f"{control}{JOIN}{treatment.name}"
                    asked.cells.setdefault(name, (Treatment(name, treatment.attack), labels))
    if not asked.cells:
        raise InputError("no attacks to run: name a suite")
    chosen = [s if isinstance(s, str) else registry.checked(s) for s in _systems(systems)]
    names = [str((registry.get(s) if isinstance(s, str) else s).name) for s in chosen]
    if len(set(names)) != len(names):
        raise InputError(f"each system once, please: {', '.join(names)}")
    data = dataset if isinstance(dataset, Dataset) else _loaded(dataset, split)
    clips = tuple(data.clips if limit is None else data.clips[:limit])
    if not clips:
        raise InputError(f"dataset {data.name} has no clips" + (f" in split {split}" if split else ""))
    return Plan(
        systems=tuple(chosen),
        system_names=tuple(names),
        clips=clips,
        cells=tuple((cell, tuple(labels)) for cell, labels in asked.cells.values()),
        dataset=str(data.name),
        split=split,
        suites=tuple(asked.suites),
        seed=seed,
        seconds=seconds,
        metrics=extra,
        left_out=tuple(f"{name} {reason}" for name, reason in asked.left_out.items()),
        notes=(data.note,) if data.note and len(clips) > 1 else (),
        pool=() if pool is None else _pool(pool, clips, seconds),
    )


def _pool(pool: str | os.PathLike[str], clips: Iterable[Clip], seconds: float | None) -> tuple[Clip, ...]:
    from soundsafe.eval.running.unmarked_pool import pieces

    return pieces(pool, seconds, {digest for clip in clips if (digest := content(clip)) is not None})


@dataclass
class _Asked:
    """What the attacks come to that somebody asked for: treatments with the suites that hold them."""

    cells: dict[str, tuple[Treatment, list[str]]] = field(default_factory=dict)
    suites: list[AskedSuite] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def _asked(items: Iterable[AttackSpec]) -> _Asked:
    out = _Asked()
    for item in items:
        if isinstance(item, str) and (item in attacks.suites() or item.endswith(".toml")):
            item = attacks.suite(item)
        if isinstance(item, attacks.Suite):
            members: Sequence[str | AnyAttack] = item.attacks
            label = AskedSuite(str(item.name), item.version)
        else:
            members, label = [item], AskedSuite("custom", None)
        if label not in out.suites:
            out.suites.append(label)
        for member in members:
            treatment = _treatment(member)
            reason = treatment.left_out
            if reason and label.version is None:
                raise InputError(f"{treatment.name} {reason}")
            if reason:
                out.left_out[treatment.name] = reason
                continue
            labels = out.cells.setdefault(treatment.name, (treatment, []))[1]
            if label.suite not in labels:
                labels.append(label.suite)
    return out


def _loaded(dataset: str | os.PathLike[str], split: str | None) -> Dataset:
    data = datasets.load(os.fspath(dataset), split=split)
    known_split(data, split)
    return data


def known_split(data: Dataset, split: str | None) -> None:
    """Raise InputError for a split that no clip of a dataset is in; `test`, the default, always passes."""
    if split not in (None, "test", *(c.split for c in data.clips)):
        raise InputError(f"{data.name}: no manifest.csv puts a clip into split {split}: leave --split out")


def content(clip: Clip) -> str | None:
    """16 hex digits of the SHA-256 of a clip's file; None where it has none."""
    try:
        with open(clip.path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except (AttributeError, TypeError, OSError):
        return None
