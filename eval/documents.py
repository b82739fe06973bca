"""Rows as JSON and CSV, and back: the one place that knows how they are written.

JSON has the fields of a row in their order, floats to six significant digits (more than any figure here
means, and free of the last bit's noise), null for what was not measured. CSV is made of the same values.
"""

from __future__ import annotations

import csv
import io
import json
import math
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from functools import cache
from typing import ClassVar, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from soundsafe.eval.rows import (
    BandRow,
    BreakdownRow,
    Check,
    Figure,
    GateResult,
    Json,
    QualityRow,
    Summary,
    SummaryRow,
)
from soundsafe.files.tables import in_cell

__all__ = [
    "Dataclass", "csv_bytes", "figure", "from_item", "gate_json", "json_value", "rounded", "summary_from",
    "summary_items", "summary_json", "to_item",
]  # fmt: skip


class Dataclass(Protocol):
    """An object of any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[object]]]


D = TypeVar("D", bound=Dataclass)


def json_value(value: object) -> Json:
    """A JSON value: plain Python, floats to 6 significant digits, null for NaN and infinity.

    >>> json_value({"ber": 1 / 3, "never": float("inf"), "limits": (0, 1)})
    {'ber': 0.333333, 'never': None, 'limits': [0, 1]}
    """
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, (float, np.floating)):
        return float(f"{float(value):.6g}") if math.isfinite(value) else None
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, Mapping):
        return {str(k): json_value(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(v) for v in value]
    if is_dataclass(value) and not isinstance(value, type):
        return to_item(value)
    return str(value)


def to_item(row: Dataclass) -> dict[str, Json]:
    """A row as a JSON object: its fields in their order."""
    return {f.name: json_value(vars(row)[f.name]) for f in fields(row)}


def _kept(value: object) -> object:
    """A field's value as `to_item` writes it, in the field's own type."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return tuple(_kept(v) for v in value)
    return value if isinstance(value, Mapping) else json_value(value)


def rounded(row: D) -> D:
    """The row as it is written and read back: what is said of it in tables is what is stored."""
    return replace(row, **{f.name: _kept(vars(row)[f.name]) for f in fields(row)})


def figure(value: object) -> Figure:
    """A number of a document that somebody else may have written; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


@cache
def _types(kind: type[Dataclass]) -> Mapping[str, object]:
    return get_type_hints(kind)


_OTHER = object()
"""A value that is not of the type that is wanted."""


@cache
def _parts(wanted: object) -> tuple[object, tuple[object, ...]]:
    """A type's origin and arguments, which a run of every attack asks for a million times."""
    return get_origin(wanted), get_args(wanted)


def _as(wanted: object, value: object) -> object:
    """A JSON value as one of the type `wanted`, or `_OTHER`."""
    origin, inner = _parts(wanted)
    if origin in (Union, types.UnionType):
        for option in inner:
            found = _as(option, value)
            if found is not _OTHER:
                return found
        return _OTHER
    if origin is tuple:
        if not isinstance(value, list):
            return _OTHER
        each = inner[:1] * len(value) if inner[-1] is Ellipsis else inner
        if len(each) != len(value):
            return _OTHER
        items = tuple(_as(kind, v) for kind, v in zip(each, value, strict=True))
        return _OTHER if _OTHER in items else items
    if origin is not None:
        return value if isinstance(value, dict) else _OTHER
    if wanted is type(None):
        return None if value is None else _OTHER
    if wanted in (int, float):
        number = figure(value)
        whole = number is not None and number == int(number)
        return _OTHER if number is None or (wanted is int and not whole) else wanted(number)
    return value if isinstance(wanted, type) and type(value) is wanted else _OTHER


def _unmeasured(wanted: object) -> object:
    """What a field of this type holds where nothing is known."""
    if get_origin(wanted) in (Union, types.UnionType):
        return None
    if get_origin(wanted) is not None:
        return () if get_origin(wanted) is tuple else {}
    return math.nan if wanted is float else wanted()  # type: ignore[operator]


def _read(wanted: object, value: object) -> object:
    found = _as(wanted, value)
    return _unmeasured(wanted) if found is _OTHER else found


def from_item(kind: type[D], item: Mapping[str, object]) -> D:
    """A row from a JSON object that a run of this or another version wrote.

    A field that is missing, or holds what is not of its type, says that nothing was measured; one that is not
    known is passed over.
    """
    wanted = _types(kind)
    values: dict[str, object] = {}
    for f in fields(kind):
        if f.name in item or f.default is MISSING:
            values[f.name] = _read(wanted[f.name], item.get(f.name))
    return kind(**values)


def _lossy(row: SummaryRow) -> dict[str, Json]:
    return {"lossy" if name == "category" else name: value for name, value in to_item(row).items()}


def summary_items(summary: Summary) -> dict[str, list[dict[str, Json]]]:
    """A summary as the JSON objects of `summary.json`."""
    parts: Mapping[str, Sequence[SummaryRow | QualityRow | BandRow | BreakdownRow]] = {
        "rows": summary.rows,
        "quality": summary.quality,
        "parity_by_band": summary.parity_by_band,
        "breakdown": summary.breakdown,
    }
    items = {name: [to_item(row) for row in rows] for name, rows in parts.items()}
    return items | {"by_lossy": [_lossy(row) for row in summary.by_lossy]}


def summary_json(summary: Summary) -> bytes:
    """The bytes of `summary.json`."""
    text = json.dumps(summary_items(summary), indent=1, allow_nan=False, ensure_ascii=False)
    return (text + "\n").encode()


def summary_from(document: Mapping[str, object]) -> Summary:
    """A summary from the document of `summary.json`.

    Raises:
        ValueError: one of its parts is no list of objects; the message names it.
    """

    def part(name: str) -> list[dict[str, object]]:
        found = document.get(name, [])
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise ValueError(name)
        return found

    return Summary(
        tuple(from_item(SummaryRow, item) for item in part("rows")),
        tuple(from_item(QualityRow, item) for item in part("quality")),
        tuple(from_item(BandRow, item) for item in part("parity_by_band")),
        tuple(from_item(BreakdownRow, item) for item in part("breakdown")),
        tuple(from_item(SummaryRow, {**item, "category": item.get("lossy")}) for item in part("by_lossy")),
    )


def gate_json(result: GateResult) -> dict[str, Json]:
    """A gate's result as JSON."""

    def check(c: Check) -> dict[str, Json]:
        item = to_item(c)
        if c.p is not None:  # of tests, the verdict stands after the figures
            item |= {"ok": item.pop("ok"), "message": item.pop("message")}
        return item

    return {**to_item(replace(result, checks=())), "checks": [check(c) for c in result.checks]}


def _columns(item: Mapping[str, Json]) -> dict[str, Json]:
    """An item's values by column: an interval gives two, a list one for each entry, parameters are JSON."""
    line: dict[str, Json] = {}
    for name, value in item.items():
        if name.endswith("_ci95"):
            low, high = value if isinstance(value, list) and value else (None, None)
            line |= {f"{name}_low": low, f"{name}_high": high}
        elif isinstance(value, list):
            line |= {f"{name.removesuffix('s')}_{i:02d}": v for i, v in enumerate(value)}
        elif isinstance(value, dict):
            line[name] = json.dumps(value, sort_keys=True, separators=(",", ":"))
        else:
            line[name] = value
    return line


def csv_bytes(rows: Iterable[Dataclass]) -> bytes:
    """Rows as CSV: an interval gives two columns (`_low`, `_high`), a list one for each entry.

    Parameters are JSON, what was not measured is empty. No name is a spreadsheet's formula
    (`soundsafe.files.tables.in_cell`).
    """
    lines = [_columns(to_item(row)) for row in rows]
    buffer = io.StringIO()
    names = list(dict.fromkeys(name for line in lines for name in line))
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([in_cell(name) for name in names])
    for line in lines:
        values = (line.get(name) for name in names)
        writer.writerow([in_cell(v) if isinstance(v, str) else v for v in values])
    return buffer.getvalue().encode()
