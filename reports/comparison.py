"""Section on two runs side by side: what became better, what worse, what is within noise."""

from __future__ import annotations

from soundsafe.errors import InputError
from soundsafe.eval.analysis.compare import compare
from soundsafe.eval.analysis.stats import MIN_GROUPS
from soundsafe.eval.analysis.stored import Run
from soundsafe.eval.rows import ComparisonRow
from soundsafe.reports import format as fmt
from soundsafe.reports.bits import pages
from soundsafe.reports.cells import ber_cell, name_cell, share_cell
from soundsafe.reports.load import AttackFacts, Evidence
from soundsafe.reports.model import Block, Column, Figure, Section, Table, TableCell, Text, Tile, Tiles
from soundsafe.reports.svg import Axis, Point, Series, dots

__all__ = ["LEVEL", "comparison", "verdict_of"]

LEVEL = 0.05
"""Family-wise error at which a difference counts: adjusted p-values below it."""


def verdict_of(row: ComparisonRow) -> str:
    """`better`, `worse`, or `within noise`, of the second run against the first.

    Both the clustered p-value, adjusted, and the clustered interval must tell the difference from none.
    """
    limits = row.difference_ci95
    if row.p_holm is None or not limits or row.p_holm >= LEVEL or limits[0] <= 0 <= limits[1]:
        return "within noise"
    return "better" if row.difference > 0 else "worse"


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


def comparison(e: Evidence, first: Run, second: Run, number: int) -> Section:
    """Paired statistics over the EULs that both runs hold."""
    title = f"{second.name} against {first.name}"
    where = f"comparison-{number}"
    try:
        rows = compare(first.frame, second.frame)
    except InputError as error:
        return Section(where, title, (Text(f"No comparison: {error}.", "note"),))
    found = [verdict_of(r) for r in rows]
    tests = sum(r.p_holm is not None for r in rows)
    tiles = Tiles((
        Tile("better", str(found.count("better")), "attacks"),
        Tile("worse", str(found.count("worse")), "attacks"),
        Tile("within noise", str(found.count("within noise")), "attacks"),
    ))  # fmt: skip
    blocks: list[Block] = [
        tiles,
        Text(
            "Over the EULs that both runs hold, pair by pair: Student's t on differences clustered by group "
            f"(clips of one source fail together), adjusted by Holm over all {tests} tests; better or "
            f"worse where the adjusted p-value is below {LEVEL:g} and the interval excludes 0. Below "
            f"{MIN_GROUPS} groups there is no test, and every difference is within noise. McNemar's exact "
            "test takes EULs as independent and decides nothing: where clips fail as a whole, its p-value is "
            "far too small."
        ),
    ]
    families = {a.name: a.family for a in e.attacks}
    systems = list(dict.fromkeys(r.system for r in rows))
    attacks = [AttackFacts(a, families.get(a, ""), {}) for a in dict.fromkeys(r.attack for r in rows)]
    by = {(r.system, r.attack): r for r in rows}
    for i, part in enumerate(pages(attacks)):
        series = []
        for k, system in enumerate(systems):
            points: list[Point | None] = []
            for a in part:
                r = by.get((system, a.name))
                if r is None:
                    points.append(None)
                    continue
                low, high = r.difference_ci95 or (None, None)
                tip = f"{system}, {a.name}: {_points(r.difference)} points, {verdict_of(r)}"
                points.append(Point(r.difference, 0.0, low, high, tip))
            series.append(Series(system, k, tuple(points)))
        names = {a.name for a in part}
        blocks.append(
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
        Column("EULs", True),
        Column(f"{first.name} %", True),
        Column(f"{second.name} %", True),
        Column("difference", True, help="percentage points"),
        Column("95 %"),
        Column("p, Holm", True, help="clustered by group, adjusted over all attacks"),
        Column("p, McNemar", True, help="as if EULs were independent; not adjusted"),
        Column("BER before %", True),
        Column("BER after %", True),
    )
    table = []
    for r in rows:
        limits = r.difference_ci95
        p_values = [r.p_holm, r.p_mcnemar]
        table.append(
            (
                name_cell(r.system),
                name_cell(r.attack),
                TableCell(verdict_of(r), verdict_of(r)),
                TableCell(str(r.euls), r.euls),
                share_cell(r.payload_success_a),
                share_cell(r.payload_success_b),
                TableCell(_points(r.difference), r.difference),
                TableCell(f"{_points(limits[0])} … {_points(limits[1])}" if limits else fmt.DASH),
                *(TableCell(fmt.DASH if p is None else f"{p:.2g}", p) for p in p_values),
                ber_cell(r.ber_a),
                ber_cell(r.ber_b),
            )
        )
    order = {"worse": 0, "better": 1, "within noise": 2}
    table.sort(key=lambda cells: order[cells[2].text])
    blocks += [
        Table(
            f"{where}-table", f"{title}, attack by attack; what became worse first.", columns, tuple(table)
        ),
        Text(f"The same figures: `soundsafe-eval compare {first.name} {second.name}`.", "source"),
    ]
    return Section(where, title, tuple(blocks))
