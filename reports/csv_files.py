"""Tables of a report as CSV: the exact values, every row, also those that the page folds away."""

from __future__ import annotations

import csv
import io
import re

from soundsafe.reports.model import Table, TableCell, Value

__all__ = ["table_csv"]

_NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.IGNORECASE)


def _field(c: TableCell) -> str | float:
    value: Value = c.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    # A cell that a spreadsheet would run as a formula is set off by an apostrophe.
    if c.text[:1] in tuple("=+-@\t\r") and not _NUMBER.fullmatch(c.text):
        return f"'{c.text}"
    return c.text


def table_csv(table: Table) -> bytes:
    """The table as CSV (RFC 4180), UTF-8: groups with a column for what their rows are of."""
    out = io.StringIO()
    writer = csv.writer(out)
    names = [f"{c.group} {c.label}".strip().replace("\u00a0", " ") for c in table.columns]
    if table.groups:
        writer.writerow(["family", "attack", *names[1:]])
        for group in table.groups:
            name, *figures = (_field(c) for c in group.head)
            writer.writerow([name, "", *figures])
            writer.writerows([name, *(_field(c) for c in row)] for row in group.rows)
    else:
        writer.writerow(names)
    writer.writerows([_field(c) for c in row] for row in table.rows)
    return out.getvalue().encode("utf-8", "replace")
