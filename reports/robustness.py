"""Section on robustness: families of attacks, each of which folds out to its attacks."""

from __future__ import annotations

from collections.abc import Sequence

from soundsafe.eval.analysis.families import PROCESSING, UNATTACKED
from soundsafe.reports import format as fmt
from soundsafe.reports.cells import not_run, share_cell
from soundsafe.reports.families import Families, Family
from soundsafe.reports.load import AttackFacts, Evidence, Subject
from soundsafe.reports.model import Column, RowGroup, Section, Table, TableCell, Text
from soundsafe.reports.overview import nulls_note

__all__ = ["robustness"]


def _columns(subjects: Sequence[Subject]) -> tuple[Column, ...]:
    columns = [Column("Family, attack")]
    for s in subjects:
        columns += [
            Column(
                "clips %", True, s.measured_on,
                "Share of clips whose payload is recovered, combining allowed. Of a family: the mean, in "
                "which each kind of attack counts the same.",
            ),
            Column(
                "survived", True, s.measured_on,
                "Of a family: attacks after which every clip gives its payload. Of an attack: clips that do.",
            ),
            Column(
                "seconds %", True, s.measured_on,
                "Share of seconds whose own codeword decodes by itself.",
            ),
        ]  # fmt: skip
    return tuple(columns)


def _attack(a: AttackFacts, subjects: Sequence[Subject]) -> tuple[TableCell, ...]:
    cells = [TableCell(a.name, a.name)]
    for s in subjects:
        row = s.figures(a.name)
        clips = share_cell(row.clip_success, row.clip_success_ci95, matrix=True)
        found = None if row.clip_success is None else round(row.clip_success * row.clips)
        cells += [
            not_run(clips, row),
            TableCell(fmt.DASH if found is None else f"{found} of {row.clips}", found),
            # What a system does not even try: to read a second by itself.
            TableCell(fmt.DASH)
            if s.whole_clips
            else share_cell(row.payload_success, row.payload_success_ci95, matrix=True),
        ]
    return tuple(cells)


def _family(f: Family, subjects: Sequence[Subject]) -> tuple[TableCell, ...]:
    many = len(f.attacks)
    note = f"{many} attack{'' if many == 1 else 's'}" + ("" if f.goal == PROCESSING else ", by an adversary")
    cells = [TableCell(f.name, f.name, None, note)]
    for s in subjects:
        row = f.figures.get(s.label)
        if row is None or row.clip_success is None:
            cells += [TableCell(fmt.DASH)] * 3
            continue
        cells += [
            share_cell(row.clip_success, row.clip_success_ci95, matrix=True),
            TableCell(f"{row.survived_by_all} of {row.attacks}", row.survived_by_all),
            TableCell(fmt.DASH)
            if s.whole_clips
            else share_cell(row.payload_success, row.payload_success_ci95, matrix=True),
        ]
    return tuple(cells)


def robustness(e: Evidence, f: Families) -> Section:
    """Family × system: payload success of whole clips and of seconds alone, with intervals."""
    shown = [*([f.unattacked] if f.unattacked is not None else []), *f.parts]
    groups = tuple(
        RowGroup(
            part.id,
            _family(part, e.subjects),
            () if part.name == UNATTACKED else tuple(_attack(a, e.subjects) for a in part.attacks),
        )
        for part in shown
    )
    notes = []
    note = nulls_note(e)
    if note:
        notes.append(note)
    if e.controls:
        notes.append(
            f"The controls ({', '.join(e.controls[:3])}{' and others' if len(e.controls) > 3 else ''}) must "
            "find nothing: see Detection."
        )
    if any(s.figures(a.name).payload_success_ci95 is None for s in e.subjects for a in e.attacks):
        notes.append("Without an interval: fewer than five independent groups of clips.")
    if any(a.name not in e.common for a in e.attacks):
        notes.append(
            "Figures of a family are over the attacks that all systems met; a dash means not tested."
        )
    caption = (
        "Payload recovered after each family of attacks, in per cent, with 95 % intervals where clips "
        "suffice; a family folds out to its attacks. The stronger the colour, the worse."
    )
    table = Table("matrix", caption, _columns(e.subjects), groups=groups, notes=tuple(notes))
    source = "From `summary.json`, category `all`: `payload_success`, `clip_success` and their intervals."
    return Section("robustness", "Robustness", (table, Text(source, "source")))
