"""Families of attacks as a report shows them: which attacks are in each, and every system's figures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from soundsafe.eval.analysis.families import (
    ALL,
    FORGERY,
    PROCESSING,
    REMOVAL,
    UNATTACKED,
    FamilyRow,
    family_rows,
    kind_of,
)
from soundsafe.eval.rows import SummaryRow, control_of
from soundsafe.reports.load import AttackFacts, Evidence, Subject

__all__ = ["SURVIVED", "Families", "Family", "families"]

SURVIVED = 0.9
"""A family is survived where at least this share of clips gives the payload: its weighted mean."""


@dataclass(frozen=True)
class Family:
    """Attacks of one family; `figures` are each system's, by its label, over what all systems met."""

    name: str
    id: str
    goal: str
    attacks: tuple[AttackFacts, ...]
    figures: Mapping[str, FamilyRow]


@dataclass(frozen=True)
class Families:
    """All families of a report.

    Attributes:
        parts: of processing, then what adversaries do to marked audio.
        overall: the mean over families of processing of each system, by its label.
        unattacked: without any attack.
        forgeries: what adversaries do to unmarked audio; their success is a false accept.
    """

    parts: tuple[Family, ...]
    overall: Mapping[str, FamilyRow]
    unattacked: Family | None
    forgeries: tuple[Family, ...]

    @property
    def processing(self) -> tuple[Family, ...]:
        return tuple(f for f in self.parts if f.goal == PROCESSING)

    def survived(self, label: str) -> tuple[int, int]:
        """How many families of processing a system survives, of how many that it met."""
        met = [
            row.clip_success
            for f in self.processing
            if (row := f.figures.get(label)) is not None and row.clip_success is not None
        ]
        return sum(v >= SURVIVED for v in met), len(met)


def _one_suite(s: Subject, wanted: frozenset[str]) -> tuple[FamilyRow, ...]:
    """A system's families over the attacks that are wanted, whatever suites asked for them."""
    rows: dict[str, SummaryRow] = {}
    for row in s.run.summary.rows:
        if row.system == s.system and row.category == "all":
            rows.setdefault(row.attack, row)
    kept = [replace(row, suite="") for a, row in rows.items() if a in wanted or control_of(a) not in ("", a)]
    names = {row.attack for row in kept}
    frame = s.frame[s.frame["attack"].isin(names)].assign(suite="")
    return tuple(family_rows(frame, kept)) if len(frame) else ()


def _id(name: str, taken: set[str]) -> str:
    base = "family-" + (re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "other")
    found, n = base, 1
    while found in taken:
        n += 1
        found = f"{base}-{n}"
    taken.add(found)
    return found


def families(e: Evidence) -> Families:
    """Every family of a report's attacks, with the figures of each system over the attacks that all met."""
    by: dict[str, dict[str, FamilyRow]] = {s.label: {} for s in e.subjects}
    goals: dict[str, str] = {}
    for s in e.subjects:
        for row in _one_suite(s, e.common):
            by[s.label][row.family] = row
            goals.setdefault(row.family, row.goal)
    taken: set[str] = set()

    def family(name: str, attacks: tuple[AttackFacts, ...]) -> Family:
        mine = {label: rows[name] for label, rows in by.items() if name in rows}
        return Family(name, _id(name, taken), goals.get(name, PROCESSING), attacks, mine)

    members: dict[str, list[AttackFacts]] = {}
    for a in e.attacks:
        name = UNATTACKED if a.name == "none" else a.family
        if goals.get(name) is None and goals.get(kind_of(a.name)) == REMOVAL:
            name = kind_of(a.name)
        members.setdefault(name, []).append(a)
    found = [family(name, tuple(attacks)) for name, attacks in members.items()]
    parts = [f for f in found if f.name != UNATTACKED]
    parts.sort(key=lambda f: f.goal != PROCESSING)
    return Families(
        parts=tuple(parts),
        overall={label: rows[ALL] for label, rows in by.items() if ALL in rows},
        unattacked=next((f for f in found if f.name == UNATTACKED), None),
        forgeries=tuple(family(name, ()) for name, goal in goals.items() if goal == FORGERY),
    )
