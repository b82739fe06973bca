"""Sections on bits: error rates by attack, and agreement of the allocator."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from soundsafe.eval.rows import Figure as Measurement
from soundsafe.eval.rows import Interval, SummaryRow
from soundsafe.reports import format as fmt
from soundsafe.reports.axes import LOWEST_BER, ber_axis, share_axis
from soundsafe.reports.cells import ber_cell, name_cell, number_cell, share_cell, share_level
from soundsafe.reports.load import AttackFacts, Evidence, Subject
from soundsafe.reports.model import Block, Column, Figure, Section, Table, TableCell, Text, Value
from soundsafe.reports.svg import Point, Series, dots, heat

__all__ = ["bit_errors", "drawn", "numbered", "pages", "parity"]

# More lines in one chart cannot be read on a page.
_LINES = 40


def pages(attacks: Sequence[AttackFacts]) -> list[Sequence[AttackFacts]]:
    """Attacks in equal parts, each small enough for one chart."""
    parts = max(1, math.ceil(len(attacks) / _LINES))
    size = math.ceil(len(attacks) / parts) or 1
    return [attacks[i : i + size] for i in range(0, len(attacks), size)]


def drawn(attacks: Sequence[AttackFacts]) -> list[Sequence[AttackFacts]]:
    """`pages`; none where there is one dot, or more of them than anybody reads: a table says it better."""
    return pages(attacks) if 1 < len(attacks) <= 2 * _LINES else []


def numbered(name: str, index: int, parts: int) -> str:
    """The name, with its place among several."""
    return name if parts == 1 else f"{name} ({index + 1} of {parts})"


def _series(
    subjects: Sequence[Subject],
    attacks: Sequence[AttackFacts],
    figure: Callable[[SummaryRow], tuple[Measurement, Interval]],
    text: Callable[[float], str],
    lowest: float | None = None,
) -> tuple[list[Series], list[tuple[Value, ...]]]:
    """A dot for each attack of each system, and the numbers in them."""
    series: list[Series] = []
    data: list[tuple[Value, ...]] = []
    for index, s in enumerate(subjects):
        points: list[Point | None] = []
        for a in attacks:
            value, limits = figure(s.figures(a.name))
            low, high = limits or (None, None)
            data.append((s.label, a.name, value, low, high))
            if value is None:
                points.append(None)
                continue
            tip = f"{s.label}, {a.name}: {text(value)}"
            if low is not None and high is not None:
                tip += f" ({text(low)} to {text(high)})"
                if lowest is not None:
                    low, high = max(low, lowest), max(high, lowest)
            points.append(Point(value if lowest is None else max(value, lowest), 0.0, low, high, tip))
        if any(p is not None for p in points):
            series.append(Series(s.label, index, tuple(points)))
    return series, data


def bit_errors(e: Evidence) -> Section | None:
    """Raw bit error rate by attack."""
    blocks: list[Block] = []
    measured = [a for a in e.attacks if any(s.figures(a.name).ber is not None for s in e.subjects)]
    if not measured:
        return None
    parts = drawn(measured)
    for i, part in enumerate(parts):
        series, data = _series(
            e.subjects, part, lambda r: (r.ber, r.ber_ci95), lambda v: f"{fmt.ber(v)} %", LOWEST_BER
        )
        if not series:
            continue
        blocks.append(
            Figure(
                f"ber-{i + 1}",
                numbered(
                    "Raw bit error rate, before any error correction, by attack, with 95 % intervals",
                    i,
                    len(parts),
                )
                + ".",
                f"Dot plot of bit error rates for {len(part)} attacks and {len(series)} systems.",
                dots(
                    [a.name for a in part],
                    series,
                    ber_axis("raw bit error rate"),
                    groups=[a.family for a in part],
                ),
                ("system", "attack", "ber", "low", "high"),
                tuple(data),
            )
        )
    columns = [Column("Attack")]
    for s in e.subjects:
        columns += [Column("BER %", True, s.label), Column("seconds", True, s.label)]
    rows = [
        (
            name_cell(a.name),
            *(c for s in e.subjects for c in _ber_cells(s, a.name)),
        )
        for a in measured
    ]
    blocks.append(Table("bers", "Raw bit error rate by attack, in per cent.", tuple(columns), tuple(rows)))
    without = [s.label for s in e.subjects if not any(s.figures(a.name).ber is not None for a in e.attacks)]
    if without:
        blocks.append(
            Text(f"Without coded bits to compare, hence no bit error rate: {', '.join(without)}.", "note")
        )
    blocks.append(Text("From `summary.json`: `ber` and `ber_ci95`.", "source"))
    return Section("bits", "Bit errors", tuple(blocks))


def _ber_cells(s: Subject, attack: str) -> tuple[TableCell, TableCell]:
    row = s.figures(attack)
    return ber_cell(row.ber, row.ber_ci95), number_cell(row.euls if s.tested(attack) else None, 0)


_PARITIES: tuple[tuple[Callable[[SummaryRow], Measurement], str, str], ...] = (
    (lambda r: r.parity_frames, "frames", "share of frames whose quantised features all agree"),
    (lambda r: r.parity_3db, "3 dB", "share of frames whose band levels all agree in steps of 3 dB"),
    (lambda r: r.parity_bits, "bits", "share of seconds with as many bits in every band"),
    (lambda r: r.parity_slots, "slots", "share of seconds whose list of slots agrees exactly"),
    (lambda r: r.seed_parity, "seed", "share of seconds whose seed agrees"),
)


def _band_figures(subjects: Sequence[Subject], attacks: Sequence[AttackFacts]) -> list[Block]:
    """Share of frames whose feature agrees, by attack and band, for systems that have bands."""
    out: list[Block] = []
    for s in subjects:
        by = {a.name: s.bands(a.name) for a in attacks}
        known = [a for a in attacks if by.get(a.name)]
        if len({len(by[a.name]) for a in known}) != 1:
            continue
        for part in drawn(known):
            cells: list[list[tuple[int, str, str] | None]] = []
            data: list[tuple[Value, ...]] = []
            for a in part:
                values = by[a.name]
                data.append((a.name, *values))
                cells.append(
                    [
                        (
                            share_level(v),
                            "" if v >= 1 else f"{math.floor(100 * v)}",
                            f"{a.name}, band {k}: {fmt.percent(v)} %",
                        )
                        for k, v in enumerate(values)
                    ]
                )
            bands = [str(k) for k in range(len(data[0]) - 1)]
            out.append(
                Figure(
                    f"bands-{len(out) + 1}",
                    f"{s.label}: share of frames whose quantised feature agrees, in per cent (cut to whole "
                    "ones), by attack and band, low frequencies left; cells without a number: all of them.",
                    f"Field of the parity of {len(bands)} bands under {len(part)} attacks.",
                    heat([a.name for a in part], bands, cells, "band"),
                    ("attack", *(f"band_{k}" for k in bands)),
                    tuple(data),
                )
            )
    return out


def parity(e: Evidence) -> Section | None:
    """Agreement of allocator features, slots and seeds between clean, marked and attacked audio."""
    measured = [p for p in _PARITIES if any(p[0](r) is not None for run in e.runs for r in run.summary.rows)]
    able = [
        s for s in e.subjects
        if any(f(s.figures(a.name)) is not None for a in e.attacks for f, _, _ in measured)
    ]  # fmt: skip
    if not able:
        return None
    blocks: list[Block] = []
    attacks = [a for a in e.attacks if any(s.figures(a.name).parity_frames is not None for s in able)]
    parts = drawn(attacks)
    for i, part in enumerate(parts):
        if not part:
            continue
        series, data = _series(
            able, part, lambda r: (r.parity_frames, None), lambda v: f"{fmt.percent(v)} % of frames"
        )
        fixed = [Series(s.name, [x.label for x in e.subjects].index(s.name), s.points) for s in series]
        low = min((p.x for s in fixed for p in s.points if p is not None), default=0.0)
        axis = share_axis(
            "frames whose features all agree", low=max(0.0, math.floor(10 * low) / 10 if low < 1 else 0.9)
        )
        blocks.append(
            Figure(
                f"parity-{i + 1}",
                numbered(
                    "Allocator parity: share of frames whose quantised features agree exactly, by attack",
                    i,
                    len(parts),
                )
                + ". The row none sets original against marked audio, the others marked against attacked.",
                f"Dot plot of allocator parity for {len(part)} attacks and {len(fixed)} systems.",
                dots([a.name for a in part], fixed, axis, groups=[a.family for a in part]),
                ("system", "attack", "parity_frames"),
                tuple(row[:3] for row in data),
            )
        )
    blocks += _band_figures(able, attacks)
    columns = [Column("Attack")]
    for s in able:
        columns += [Column(f"{name} %", True, s.label, text) for _, name, text in measured]
        columns.append(
            Column("offset", True, s.label, "median distance of the found grid from the true one, samples")
        )
    rows = []
    for a in e.attacks:
        cells = [name_cell(a.name)]
        for s in able:
            row = s.figures(a.name)
            cells += [share_cell(f(row)) for f, _, _ in measured]
            cells.append(number_cell(row.offset_error_samples, 1))
        rows.append(tuple(cells))
    blocks += [
        Table(
            "parities",
            "Parity by attack, in per cent, and how far off the grid was found, in samples.",
            tuple(columns),
            tuple(rows),
        ),
        Text(
            "From `summary.json`: the parities, `parity_by_band` and `offset_error_samples`.",
            "source",
        ),
    ]
    return Section("parity", "Allocator parity", tuple(blocks))
