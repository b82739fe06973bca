"""Tables for the terminal, from the rows of a summary."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

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

__all__ = ["attack_table", "category_table", "comparison_table", "power_table", "quality_table"]


def _interval(value: Interval) -> str:
    return fmt.interval(value) or fmt.DASH


def _plain(value: Figure, spec: str = ".1f") -> str:
    return fmt.DASH if value is None else format(float(value), spec)


def _quiet_control(row: SummaryRow) -> bool:
    """A control after an attack in which nothing was accepted: counted among the false accepts, not shown."""
    name = row.attack
    attacked = control_of(name) not in ("", name)
    return attacked and not row.payload_success and not row.clip_success


def attack_table(rows: Iterable[SummaryRow], *, title: str = "", category: str = "all") -> Table:
    """One line for each attack of one system: how many bits were wrong and how often the payload came back.

    Args:
        rows: of a summary; those of other categories are left out.
        title: above the table.
        category: a category of the manifest, or `all`.
    """
    table = Table(title=title or None, title_justify="left", caption_justify="left")
    table.caption = "Seconds are decoded alone, clips by combining them. Intervals: 95 %, clustered by group."
    table.add_column("attack", no_wrap=True)
    shown = [row for row in rows if row.category == category and not _quiet_control(row)]
    missing = any(row.failed_euls for row in shown)
    with_bits = any(row.bit_accuracy is not None for row in shown)
    names = ("clips", "seconds", "BER %", "seconds %", "95 %", "clips %", "95 % ", "needed, s", "slots %")
    for name in (*names, *(("bits right %",) if with_bits else ()), *(("not run",) if missing else ())):
        table.add_column(name, justify="right", no_wrap=True)
    for row in shown:
        table.add_row(
            row.attack,
            str(row.clips),
            str(row.euls),
            fmt.ber(row.ber),
            fmt.percent(row.payload_success),
            _interval(row.payload_success_ci95),
            fmt.percent(row.clip_success),
            _interval(row.clip_success_ci95),
            _plain(row.time_to_payload_s, "g"),
            fmt.percent(row.parity_slots),
            *((fmt.percent(row.bit_accuracy),) if with_bits else ()),
            *((str(row.failed_euls) if row.failed_euls else "",) if missing else ()),
        )
    return table


def category_table(rows: Iterable[SummaryRow], *, title: str = "") -> Table | None:
    """Shares of EULs and of clips that decode, by attack and category; None where there is one category."""
    found: dict[str, dict[str, SummaryRow]] = {}
    categories: dict[str, int] = {}
    for row in rows:
        if row.category != "all" and not _quiet_control(row):
            found.setdefault(row.attack, {})[row.category] = row
            categories[row.category] = max(row.clips, categories.get(row.category, 0))
    if len(categories) < 2:
        return None
    table = Table(title=title or None, title_justify="left", caption_justify="left")
    table.caption = "seconds % / clips %"
    table.add_column("attack", no_wrap=True)
    for name, clips in categories.items():
        table.add_column(f"{name} ({clips})", justify="right", no_wrap=True)
    for attack, cells in found.items():
        texts = []
        for name in categories:
            cell = cells.get(name)
            texts.append(
                f"{fmt.percent(cell.payload_success)} / {fmt.percent(cell.clip_success)}"
                if cell
                else fmt.DASH
            )
        table.add_row(attack, *texts)
    return table


def quality_table(rows: Iterable[QualityRow], *, title: str = "") -> Table:
    """One line for each system and category: what marking did to the sound, and false accepts."""
    table = Table(title=title or None, title_justify="left")
    table.add_column("system", no_wrap=True)
    table.add_column("category", no_wrap=True)
    for name in ("clips", "SNR dB", "worst", "Zimtohrli ×1e-5", "worst ", "LU", "worst  ", "false accepts"):
        table.add_column(name, justify="right")
    for row in rows:
        scaled = [None if v is None else 1e5 * v for v in (row.zimtohrli, row.zimtohrli_worst)]
        table.add_row(
            row.system,
            row.category,
            str(row.clips),
            _plain(row.snr_db),
            _plain(row.snr_db_worst),
            _plain(scaled[0]),
            _plain(scaled[1]),
            _plain(row.lufs_difference, ".3f"),
            _plain(row.lufs_difference_worst, ".3f"),
            f"{row.false_accepts} of {row.unmarked_euls}",
        )
    return table


def comparison_table(rows: Iterable[ComparisonRow], *, title: str = "") -> Table:
    """One line for each attack: how a second run differs from a first."""
    table = Table(title=title or None, title_justify="left", caption_justify="left")
    table.caption = (
        "p: exact by groups, of clips and of seconds decoded alone, adjusted over all tests (Holm). 95 %: "
        "of the difference of seconds, clustered by group."
    )
    table.add_column("system", no_wrap=True)
    table.add_column("attack", no_wrap=True)
    for name in ("clips A %", "B %", "p", "seconds A %", "B % ", "B − A", "95 %", "p "):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in rows:
        interval = row.difference_ci95
        table.add_row(
            row.system,
            row.attack,
            fmt.percent(row.clip_success_a),
            fmt.percent(row.clip_success_b),
            _plain(row.p_clips_holm, ".2g"),
            fmt.percent(row.payload_success_a),
            fmt.percent(row.payload_success_b),
            _plain(100 * row.difference, "+.1f"),
            f"{100 * interval[0]:+.1f}…{100 * interval[1]:+.1f}" if interval else fmt.DASH,
            _plain(row.p_holm, ".2g"),
            row.verdict,
        )
    return table


def power_table(rows: Iterable[PowerRow], fall: float) -> Table:
    """One line for each attack: falls of payload success that a gate sees, and how many clips see `fall`."""
    table = Table(title="What a gate with this baseline sees", title_justify="left", caption_justify="left")
    table.caption = (
        "Falls in points of payload success that four of five gates fail on, of seconds lost evenly over all "
        f"clips or by whole clips; how many clips like these it takes to see {100 * fall:g} points. "
        f"{fmt.DASH}: none that there can be."
    )
    table.add_column("system", no_wrap=True)
    table.add_column("attack", no_wrap=True)
    for name in ("clips", "seconds", "seconds %", "fall, evenly", "by clips", "clips, evenly", "by clips "):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        falls = [row.smallest_fall_evenly, row.smallest_fall_whole_clips]
        table.add_row(
            row.system,
            row.attack,
            str(row.clips),
            str(row.euls),
            fmt.percent(row.payload_success),
            *(_plain(None if f is None else 100 * f, ".0f") for f in falls),
            *(_plain(n, ".0f") for n in (row.clips_evenly, row.clips_whole_clips)),
        )
    return table
