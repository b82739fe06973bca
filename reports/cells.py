"""Cells of tables from figures of a summary: shown rounded, the exact value kept behind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soundsafe.reports import format as fmt
from soundsafe.reports.model import Cell
from soundsafe.reports.svg import LEVELS

__all__ = ["ber_cell", "name_cell", "number_cell", "share_cell", "share_level"]

Item = Mapping[str, Any]


def share_level(value: float) -> int:
    """Place of a share in a matrix's colours; the last one is for 1 alone, the first one for 0 alone."""
    if value <= 0:
        return 0
    if value >= 1:
        return LEVELS - 1
    return 1 + min(LEVELS - 3, int(value * (LEVELS - 2)))


def share_cell(row: Item | None, field: str, *, matrix: bool = False) -> Cell:
    """A share in per cent, with its interval as a note."""
    value = fmt.number((row or {}).get(field))
    if row is None or value is None:
        return Cell(fmt.DASH)
    level = share_level(value) if matrix else None
    return Cell(fmt.percent(value), value, level, fmt.interval(row.get(f"{field}_ci95")))


def ber_cell(row: Item | None, field: str = "ber") -> Cell:
    """A bit error rate in per cent, with its interval as a note."""
    value = fmt.number((row or {}).get(field))
    if row is None or value is None:
        return Cell(fmt.DASH)
    limits = row.get(f"{field}_ci95")
    note = f"{fmt.ber(limits[0])}–{fmt.ber(limits[1])}" if isinstance(limits, (list, tuple)) else ""
    return Cell(fmt.ber(value), value, None, note)


def number_cell(row: Item | None, field: str, digits: int = 1, scale: float = 1.0) -> Cell:
    """A plain number with so many decimals, shown multiplied by `scale`."""
    value = fmt.number((row or {}).get(field))
    return Cell(fmt.DASH) if value is None else Cell(fmt.decibel(value * scale, digits), value)


def name_cell(text: Any) -> Cell:
    """A name, by which rows are sorted."""
    return Cell(str(text), str(text))
