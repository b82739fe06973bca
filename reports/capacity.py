"""Section on what is delivered: goodput as it is and at equal payload, seconds for a payload, capacity."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from soundsafe.eval.rows import EUL_S, GOODPUT_BITS
from soundsafe.reports import format as fmt
from soundsafe.reports.axes import fitting, rate_axis
from soundsafe.reports.bits import drawn, numbered
from soundsafe.reports.cells import name_cell
from soundsafe.reports.load import AttackFacts, Evidence, Subject
from soundsafe.reports.model import Block, Column, Figure, Heading, Section, Table, TableCell, Text
from soundsafe.reports.svg import Point, Series, dots

__all__ = ["capacity", "delivered", "needed", "seconds_for"]


def seconds_for(bits: int, payload_bytes: float, success: float, unit_s: float = EUL_S) -> float:
    """Expected seconds until `bits` of payload are there, from EULs or clips of `unit_s` read by themselves.

    A payload larger than one EUL's takes several; each is repeated until it decodes. Infinite where none
    does.
    """
    if success <= 0 or payload_bytes <= 0:
        return math.inf
    return math.ceil(bits / (8 * payload_bytes)) / success * unit_s


def delivered(s: Subject, attack: str) -> float | None:
    """Payload bits for each second of audio, by EULs that decode alone (the summary's goodput) or by whole
    clips, whichever is more; None for a system without a payload."""
    alone, clips = s.figures(attack).goodput_bps, s.figures(attack).clip_success
    rates = [alone, None if clips is None else clips * s.payload_bits / s.clip_s]
    return max((r for r in rates if r is not None), default=None) if s.payload_bits else None


def needed(s: Subject, attack: str, bits: int) -> float | None:
    """Expected seconds until `bits` are there, by EULs that decode alone or by whole clips, the sooner."""
    row = s.figures(attack)
    ways = ((row.payload_success, EUL_S), (row.clip_success, s.clip_s))
    size = s.payload_bits / 8
    return min((seconds_for(bits, size, v, unit) for v, unit in ways if v is not None), default=None)


def _rates(
    subjects: Sequence[tuple[int, Subject]],
    attacks: Sequence[AttackFacts],
    rate: Callable[[Subject, str], float | None],
    text: Callable[[float], str],
) -> tuple[list[Series], list[tuple[str, str, float | None]]]:
    """A dot in bit/s for each attack of each system, which come with their place; and the numbers in them."""
    series, data = [], []
    for index, s in subjects:
        rates = [rate(s, a.name) for a in attacks]
        data += [(s.label, a.name, v) for a, v in zip(attacks, rates, strict=True)]
        points = tuple(
            None if v is None else Point(v, tip=f"{s.label}, {a.name}: {text(v)} bit/s")
            for a, v in zip(attacks, rates, strict=True)
        )
        if any(points):
            series.append(Series(s.label, index, points))
    return series, data


def _equal_goodput(e: Evidence, attacks: Sequence[AttackFacts]) -> list[Block]:
    """Goodput with no more than so many bits of a payload counted, for the systems that carry one."""
    able = [(i, s) for i, s in enumerate(e.subjects) if s.payload_bits]
    known = [
        a for a in attacks
        if any(s.figures(a.name).goodput_at(GOODPUT_BITS[0]) is not None for _, s in able)
    ]  # fmt: skip
    if not known:
        return []
    # The largest that all of them carry: none is then counted for less than it holds.
    smallest = min(s.payload_bits for _, s in able)
    size = max((n for n in GOODPUT_BITS if n <= smallest), default=GOODPUT_BITS[0])
    field, parts = f"goodput_{size}_bps", drawn(known)
    out: list[Block] = [Heading("Goodput at equal payload")]
    for i, part in enumerate(parts):
        series, data = _rates(
            able,
            part,
            lambda s, attack: s.figures(attack).goodput_at(size),
            lambda v: f"{v:.3g}",
        )
        name = (
            f"Goodput at {size} bits of payload: how many of them a clip has given for each second of audio "
            "until it first gives them, mean over clips; a system that does not tell where its seconds are "
            "is charged the whole clip"
        )
        out.append(
            Figure(
                f"equal-goodput-{i + 1}",
                numbered(name, i, len(parts)) + ".",
                f"Dot plot of goodput at {size} bits for {len(part)} attacks and {len(series)} systems.",
                dots(
                    [a.name for a in part],
                    series,
                    fitting([0.0, float(size)], "bits for each second of audio", zero=True),
                    groups=[a.family for a in part],
                ),
                ("system", "attack", field),
                tuple(data),
            )
        )
    columns = [Column("Attack")]
    for _, s in able:
        columns += [Column(f"{n} bits", True, s.label, "bits for each second") for n in GOODPUT_BITS]
    rows = []
    for a in known:
        cells = [name_cell(a.name)]
        for _, s in able:
            for n in GOODPUT_BITS:
                v = s.figures(a.name).goodput_at(n)
                cells.append(TableCell(fmt.DASH) if v is None else TableCell(fmt.seconds(v), v))
        rows.append(tuple(cells))
    caption = (
        "Goodput at equal payload: bits for each second of audio until a clip first gives its payload, "
        f"no more than {', '.join(map(str, GOODPUT_BITS[:-1]))} or {GOODPUT_BITS[-1]} of them counted. A "
        "shorter payload counts for what it holds. A system that does not tell where its seconds are is "
        "decoded on the whole clip alone, and charged all of it."
    )
    return [*out, Table("equal-goodputs", caption, tuple(columns), tuple(rows))]


def capacity(e: Evidence) -> Section | None:
    """What is delivered: goodput by attack, and seconds for the same payload from every system."""
    figures = [a for a in e.attacks if any(s.figures(a.name).goodput_bps is not None for s in e.subjects)]
    if not figures:
        return None
    blocks: list[Block] = []
    parts = drawn(figures)
    values = [v for s in e.subjects for a in figures if (v := delivered(s, a.name)) is not None]
    for i, part in enumerate(parts):
        series, data = _rates(list(enumerate(e.subjects)), part, delivered, fmt.decibel)
        if not series:
            continue
        axis = rate_axis(max(values), "payload bits delivered for each second of audio")
        blocks.append(
            Figure(
                f"goodput-{i + 1}",
                numbered(
                    "Goodput: payload bits delivered for each second of audio, by seconds that decode alone "
                    "or by whole clips, whichever is more",
                    i,
                    len(parts),
                )
                + ".",
                f"Dot plot of goodput for {len(part)} attacks and {len(series)} systems.",
                dots([a.name for a in part], series, axis, groups=[a.family for a in part]),
                ("system", "attack", "delivered_bps"),
                tuple(data),
            )
        )
    blocks += _equal_goodput(e, figures)
    largest = max((s.payload_bits for s in e.subjects), default=0)
    sizes = sorted({*GOODPUT_BITS, *([largest] if largest > 0 else [])})
    columns = (
        Column("System"), Column("Payload, bits", True, help="of one second, or of a clip"),
        Column("Seconds of a clip", True), Column("Seconds tested", True),
        Column("To deliver, bits", True), Column("No attack", True, "expected seconds"),
        Column("Median attack", True, "expected seconds"), Column("Worst attack", True, "expected seconds"),
    )  # fmt: skip
    rows = []
    for s in e.subjects:
        held = s.payload_bits
        tested = sum(s.figures(a.name).euls for a in e.attacks)
        for size in sizes if held else ():
            found = {a.name: v for a in e.attacks if (v := needed(s, a.name, size)) is not None}
            others = [v for k, v in found.items() if k != "none"]
            cells = [
                name_cell(s.label), TableCell(fmt.count(held), held),
                TableCell(fmt.seconds(s.clip_s), s.clip_s), TableCell(fmt.count(tested), tested),
                TableCell(fmt.count(size), size),
            ]  # fmt: skip
            for wanted in (
                found.get("none"),
                float(np.median(others)) if others else None,
                max(others, default=None),
            ):
                if wanted is None:
                    cells.append(TableCell(fmt.DASH))
                else:
                    known = math.isfinite(wanted)
                    cells.append(TableCell(fmt.seconds(wanted), wanted) if known else TableCell("never"))
            rows.append(tuple(cells))
    blocks.append(
        Table(
            "equal-payload",
            "The same payload from every system: expected seconds of audio until it is delivered, by seconds "
            "that decode alone or by whole clips, whichever is sooner, each repeated until it does.",
            columns,
            tuple(rows),
        )
    )
    empty = [s.label for s in e.subjects if not s.payload_bits]
    if empty:
        blocks.append(Text(f"Without a payload, presence alone is read: {', '.join(empty)}.", "note"))
    bits = [Column("Attack"), *(Column(s.label, True, "n (1 − H(BER)), bit/s") for s in e.subjects)]
    table = []
    for a in figures:
        cells = [name_cell(a.name)]
        for s in e.subjects:
            left = s.figures(a.name).capacity_bits
            cells.append(TableCell(fmt.DASH) if left is None else TableCell(fmt.count(left), left))
        table.append(tuple(cells))
    blocks += [
        Table(
            "capacity-table",
            "Capacity of a memoryless binary channel at the mean bit error rate, for the coded bits of one "
            "second: what a better code could at most carry, were errors spread evenly.",
            tuple(bits),
            tuple(table),
        ),
        Text(
            "From `summary.json`: `goodput_bps`, `goodput_16_bps` and so on, `payload_success`, "
            "`clip_success`, `capacity_bits`; payload sizes and lengths from `results.parquet`.",
            "source",
        ),
    ]
    return Section("capacity", "Capacity and goodput", tuple(blocks))
