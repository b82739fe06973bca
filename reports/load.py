"""Stored runs set side by side: the evidence that a report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from soundsafe.errors import InputError
from soundsafe.eval.analysis.stored import Run
from soundsafe.eval.frames import ran
from soundsafe.eval.rows import (
    CONTROLS,
    EUL_S,
    BreakdownRow,
    Figure,
    Interval,
    Json,
    QualityRow,
    SummaryRow,
    control_of,
)
from soundsafe.reports.format import count, number, seconds

__all__ = ["NULL", "AttackFacts", "Evidence", "Subject", "distinct", "gather"]

NULL = "null"
"""The system that marks nothing (`soundsafe.eval.systems.baselines.Null`)."""


@dataclass(frozen=True)
class Subject:
    """A system of one run; `label` tells it from all others of the report."""

    label: str
    system: str
    run: Run

    @cached_property
    def frame(self) -> pd.DataFrame:
        return self.run.frame[self.run.frame["system"] == self.system]

    @cached_property
    def ran(self) -> pd.DataFrame:
        """The rows of cells that ran, refusals among them."""
        return ran(self.frame)

    def figures(self, attack: str, category: str = "all") -> SummaryRow:
        """The summary's row of an attack (the same in every suite that holds it), without any figure where
        it was not run; see `tested`."""
        found = self._index.get((attack, category))
        return SummaryRow(self.system, "", attack, {}, category) if found is None else found

    def tested(self, attack: str, category: str = "all") -> bool:
        """Whether the run holds the attack, on clips of a category."""
        return (attack, category) in self._index

    @cached_property
    def _index(self) -> dict[tuple[str, str], SummaryRow]:
        found: dict[tuple[str, str], SummaryRow] = {}
        for row in self.run.summary.rows:
            if row.system == self.system:
                found.setdefault((row.attack, row.category), row)
        return found

    def quality(self, category: str = "all") -> QualityRow | None:
        """The summary's figures of marking."""
        for row in self.run.summary.quality:
            if (row.system, row.category) == (self.system, category):
                return row
        return None

    def bands(self, attack: str) -> tuple[float, ...]:
        """The summary's parity of each band under an attack, lowest first; () where there is none."""
        for row in self.run.summary.parity_by_band:
            if (row.system, row.attack) == (self.system, attack):
                return row.bands
        return ()

    def breakdown(self, stem: str, parameter: str) -> BreakdownRow | None:
        """The summary's breakdown points of a sweep."""
        for row in self.run.summary.breakdown:
            if (row.system, row.sweep, row.parameter) == (self.system, stem, parameter):
                return row
        return None

    def description(self) -> Mapping[str, Json]:
        """What the run's document says of the system."""
        return self.run.document.described(self.system)

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
        real = self.ran[[not control_of(str(a)) for a in self.ran["attack"]]]
        return bool(len(real)) and not real["payload_ok"].any() and bool(real["clip_ok"].any())

    def success(self, attack: str) -> tuple[Figure, Interval]:
        """How often the payload comes back, in the system's own unit, with its interval."""
        return self.figures(attack).success(self.whole_clips)

    @cached_property
    def clip_s(self) -> float:
        """Median seconds of its clips."""
        return number(float(self.frame["clip_s"].median())) or EUL_S

    @cached_property
    def payload_bits(self) -> int:
        """What a clip of it carries; 0 where it only says that the mark is there."""
        if not len(self.frame):
            return 0
        # Runs of earlier versions know whole bytes alone.
        return int(self.frame["payload_bits"].max()) or 8 * int(self.frame["payload_bytes"].max())

    @cached_property
    def seconds(self) -> float | None:
        """Audio that each attack's figures are of, where they differ the most of any; None where unknown."""
        rows = [r for (a, c), r in self._index.items() if c == "all" and not control_of(a)]
        return max((r.seconds for r in rows if r.seconds is not None), default=None)

    @property
    def measured_on(self) -> str:
        """Its label with its payload and the seconds of audio."""
        parts = [f"{count(self.payload_bits)}\u00a0bits" if self.payload_bits else "presence only"]
        parts += [] if self.seconds is None else [f"{seconds(self.seconds)}\u00a0s"]
        return f"{self.label}: {', '.join(parts)}"

    @cached_property
    def groups(self) -> int:
        """How many independent groups its clips are of."""
        return int(self.frame["group"].nunique())

    @cached_property
    def clips(self) -> int:
        return int(self.frame["clip"].nunique())

    def work(self) -> tuple[float | None, float | None]:
        """Seconds of work to mark and to read a second of audio; None where the run holds no times."""
        t = self.run.timing
        if not {"system", "clip", "embed_s", "clip_s", "decode_s", "audio_s"} <= set(t.columns):
            return None, None
        mine = t[t["system"] == self.system]
        marked = mine.drop_duplicates("clip")
        out = []
        for work, audio in ((marked["embed_s"], marked["clip_s"]), (mine["decode_s"], mine["audio_s"])):
            known = work.notna() & audio.notna()
            total = float(audio[known].sum())
            out.append(float(work[known].sum()) / total if total > 0 else None)
        return out[0], out[1]

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
    params: Mapping[str, Json]


@dataclass(frozen=True)
class Evidence:
    """All systems of all runs, and the attacks, controls and categories in order of first appearance.

    `nulls` are systems that mark nothing, which show what chance gives: they are none of the `subjects`, but
    where a report holds nothing else.
    """

    runs: tuple[Run, ...]
    subjects: tuple[Subject, ...]
    attacks: tuple[AttackFacts, ...]
    controls: tuple[str, ...]
    categories: tuple[str, ...]
    nulls: tuple[Subject, ...] = ()

    @cached_property
    def common(self) -> frozenset[str]:
        """The attacks that every system met."""
        return frozenset(a.name for a in self.attacks if all(s.figures(a.name).euls for s in self.subjects))


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
    nulls = tuple(s for s in subjects if s.system == NULL)
    subjects = tuple(s for s in subjects if s.system != NULL) or nulls
    if not subjects:
        raise InputError("the runs hold no rows: nothing to report on")
    found: dict[str, AttackFacts] = {}
    categories: dict[str, None] = {}
    for run in named:
        families = run.frame.drop_duplicates("attack").set_index("attack")["family"].to_dict()
        for row in run.summary.rows:
            name = row.attack
            family = "no attack" if name == "none" else str(families.get(name, ""))
            found.setdefault(name, AttackFacts(name, family, row.params))
            categories.setdefault(row.category)
    attacks = [a for a in found.values() if not control_of(a.name)]
    order = {family: i for i, family in enumerate(dict.fromkeys(a.family for a in attacks))}
    return Evidence(
        runs=tuple(named),
        subjects=subjects,
        attacks=tuple(sorted(attacks, key=lambda a: order[a.family])),
        controls=tuple(a for a in found if control_of(a)),
        categories=tuple(c for c in categories if c != "all"),
        nulls=nulls if subjects != nulls else (),
    )
