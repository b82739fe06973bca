"""Section on two runs side by side: what became better, what worse, what is within noise."""

from __future__ import annotations

from soundsafe.errors import InputError
from soundsafe.eval.analysis.compare import LEVEL, compare
from soundsafe.eval.analysis.stats import MIN_GROUPS
from soundsafe.eval.analysis.stored import Run
from soundsafe.eval.rows import ComparisonRow
from soundsafe.reports import format as fmt
from soundsafe.reports.bits import drawn
from soundsafe.reports.cells import ber_cell, name_cell, number_cell, share_cell
from soundsafe.reports.load import AttackFacts, Evidence
from soundsafe.reports.model import (
    Block,
    Column,
    Figure,
    Folded,
    Section,
    Table,
    TableCell,
    Text,
    Tile,
    Tiles,
)
from soundsafe.reports.svg import Axis, Point, Series, dots

__all__ = ["comparison"]


_SHORT = 20
"""Longer tables are closed at first."""


def _points(v: float, digits: int = 1) -> str:
    text = f"{100 * v:+.{digits}f}".replace("-", "−")
    return "0" if v == 0 else text


def _axis(rows: list[ComparisonRow]) -> Axis:
    reach = max((abs(v) for r in rows for v in (r.difference, *(r.difference_ci95 or ()))), default=0.1)
    limit = next((t for t in (0.05, 0.1, 0.2, 0.5) if reach <= t), 1.0)
    ticks = tuple((limit * k / 2, _points(limit * k / 2, 2 if limit < 0.1 else 0)) for k in range(-2, 3))
    return Axis(
        -limit,
        limit,
        ticks,
        "difference of payload success, percentage points (right: the second run is better)",
    )


def _p(value: float | None) -> TableCell:
    return TableCell(fmt.DASH if value is None else f"{value:.2g}", value)


def comparison(e: Evidence, first: Run, second: Run, number: int) -> Section:
    """Paired statistics over the seconds and clips that ran in both runs."""
    title = f"{second.name} against {first.name}"
    where = f"comparison-{number}"
    try:
        rows = compare(first.frame, second.frame)
    except InputError as error:
        return Section(where, title, (Text(f"No comparison: {error}.", "note"),))
    found = [r.verdict for r in rows]
    tests = sum(p is not None for r in rows for p in (r.p_holm, r.p_clips_holm))
    tiles = Tiles((
        Tile("better", str(found.count("better")), "attacks"),
        Tile("worse", str(found.count("worse")), "attacks"),
        *((Tile("mixed", str(found.count("mixed")), "attacks"),) if "mixed" in found else ()),
        Tile("within noise", str(found.count("within noise")), "attacks"),
    ))  # fmt: skip
    blocks: list[Block] = [
        tiles,
        Text(
            "Over the seconds, and over the clips, that ran in both runs, pair by pair. Both are tested "
            "exactly, by flipping the signs of whole groups (clips of one source fail together; where each "
            f"clip is a group of its own, this is McNemar's test), and adjusted by Holm over all {tests} "
            f"tests. Better or worse: an adjusted p-value below {LEVEL:g} of seconds, whose interval "
            f"excludes 0, or of clips. Below {MIN_GROUPS} groups seconds have no test. With g groups no "
            "p-value is below 2 / 2^g."
        ),
    ]
    families = {a.name: a.family for a in e.attacks}
    systems = list(dict.fromkeys(r.system for r in rows))
    attacks = [AttackFacts(a, families.get(a, ""), {}) for a in dict.fromkeys(r.attack for r in rows)]
    by = {(r.system, r.attack): r for r in rows}
    charts: list[Block] = []
    for i, part in enumerate(drawn(attacks)):
        series = []
        for k, system in enumerate(systems):
            points: list[Point | None] = []
            for a in part:
                r = by.get((system, a.name))
                if r is None:
                    points.append(None)
                    continue
                low, high = r.difference_ci95 or (None, None)
                tip = f"{system}, {a.name}: {_points(r.difference)} points, {r.verdict}"
                points.append(Point(r.difference, 0.0, low, high, tip))
            series.append(Series(system, k, tuple(points)))
        names = {a.name for a in part}
        charts.append(
            Figure(
                f"{where}-figure-{i + 1}",
                f"{title}: difference of payload success by attack, with 95 % intervals.",
                f"Dot plot of paired differences for {len(part)} attacks.",
                dots(
                    [a.name for a in part],
                    series,
                    _axis(rows),
                    groups=[a.family for a in part],
                    reference=0.0,
                ),
                ("system", "attack", "difference", "low", "high", "p_holm"),
                tuple(
                    (
                        r.system,
                        r.attack,
                        r.difference,
                        *(r.difference_ci95 or (None, None)),
                        r.p_holm,
                    )
                    for r in rows
                    if r.attack in names
                ),
            )
        )
    columns = (
        Column("System"),
        Column("Attack"),
        Column("Verdict"),
        Column("number", True, "Clips"),
        Column(f"{first.name} %", True, "Clips"),
        Column(f"{second.name} %", True, "Clips"),
        Column("p, Holm", True, "Clips", "exact by groups, adjusted over all tests"),
        Column("number", True, "Seconds alone"),
        Column(f"{first.name} %", True, "Seconds alone"),
        Column(f"{second.name} %", True, "Seconds alone"),
        Column("difference", True, "Seconds alone", "percentage points"),
        Column("95 %", False, "Seconds alone"),
        Column("p, Holm", True, "Seconds alone", "exact by groups, adjusted over all tests"),
        Column(f"{first.name} %", True, "Bit errors"),
        Column(f"{second.name} %", True, "Bit errors"),
        Column(first.name, True, "Detection", "area under the ROC against the run's own unmarked clips"),
        Column(second.name, True, "Detection", "area under the ROC against the run's own unmarked clips"),
    )
    table = []
    for r in rows:
        limits = r.difference_ci95
        table.append(
            (
                name_cell(r.system),
                name_cell(r.attack),
                TableCell(r.verdict, r.verdict),
                TableCell(str(r.clips), r.clips),
                share_cell(r.clip_success_a),
                share_cell(r.clip_success_b),
                _p(r.p_clips_holm),
                TableCell(str(r.euls), r.euls),
                share_cell(r.payload_success_a),
                share_cell(r.payload_success_b),
                TableCell(_points(r.difference), r.difference),
                TableCell(f"{_points(limits[0])} … {_points(limits[1])}" if limits else fmt.DASH),
                _p(r.p_holm),
                ber_cell(r.ber_a),
                ber_cell(r.ber_b),
                number_cell(r.auc_a, 3),
                number_cell(r.auc_b, 3),
            )
        )
    order = {"worse": 0, "mixed": 1, "better": 2, "within noise": 3}
    table.sort(key=lambda cells: order[cells[2].text])
    if charts:
        blocks.append(Folded("Chart of the differences", tuple(charts)))
    whole = Table(
        f"{where}-table", f"{title}, attack by attack; what became worse first.", columns, tuple(table)
    )
    blocks += [
        whole if len(table) <= _SHORT else Folded(f"All {len(table)} attacks", (whole,)),
        Text(f"The same figures: `soundsafe-eval compare {first.name} {second.name}`.", "source"),
    ]
    return Section(where, title, tuple(blocks))
