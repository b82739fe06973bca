"""Figures by family of attacks, weighted so that 18 gains count as one thing and not as 18.

An attack at several strengths is one kind (`mp3_128` and `mp3_64`; `crop_0.1s` and `crop_0.5s`). In a family
each kind counts the same, and in the line of all families each family does. What an adversary does stands
apart, kind by kind, and is in no such mean: removal (the mark is destroyed) and forgery (the detector accepts
what its key never marked; there a success is the adversary's).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soundsafe.errors import InputError
from soundsafe.eval.analysis.stats import paired_interval, proportion_interval, sign_flip
from soundsafe.eval.analysis.summary import by_suite
from soundsafe.eval.documents import rounded
from soundsafe.eval.frames import ran, refusals_counted
from soundsafe.eval.rows import JOIN, Figure, Interval, SummaryRow, real

__all__ = [
    "ALL", "FORGERY", "PROCESSING", "REMOVAL", "UNATTACKED", "FamilyChange", "FamilyRow", "compare_families",
    "family_rows", "kind_of",
]  # fmt: skip

ALL = "all families"
"""The family of the line over all processing, each family weighted the same."""

UNATTACKED = "no attack"
"""The family of the attack `none`, which is in no mean."""

PROCESSING, REMOVAL, FORGERY = "processing", "removal", "forgery"
"""Goals of attacks. Of a forgery success is the share of clips that are falsely accepted."""

_ADVERSARIAL = "adversarial"
# From the first number of a name on, a strength; so is a word at its end that says how strong.
_STRENGTH = re.compile(r"_(?:[Vq]?[+-]?\d[^_]*)(?:_.*)?$")
_WORDS = re.compile(r"_(?:light|mild|medium|moderate|heavy|strong|extreme)$")
_CELL = ["attack", "clip"]
_NEEDED = ["system", "suite", "category", *_CELL, "eul", "group", "clip_ok", "payload_ok"]
_STEPS = 200  # differences are rounded to 1/200 for the exact test, which counts whole numbers


@dataclass(frozen=True)
class FamilyRow:
    """The figures of one system under one family of attacks, on the clips of one category.

    Attributes:
        family: of the attacks; an adversary's attacks have a line for each kind, named after it. `ALL` and
            `UNATTACKED` are lines of their own.
        category: of the clips; `all`: every one.
        goal: `PROCESSING`, `REMOVAL` or `FORGERY`.
        attacks: names of which something ran; `kinds` without their strengths.
        clips, groups: different ones.
        not_run: attacks of which no cell ran; they are in no figure.
        clip_success: share of clips that give the payload, the mean over kinds of the mean over strengths,
            in [0, 1]. Of `FORGERY`: share of clips falsely accepted.
        payload_success: the same of seconds by themselves.
        clip_success_ci95, payload_success_ci95: of those means, clustered by group; None below five groups.
        bit_accuracy: share of message bits that clips give rightly, weighted alike; None where a system does
            not tell its bits. `auc` likewise, of the score against unmarked clips.
        survived_by_all: attacks after which every clip gives its payload; `survived_by_none`: no clip.
    """

    system: str
    suite: str
    family: str
    category: str = "all"
    goal: str = PROCESSING
    attacks: int = 0
    kinds: int = 0
    clips: int = 0
    groups: int = 0
    not_run: int = 0
    clip_success: Figure = None
    clip_success_ci95: Interval = None
    payload_success: Figure = None
    payload_success_ci95: Interval = None
    bit_accuracy: Figure = None
    auc: Figure = None
    survived_by_all: int = 0
    survived_by_none: int = 0


@dataclass(frozen=True)
class FamilyChange:
    """Run B against run A under one family, over the clips and attacks that ran in both.

    Attributes:
        clip_success_a, clip_success_b: means over clips of their weighted success, in [0, 1].
        difference: B's minus A's; `difference_ci95` is clustered by group, None below five groups.
        p: exact two-sided p-value by flipping the signs of whole groups; not adjusted.
    """

    system: str
    family: str
    goal: str
    attacks: int
    kinds: int
    clips: int
    groups: int
    clip_success_a: float
    clip_success_b: float
    difference: float
    difference_ci95: Interval
    p: float


def kind_of(attack: str) -> str:
    """An attack's name without its strength.

    >>> kind_of("mp3_128"), kind_of("tempo_signalsmith_+5%"), kind_of("a_files_pink_noise_mild")
    ('mp3', 'tempo_signalsmith', 'a_files_pink_noise')
    >>> kind_of("echo_0.02s_50%+then+mp3_V2"), kind_of("telephone_g711_mulaw")
    ('echo+then+mp3', 'telephone_g711_mulaw')
    """
    return JOIN.join(_WORDS.sub("", _STRENGTH.sub("", step)) for step in attack.split(JOIN))


def _forged(attack: str) -> bool:
    """Whether it makes audio that nobody marked look marked."""
    from soundsafe import attacks  # late: every attack is imported with it

    control, _, then = attack.partition(JOIN)
    if control != "unmarked" or not then:
        return False
    try:
        return any(attacks.get(step).family == _ADVERSARIAL for step in then.split(JOIN))
    except InputError:  # an attack of a plug-in that is not here
        return False


@dataclass(frozen=True)
class _Place:
    """Where an attack's figures go."""

    family: str
    goal: str
    kind: str


def _places(rows: pd.DataFrame) -> dict[str, _Place]:
    """Of each attack that is no plain control: in the order of the families' first attacks."""
    out = {}
    for attack, family in rows.drop_duplicates("attack")[["attack", "family"]].itertuples(index=False):
        if attack == "none":
            out[attack] = _Place(UNATTACKED, PROCESSING, attack)
        elif _forged(attack):
            kind = kind_of(attack.partition(JOIN)[2])
            out[attack] = _Place(kind, FORGERY, kind)
        elif real(attack) and family == _ADVERSARIAL:
            out[attack] = _Place(kind_of(attack), REMOVAL, kind_of(attack))
        elif real(attack):
            out[attack] = _Place(family, PROCESSING, kind_of(attack))
    return out


def _weights(places: dict[str, _Place]) -> dict[str, float]:
    """How much each attack counts: a family 1, shared by its kinds, a kind's share by its strengths."""
    strengths: dict[tuple[str, str], int] = {}
    for place in places.values():
        strengths[place.family, place.kind] = strengths.get((place.family, place.kind), 0) + 1
    kinds = Counter(family for family, _ in strengths)
    return {a: 1 / strengths[p.family, p.kind] / kinds[p.family] for a, p in places.items()}


def _mean(values: dict[str, Figure], weights: dict[str, float]) -> Figure:
    known = {attack: value for attack, value in values.items() if value is not None}
    if not known:
        return None
    return sum(weights[a] * v for a, v in known.items()) / sum(weights[a] for a in known)


def _by_unit(
    rows: pd.DataFrame, column: str, unit: Sequence[str], weights: dict[str, float]
) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """The weighted mean of a column for each clip or second (`unit`), and its group."""
    unit_of = rows.groupby(list(unit), sort=False).ngroup().to_numpy()
    weight = rows["attack"].map(weights).to_numpy(dtype=float)
    part = np.bincount(unit_of, weight * rows[column].to_numpy(dtype=float))
    first = np.unique(unit_of, return_index=True)[1]
    return (part / np.bincount(unit_of, weight)).clip(0.0, 1.0), rows["group"].to_numpy(dtype=object)[first]


def _row(
    head: FamilyRow, places: dict[str, _Place], summary: dict[str, SummaryRow], rows: pd.DataFrame
) -> FamilyRow:
    """`head` with the figures of the attacks in `places`, whose seconds that ran are `rows`."""
    there = {a: p for a, p in places.items() if a in summary and summary[a].clips}
    weights = _weights(there)
    figures = [summary[a] for a in there]
    success = {a: summary[a].clip_success for a in there}
    mine = rows[rows["attack"].isin(there)]
    limits: list[Interval] = [None, None]
    if len(mine):
        clips = _by_unit(mine.drop_duplicates(_CELL), "clip_ok", ["clip"], weights)
        seconds = _by_unit(mine, "payload_ok", ["clip", "eul"], weights)
        limits = [proportion_interval(*found) for found in (clips, seconds)]
    return FamilyRow(
        system=head.system,
        suite=head.suite,
        family=head.family,
        category=head.category,
        goal=head.goal,
        attacks=len(there),
        kinds=len({(p.family, p.kind) for p in there.values()}),
        clips=int(mine["clip"].nunique()),
        groups=int(mine["group"].nunique()),
        not_run=len(places) - len(there),
        clip_success=_mean(success, weights),
        clip_success_ci95=limits[0],
        payload_success=_mean({a: summary[a].payload_success for a in there}, weights),
        payload_success_ci95=limits[1],
        bit_accuracy=_mean({a: summary[a].bit_accuracy for a in there}, weights),
        auc=_mean({a: summary[a].auc for a in there}, weights),
        survived_by_all=sum(f.clip_success == 1 for f in figures),
        survived_by_none=sum(f.clip_success == 0 for f in figures),
    )


def _lines(places: dict[str, _Place]) -> list[tuple[str, str, dict[str, _Place]]]:
    """Family, goal and attacks of each line of a table, adversaries last."""
    out = []
    for goal in (PROCESSING, REMOVAL, FORGERY):
        mine = {a: p for a, p in places.items() if p.goal == goal}
        for family in dict.fromkeys(p.family for p in mine.values()):
            out.append((family, goal, {a: p for a, p in mine.items() if p.family == family}))
        counted = {a: p for a, p in mine.items() if p.family != UNATTACKED}
        if goal == PROCESSING and counted:
            out.append((ALL, goal, counted))
    return out


def family_rows(
    rows: pd.DataFrame, summary: Iterable[SummaryRow], *, category: str | None = "all"
) -> list[FamilyRow]:
    """A row for each system × suite × family, adversaries apart and last.

    Args:
        rows: of a run (`soundsafe.eval.read_rows`, or `Run.frame`): a line for each second.
        summary: the run's summary rows (`Run.summary.rows`), whose figures are averaged here.
        category: of the manifest; `all`: clips of every category together; None: a row for each of these.

    Returns:
        In the order of the systems and suites; within one, families as they first appear, then `ALL`, then
        the adversaries' removals and forgeries. Attacked controls that are no forgery are left out.

    Example:
        >>> from pathlib import Path
        >>> from soundsafe.eval.analysis.stored import read_run
        >>> def table(folder: Path) -> list[FamilyRow]:
        ...     run = read_run(folder)
        ...     return family_rows(run.frame, run.summary.rows)
    """
    wanted = [r for r in summary if category is None or r.category == category]
    found = by_suite(ran(rows)[_NEEDED])
    families = by_suite(rows[["system", "suite", "attack", "family"]])
    out = []
    for system, suite in dict.fromkeys((r.system, r.suite) for r in wanted):
        both = (found["system"] == system) & (found["suite"] == suite)
        asked = families[(families["system"] == system) & (families["suite"] == suite)]
        places = _places(asked)
        for kind in dict.fromkeys(r.category for r in wanted if (r.system, r.suite) == (system, suite)):
            figures = {
                r.attack: r for r in wanted if (r.system, r.suite, r.category) == (system, suite, kind)
            }
            part = found[both] if kind == "all" else found[both & (found["category"] == kind)]
            for family, goal, attacks in _lines(places):
                head = FamilyRow(system, suite, family, kind, goal)
                row = _row(head, attacks, figures, part)
                if row.attacks or row.not_run:
                    out.append(rounded(row))
    return out


def compare_families(a: pd.DataFrame, b: pd.DataFrame) -> list[FamilyChange]:
    """A row for each family that two runs hold, B against A, over the clips and attacks that ran in both.

    Args:
        a, b: rows of two runs, of one system each or of systems of the same names.

    Returns:
        In the order of A's systems, adversaries last; [] where nothing is in common.
    """
    a, b = (ran(refusals_counted(rows)) for rows in (a, b))
    left, right = list(a["system"].unique()), list(b["system"].unique())
    pairs = [(s, s) for s in left if s in right]
    if not pairs and len(left) == len(right) == 1:
        pairs = [(left[0], right[0])]
    out = []
    for one, other in pairs:
        first, second = (
            rows[rows["system"] == name].drop_duplicates(_CELL) for rows, name in ((a, one), (b, other))
        )
        both = first.merge(second[[*_CELL, "clip_ok"]], on=_CELL, suffixes=("_a", "_b"))
        name = one if one == other else f"{one} / {other}"
        for family, goal, attacks in _lines(_places(both)):
            out.append(rounded(_change(name, family, goal, attacks, both)))
    return out


def _change(
    system: str, family: str, goal: str, places: dict[str, _Place], both: pd.DataFrame
) -> FamilyChange:
    weights = _weights(places)
    mine = both[both["attack"].isin(places)]
    (before, groups), (after, _) = (_by_unit(mine, f"clip_ok_{run}", ["clip"], weights) for run in "ab")
    difference = after - before
    values = [float(np.average(success)) for success in (before, after)]
    return FamilyChange(
        system=system,
        family=family,
        goal=goal,
        attacks=len(places),
        kinds=len({(p.family, p.kind) for p in places.values()}),
        clips=len(difference),
        groups=len(set(groups)),
        clip_success_a=values[0],
        clip_success_b=values[1],
        difference=values[1] - values[0],
        difference_ci95=paired_interval(difference, groups),
        p=sign_flip(np.round(difference * _STEPS), groups),
    )
