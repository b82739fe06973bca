"""Tables for the terminal, from the rows of a summary: right at 80 columns, more in wider ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from soundsafe.eval.analysis.families import ALL, FORGERY, FamilyChange, FamilyRow
from soundsafe.eval.rows import (
    ComparisonRow,
    Figure,
    Interval,
    PowerRow,
    QualityRow,
    SummaryRow,
    control_of,
)
from soundsafe.reports import format as fmt
from soundsafe.reports.columns import Cell, Column, Fitted, chunks, fitted

__all__ = [
    "FEW", "Cost", "attack_lines", "attack_table", "category_tables", "comparison_table", "facts",
    "family_comparison_table", "family_lines", "family_table", "matrix", "power_table", "shown_rows",
]  # fmt: skip

FEW = 24
"""So many attacks are shown one by one, more by families."""

_GOOD, _FAIR, _BAD = "green", "yellow", "red"
_CLUSTERED = "Clips: their seconds combined. Seconds: each read alone. 95 %: intervals, clustered by group."


@dataclass(frozen=True)
class Cost:
    """Seconds of work that a system takes for a second of audio."""

    embed: float
    decode: float


def _interval(value: Interval) -> str:
    return fmt.interval(value) or fmt.DASH


def _plain(value: Figure, spec: str = ".1f") -> str:
    return fmt.DASH if value is None else format(float(value), spec)


def _quiet_control(row: SummaryRow) -> bool:
    """A control after an attack in which nothing was accepted: counted among the false accepts, not shown."""
    name = row.attack
    attacked = control_of(name) not in ("", name)
    return attacked and not row.payload_success and not row.clip_success


def _share(value: Figure, *, wanted: bool = True) -> Cell:
    """A share in per cent, green where it is as it should be (`wanted`: high) and red where it is not."""
    if value is None:
        return Cell(fmt.DASH)
    if not wanted:
        return Cell(fmt.percent(value), f"bold {_BAD}" if value > 0 else _GOOD)
    style = _GOOD if value >= 0.9 else _FAIR if value >= 0.5 else _BAD
    return Cell(fmt.percent(value), style)


def shown_rows(rows: Iterable[SummaryRow], category: str = "all") -> list[SummaryRow]:
    """The rows of one category that tables show: no controls after attacks in which nothing was accepted.

    Args:
        rows: of a summary.
        category: a category of the manifest, or `all`.
    """
    return [row for row in rows if row.category == category and not _quiet_control(row)]


def _counts(values: Sequence[int], name: str, rank: int) -> list[Column]:
    """A column of counts; none where they are all the same, which the title says."""
    return [] if len(set(values)) < 2 else [Column(name, [str(v) for v in values], rank)]


def attack_table(
    rows: Iterable[SummaryRow], width: int = 120, *, title: str = "", category: str = "all"
) -> Fitted:
    """One line for each attack of one system: how often the payload came back, and how many bits were wrong.

    Args:
        rows: of a summary; those of other categories are left out.
        width: of the terminal.
        title: above the table.
        category: a category of the manifest, or `all`.
    """
    shown = shown_rows(rows, category)
    real = [not control_of(row.attack) for row in shown]
    pairs = list(zip(shown, real, strict=True))
    # Where nothing is read by the second, no share of seconds is known: 0 would be a claim.
    alone = any(row.ber is not None or row.payload_success for row in shown)
    columns = [
        Column("attack", [row.attack for row in shown], left=True),
        Column("clips %", [_share(row.clip_success, wanted=it) for row, it in pairs]),
        Column("clips 95 %", [_interval(row.clip_success_ci95) for row in shown], 2),
        Column(
            "seconds %", [_share(row.payload_success if alone else None, wanted=it) for row, it in pairs], 1
        ),
        Column("sec. 95 %", [_interval(row.payload_success_ci95 if alone else None) for row in shown], 6),
        Column("BER %", [fmt.ber(row.ber) for row in shown], 3),
        Column("bits right %", [fmt.percent(row.bit_accuracy) for row in shown], 4),
        Column("needed, s", [fmt.seconds(row.time_to_payload_s) for row in shown], 5),
        Column("slots %", [fmt.percent(row.parity_slots) for row in shown], 9),
        *_counts([row.clips for row in shown], "clips", 7),
        *_counts([row.euls for row in shown], "seconds", 8),
    ]
    if any(row.failed_euls for row in shown):
        columns.append(
            Column(
                "not run, s", [Cell(str(row.failed_euls), _BAD) if row.failed_euls else "" for row in shown]
            )
        )
    return fitted(columns, width, title=title, caption=_CLUSTERED)


def _family_cell(row: FamilyRow) -> Cell:
    return _share(row.clip_success, wanted=row.goal != FORGERY)


def family_table(rows: Sequence[FamilyRow], width: int = 120, *, title: str = "") -> Fitted:
    """One line for each family of attacks on one system.

    Args:
        rows: of one system and suite, in the order of `soundsafe.eval.analysis.families.family_rows`.
        width: of the terminal.
        title: above the table.
    """
    columns = [
        Column("family", [row.family for row in rows], left=True),
        Column("attacks", [str(row.attacks) for row in rows], 4),
        Column("clips %", [_family_cell(row) for row in rows]),
        Column("clips 95 %", [_interval(row.clip_success_ci95) for row in rows], 3),
        Column("all clips in", [_of(row.survived_by_all, row.attacks) for row in rows], 1),
        Column("none in", [_of(row.survived_by_none, row.attacks) for row in rows], 2),
        Column("seconds %", [_share(row.payload_success, wanted=row.goal != FORGERY) for row in rows], 5),
        Column("sec. 95 %", [_interval(row.payload_success_ci95) for row in rows], 6),
    ]
    if any(row.not_run for row in rows):
        columns.append(Column("not run", [str(row.not_run or "") for row in rows]))
    if any(row.goal == FORGERY for row in rows):
        columns.append(
            Column("kind", ["false accepts" if row.goal == FORGERY else "" for row in rows], left=True)
        )
    caption = "Kinds of attacks weigh the same in a family, families in the last line."
    sections = [i for i, row in enumerate(rows) if row.family == ALL]
    sections += [i + 1 for i in sections]
    return fitted(columns, width, title=title, caption=f"{caption} {_CLUSTERED}", sections=sections)


def _of(count: int, whole: int) -> str:
    return f"{count} of {whole}"


def matrix(
    lines: Mapping[str, Mapping[str, Cell | str]],
    names: Sequence[str],
    width: int,
    *,
    head: str = "attack",
    title: str = "",
    caption: str = "",
    sections: Sequence[int] = (),
) -> list[Fitted]:
    """One line for each attack or family, a column for each system; several tables where they are too wide.

    Args:
        lines: cells of each line by the names of their columns; one that is missing is shown as a dash.
        names: of the columns, in order.
        width: of the terminal.
        head: above the names of the lines.
        title: above the first table.
        caption: below the last.
        sections: lines before which a line is drawn.
    """
    first = Column(head, list(lines), left=True)
    others = [Column(name, [cells.get(name, fmt.DASH) for cells in lines.values()]) for name in names]
    groups = chunks(first, others, width)
    return [
        fitted(
            group,
            width,
            title=title if number == 0 else "",
            caption=caption if number == len(groups) - 1 else "",
            sections=sections,
        )
        for number, group in enumerate(groups)
    ]


def attack_lines(rows: Iterable[SummaryRow]) -> dict[str, dict[str, Cell | str]]:
    """The lines of a matrix of clips % by attack and system."""
    whole = [row for row in rows if row.category == "all"]
    shown = {row.attack for row in shown_rows(whole)}  # what one system accepts is shown of all
    lines: dict[str, dict[str, Cell | str]] = {}
    for row in whole:
        if row.attack in shown:
            cell = _share(row.clip_success, wanted=not control_of(row.attack))
            lines.setdefault(row.attack, {})[row.system] = cell
    return lines


def family_lines(rows: Iterable[FamilyRow]) -> dict[str, dict[str, Cell | str]]:
    """The lines of a matrix of clips % by family and system, the line of all families last."""
    lines: dict[str, dict[str, Cell | str]] = {}
    for row in rows:
        name = f"{row.family} (false accepts)" if row.goal == FORGERY else row.family
        lines.setdefault(name, {})[row.system] = _family_cell(row)
    return lines


def category_tables(rows: Iterable[SummaryRow], width: int = 120, *, title: str = "") -> list[Fitted]:
    """Clips % by attack and category of one system; [] where there is one category.

    Args:
        rows: of a summary.
        width: of the terminal.
        title: above the table.
    """
    lines: dict[str, dict[str, Cell | str]] = {}
    clips: dict[str, int] = {}
    for row in rows:
        if row.category != "all" and not _quiet_control(row):
            clips[row.category] = max(row.clips, clips.get(row.category, 0))
            cell = _share(row.clip_success, wanted=not control_of(row.attack))
            lines.setdefault(row.attack, {})[row.category] = cell
    if len(clips) < 2:
        return []
    names = {category: f"{category} ({n})" for category, n in clips.items()}
    named = {attack: {names[c]: v for c, v in cells.items()} for attack, cells in lines.items()}
    return matrix(
        named, list(names.values()), width, title=title, caption="Clips that gave their payload, %."
    )


def _scaled(value: Figure, scale: float, spec: str) -> str:
    return fmt.DASH if value is None else f"{value * scale:{spec}}"


def facts(
    quality: Iterable[QualityRow], bits: Mapping[str, int], costs: Mapping[str, Cost], width: int = 120
) -> Fitted:
    """One line for each system: what it carries, what marking does to the sound, and what it costs.

    Args:
        quality: rows of a summary; those of all categories together are shown.
        bits: of a clip's payload, 0 for a system that tells presence alone.
        costs: by system; a system may lack them.
        width: of the terminal.
    """
    rows = [row for row in quality if row.category == "all"]
    accepts = [
        Cell(f"{row.false_accepts} of {row.unmarked_euls}", f"bold {_BAD}" if row.false_accepts else _GOOD)
        for row in rows
    ]
    work = [costs.get(row.system) for row in rows]
    columns = [
        Column("system", [row.system for row in rows], left=True),
        Column("bits", [str(bits.get(row.system) or "presence") for row in rows], 3),
        Column("false accepts, s", accepts),
        Column("Zimtohrli, 1e-5", [_scaled(row.zimtohrli, 1e5, ".1f") for row in rows]),
        Column("worst, 1e-5", [_scaled(row.zimtohrli_worst, 1e5, ".1f") for row in rows], 5),
        Column("SNR, dB", [_plain(row.snr_db) for row in rows], 2),
        Column("worst, dB", [_plain(row.snr_db_worst) for row in rows], 6),
        Column("loudness, LU", [_plain(row.lufs_difference, ".3f") for row in rows], 8),
        Column("worst, LU", [_plain(row.lufs_difference_worst, ".3f") for row in rows], 9),
        Column("embed, s/s", [fmt.DASH if c is None else f"{c.embed:.3f}" for c in work], 1),
        Column("decode, s/s", [fmt.DASH if c is None else f"{c.decode:.3f}" for c in work], 4),
    ]
    caption = (
        "False accepts: of seconds without a mark of the key. s/s: seconds of work for a second of audio."
    )
    return fitted(columns, width, caption=caption)


_VERDICTS = {"better": _GOOD, "worse": f"bold {_BAD}", "mixed": _FAIR}


def _difference(value: float) -> Cell:
    points = 100 * value
    style = "" if abs(points) < 0.05 else _GOOD if points > 0 else _BAD
    return Cell(_signed(points), style)


def _points(interval: Interval) -> str:
    return "…".join(_signed(100 * limit) for limit in interval) if interval else fmt.DASH


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "−")


def _systems(names: Sequence[str]) -> list[Column]:
    """A column of systems where there are several."""
    return [Column("system", list(names), left=True)] if len(set(names)) > 1 else []


def comparison_table(rows: Iterable[ComparisonRow], width: int = 120, *, title: str = "") -> Fitted:
    """One line for each attack: how a second run differs from a first.

    Args:
        rows: of `soundsafe.eval.analysis.compare.compare`.
        width: of the terminal.
        title: above the table.
    """
    shown = list(rows)
    alone = [
        row.ber_a is not None or row.ber_b is not None or row.payload_success_a + row.payload_success_b > 0
        for row in shown
    ]
    pairs = list(zip(shown, alone, strict=True))
    seconds = [_difference(row.difference) if by else Cell(fmt.DASH) for row, by in pairs]
    columns = [
        Column("attack", [row.attack for row in shown], left=True),
        *_systems([row.system for row in shown]),
        Column("clips A %", [fmt.percent(row.clip_success_a) for row in shown]),
        Column("clips B %", [fmt.percent(row.clip_success_b) for row in shown]),
        Column("p, clips", [_plain(row.p_clips_holm, ".2g") for row in shown], 3),
        Column("seconds A %", [fmt.percent(row.payload_success_a if by else None) for row, by in pairs], 2),
        Column("seconds B %", [fmt.percent(row.payload_success_b if by else None) for row, by in pairs], 2),
        Column("B − A", seconds, 1),
        Column("95 %", [_points(row.difference_ci95 if by else None) for row, by in pairs], 5),
        Column("p, seconds", [_plain(row.p_holm, ".2g") for row in shown], 4),
        Column("verdict", [Cell(row.verdict, _VERDICTS.get(row.verdict, "")) for row in shown], left=True),
    ]
    caption = (
        "p: exact by groups, of clips and of seconds decoded alone, adjusted over all tests (Holm). 95 %: "
        "of the difference of seconds, in points, clustered by group."
    )
    return fitted(columns, width, title=title, caption=caption)


def family_comparison_table(rows: Sequence[FamilyChange], width: int = 120, *, title: str = "") -> Fitted:
    """One line for each family of attacks: how a second run differs from a first, in clips.

    Args:
        rows: of `soundsafe.eval.analysis.families.compare_families`.
        width: of the terminal.
        title: above the table.
    """
    columns = [
        Column("family", [row.family for row in rows], left=True),
        *_systems([row.system for row in rows]),
        Column("attacks", [str(row.attacks) for row in rows], 3),
        Column("clips A %", [fmt.percent(row.clip_success_a) for row in rows]),
        Column("clips B %", [fmt.percent(row.clip_success_b) for row in rows]),
        Column("B − A", [_difference(row.difference) for row in rows]),
        Column("95 %", [_points(row.difference_ci95) for row in rows], 2),
        Column("p", [_plain(row.p, ".2g") for row in rows], 1),
    ]
    caption = (
        "Clips: means in which kinds of attacks weigh the same. p: exact by groups, of each family, not "
        "adjusted. 95 %: of the difference, in points, clustered by group."
    )
    sections = [i for i, row in enumerate(rows) if row.family == ALL]
    return fitted(
        columns, width, title=title, caption=caption, sections=[*sections, *(i + 1 for i in sections)]
    )


def power_table(rows: Iterable[PowerRow], fall: float, width: int = 120) -> Fitted:
    """One line for each attack: falls of payload success that a gate sees, and how many clips see `fall`."""
    caption = (
        "Falls in points of payload success that four of five gates fail on, of seconds lost evenly over all "
        f"clips or by whole clips; how many clips like these it takes to see {100 * fall:g} points. "
        f"{fmt.DASH}: none that there can be."
    )
    shown = list(rows)

    def points(values: Iterable[Figure]) -> list[str]:
        return [_plain(None if v is None else 100 * v, ".0f") for v in values]

    columns = [
        Column("attack", [row.attack for row in shown], left=True),
        *_systems([row.system for row in shown]),
        Column("clips", [str(row.clips) for row in shown], 1),
        Column("seconds", [str(row.euls) for row in shown], 2),
        Column("seconds %", [fmt.percent(row.payload_success) for row in shown], 3),
        Column("fall, evenly", points(row.smallest_fall_evenly for row in shown)),
        Column("fall, by clips", points(row.smallest_fall_whole_clips for row in shown)),
        Column("clips, evenly", [_plain(row.clips_evenly, ".0f") for row in shown]),
        Column("clips, by clips", [_plain(row.clips_whole_clips, ".0f") for row in shown]),
    ]
    return fitted(columns, width, title="What a gate with this baseline sees", caption=caption)
