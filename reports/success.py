"""Sections on whether the payload came back: by kind of audio, by strength, and after how long."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soundsafe.eval.analysis.sweeps import Sweep, sweeps
from soundsafe.eval.rows import control_of
from soundsafe.reports import format as fmt
from soundsafe.reports.axes import fitting, ordinal, share_axis
from soundsafe.reports.cells import name_cell, not_run, share_cell
from soundsafe.reports.load import Evidence, Subject
from soundsafe.reports.model import Block, Column, Figure, Heading, Section, Table, TableCell, Text
from soundsafe.reports.svg import Panel, Point, Series, lines

__all__ = ["categories", "severity", "time_to_payload"]

_PANELS = 8
_HALF = 0.5


def _source(text: str) -> Text:
    return Text(text, "source")


def categories(e: Evidence) -> Section | None:
    """Success by kind of audio, for each system; None where there is one kind only."""
    if len(e.categories) < 2:
        return None
    blocks: list[Block] = []
    for number, s in enumerate(e.subjects):
        mine = [c for c in e.categories if any(s.tested(a.name, c) for a in e.attacks)]
        if len(mine) < 2:
            continue
        columns = [Column("Attack")]
        for c in mine:
            clips = max((s.figures(a.name, c).clips for a in e.attacks), default=0)
            label = f"{c} ({clips} clip{'' if clips == 1 else 's'})"
            columns += [Column("one second", True, label), Column("whole clip", True, label)]
        rows = []
        for attack in e.attacks:
            if not any(s.tested(attack.name, c) for c in mine):
                continue
            cells = [name_cell(attack.name)]
            for c in mine:
                row = s.figures(attack.name, c)
                cells += [
                    share_cell(row.payload_success, row.payload_success_ci95, matrix=True),
                    not_run(share_cell(row.clip_success, row.clip_success_ci95, matrix=True), row),
                ]
            rows.append(tuple(cells))
        caption = f"{s.label}: payload recovered by kind of audio, in per cent."
        blocks.append(Table(f"categories-{number + 1}", caption, tuple(columns), tuple(rows)))
    if not blocks:
        return None
    blocks.append(_source("From `summary.json`, the rows of each `category`."))
    return Section("categories", "By kind of audio", tuple(blocks))


def _value(v: float) -> str:
    return f"{v:g}".replace("-", "−")


def severity(e: Evidence) -> Section | None:
    """Success against strength, for every sweep that the attacks make up, and where it breaks down."""
    found = sweeps((a.name, a.params) for a in e.attacks)
    if not found:
        return None
    panels: list[Panel] = []
    rows: list[tuple[TableCell, ...]] = []
    data: list[Sequence[tuple[str | float | None, ...]]] = []
    for sweep in found:
        series, numbers = [], []
        for index, s in enumerate(e.subjects):
            figures = [s.figures(a) for a in sweep.attacks]
            success = [s.success(a) for a in sweep.attacks]
            clip = [f.clip_success for f in figures]
            if all(v is None for v, _ in success):
                continue
            points: list[Point | None] = []
            for i, (attack, (v, limits)) in enumerate(zip(sweep.attacks, success, strict=True)):
                low, high = limits or (None, None)
                place = (attack, sweep.parameter, sweep.values[i])
                numbers.append((s.unit_label, *place, v, clip[i], low, high))
                if v is None:
                    points.append(None)
                    continue
                tip = f"{s.unit_label}, {attack}: {fmt.percent(v)} %; clips: {fmt.percent(clip[i])} %"
                points.append(Point(float(i), v, low, high, tip))
            series.append(Series(s.unit_label, index, tuple(points)))
            rows.append(_breakdown_row(sweep, s, [f.payload_success for f in figures], clip))
        if not series:
            continue
        axis = ordinal([_value(v) for v in sweep.values], sweep.parameter)
        panels.append(Panel(sweep.stem, axis, share_axis(), tuple(series), reference=_HALF, dodge=5.0))
        data.append(numbers)
    if not panels:
        return None
    blocks: list[Block] = []
    for first in range(0, len(panels), _PANELS):
        part = panels[first : first + _PANELS]
        many = f" ({first // _PANELS + 1} of {-(-len(panels) // _PANELS)})" if len(panels) > _PANELS else ""
        blocks.append(
            Figure(
                f"severity-{first // _PANELS + 1}",
                "Share of seconds that decode alone (of whole clips, for systems that read nothing shorter) "
                f"against the strength of the attack{many}, with 95 % intervals; strengths evenly spaced. "
                "The dashed line is one half.",
                f"Line charts of payload success against strength for {', '.join(p.title for p in part)}.",
                lines(part),
                ("system", "attack", "parameter", "value", "success", "clip_success", "low", "high"),
                tuple(row for numbers in data[first : first + _PANELS] for row in numbers),
                pdf=len(panels) <= _PANELS,
            )
        )
    columns = (
        Column("Attack"), Column("Parameter"), Column("System"), Column("Strengths tested"),
        Column("All clips read", help="strengths at which every clip gives the payload"),
        Column("Breaks down, seconds", help="where half of the seconds decode alone"),
        Column("Breaks down, clips", help="where half of the clips give the payload"),
    )  # fmt: skip
    blocks += [
        Heading("Breakdown points"),
        Table(
            "breakdown",
            "Strength at which half of the seconds, and half of the clips, still give the payload "
            "(interpolated between the strengths on both sides).",
            columns,
            tuple(rows),
        ),
        _source(
            "From `summary.json`, category `all`, for attacks whose `params` differ in a single number; its "
            "`breakdown` holds the same points."
        ),
    ]
    return Section("severity", "Severity", tuple(blocks))


def _breakdown_row(
    sweep: Sweep, s: Subject, success: Sequence[float | None], clip: Sequence[float | None]
) -> tuple[TableCell, ...]:
    stored = s.breakdown(sweep.stem, sweep.parameter)

    def crossing(values: Sequence[float | None], found: Sequence[float]) -> TableCell:
        known = [v for v in values if v is not None]
        if found:
            return TableCell(", ".join(_value(float(f"{v:.3g}")) for v in found), found[0])
        if not known:
            return TableCell(fmt.DASH)
        return TableCell("at none tested" if min(known) >= _HALF else "at all tested")

    whole = [v for v, c in zip(sweep.values, clip, strict=True) if c is not None and c >= 1]
    tested = f"{_value(sweep.values[0])} … {_value(sweep.values[-1])} ({len(sweep.values)})"
    return (
        name_cell(sweep.stem),
        name_cell(sweep.parameter),
        name_cell(s.label),
        TableCell(tested),
        TableCell(("all" if len(whole) == len(sweep.values) else ", ".join(map(_value, whole))) or "none"),
        crossing(success, () if stored is None else stored.payload_breaks_at),
        crossing(clip, () if stored is None else stored.clip_breaks_at),
    )


def _curve(times: np.ndarray, last: float) -> list[tuple[float, float]]:
    """Share of clips that have given the payload after so many seconds: steps from 0 to `last`."""
    ordered = np.sort(times[np.isfinite(times)])
    out = [(0.0, 0.0)]
    for value in np.unique(ordered):
        out.append((float(value), float(np.mean(times <= value))))
    if out[-1][0] < last:
        out.append((last, out[-1][1]))
    return out


_UNEQUAL = (
    "Systems are not on equal terms here: one that does not read by the second is charged the whole clip. "
    "`--metric prefix_s` has every system read ever shorter beginnings of the audio."
)


def time_to_payload(e: Evidence) -> Section | None:
    """After how many seconds the payload is there: curves over clips, and medians by attack."""
    real = {s.label: s.ran[s.ran["attack"].map(control_of) == ""] for s in e.subjects}
    clips = {k: f.drop_duplicates(["attack", "clip"]) for k, f in real.items()}
    equal = all(f["prefix_s"].notna().any() for f in clips.values())
    column = "prefix_s" if equal else "time_to_payload_s"
    times = {k: f[column].to_numpy(dtype=float) for k, f in clips.items()}
    ends = [float(t[np.isfinite(t)].max()) for t in times.values() if np.isfinite(t).any()]
    blocks: list[Block] = []
    if ends:
        last = max([*ends, *(float(f["clip_s"].max()) for f in clips.values() if f["clip_s"].notna().any())])
        axis = fitting([0.0, last], "seconds of audio", zero=True)
        panels, data = [], []
        for title, wanted in (
            ("No attack", lambda a: a == "none"),
            ("All attacks together", lambda a: a != "none"),
        ):
            series = []
            for index, s in enumerate(e.subjects):
                part = clips[s.label]
                values = part.loc[part["attack"].map(wanted).astype(bool), column]
                if not len(values):
                    continue
                t = values.fillna(np.inf).to_numpy(dtype=float)
                curve = _curve(t, axis.high)
                tips = [
                    f"{s.label}: {fmt.percent(y)} % of {len(t)} clips within {fmt.seconds(x)} s"
                    for x, y in curve
                ]
                series.append(
                    Series(
                        s.label,
                        index,
                        tuple(Point(x, y, tip=tip) for (x, y), tip in zip(curve, tips, strict=True)),
                    )
                )
                data += [(s.label, title, x, y, len(t)) for x, y in curve]
            if series:
                panels.append(Panel(title, axis, share_axis(), tuple(series), steps=True))
        if panels:
            blocks.append(
                Figure(
                    "time-plot",
                    "Share of clips that have given the payload after so many seconds of audio from their "
                    "start. A clip that needs combining counts at its full length.",
                    "Step curves of the share of clips with the payload against seconds of audio.",
                    lines(panels),
                    ("system", "attacks", "seconds", "share_of_clips", "clips"),
                    tuple(data),
                )
            )
    columns = [Column("Attack"), *(Column(s.label, True, "median seconds") for s in e.subjects)]
    rows = []
    for attack in e.attacks:
        cells = [name_cell(attack.name)]
        for s in e.subjects:
            seconds = s.figures(attack.name).time_to_payload_s
            if seconds is not None:
                cells.append(TableCell(fmt.seconds(seconds), seconds))
            else:
                cells.append(TableCell("not reached" if s.figures(attack.name).euls else fmt.DASH))
        rows.append(tuple(cells))
    if not rows:
        return None
    if not equal and len(e.subjects) > 1:
        blocks.insert(0, Text(_UNEQUAL, "note"))
    blocks += [
        Table(
            "times",
            "Median seconds of audio until the payload is there; not reached: half of the clips or more "
            "never give it.",
            tuple(columns),
            tuple(rows),
        ),
        _source("From `summary.json`: `time_to_payload_s`; curves from `results.parquet`."),
    ]
    return Section("time", "Time to payload", tuple(blocks))
