"""Cells of tables from figures of a summary: shown rounded, the exact value kept behind."""

from __future__ import annotations

from dataclasses import replace

from soundsafe.eval.rows import Figure, Interval, SummaryRow
from soundsafe.reports import format as fmt
from soundsafe.reports.model import TableCell
from soundsafe.reports.svg import LEVELS

__all__ = ["ber_cell", "name_cell", "not_run", "number_cell", "share_cell", "share_level"]


def share_level(value: float) -> int:
    """Place of a share in a matrix's colours; the last one is for 1 alone, the first one for 0 alone."""
    if value <= 0:
        return 0
    if value >= 1:
        return LEVELS - 1
    return 1 + min(LEVELS - 3, int(value * (LEVELS - 2)))


def share_cell(value: Figure, limits: Interval = None, *, matrix: bool = False) -> TableCell:
    """A share in per cent, with its interval as a note."""
    if value is None:
        return TableCell(fmt.DASH)
    level = share_level(value) if matrix else None
    return TableCell(fmt.percent(value), value, level, fmt.interval(limits))


def ber_cell(value: Figure, limits: Interval = None) -> TableCell:
    """A bit error rate in per cent, with its interval as a note."""
    if value is None:
        return TableCell(fmt.DASH)
    note = "" if limits is None else f"{fmt.ber(limits[0])}–{fmt.ber(limits[1])}"
    return TableCell(fmt.ber(value), value, None, note)


def number_cell(value: Figure, digits: int = 1, scale: float = 1.0) -> TableCell:
    """A plain number with so many decimals, shown multiplied by `scale`."""
    return TableCell(fmt.DASH) if value is None else TableCell(fmt.decibel(value * scale, digits), value)


def not_run(cell: TableCell, row: SummaryRow) -> TableCell:
    """The cell with how many seconds of its attack did not run, where there are such."""
    if not row.failed_euls:
        return cell
    missing = f"{fmt.count(row.failed_euls)} s not run"
    return replace(cell, note=f"{cell.note}; {missing}" if cell.note else missing)


def name_cell(text: object) -> TableCell:
    """A name, by which rows are sorted."""
    return TableCell(str(text), str(text))
