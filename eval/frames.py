"""Rows as a table, which statistics work on."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import fields

import numpy as np
import pandas as pd

from soundsafe.eval.rows import RAN, Row, control_of
from soundsafe.files.tables import in_cell

__all__ = ["measured_ber", "ran", "refusals_counted", "table_bytes", "to_frame"]

_DTYPES = {"str": "str", "int": "int64", "float": "float64", "bool": "bool"}
_PARITIES = ("parity_frames", "parity_bits", "parity_slots", "seed_parity", "parity_3db")


def to_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Frame of rows, columns in the order of `Row`, one dtype for each whatever the rows hold."""
    records = [vars(row) for row in rows]
    return pd.DataFrame(
        {f.name: pd.Series([r[f.name] for r in records], dtype=_DTYPES[str(f.type)]) for f in fields(Row)}
    )


def measured_ber(rows: pd.DataFrame) -> pd.Series:
    """The BER of the rows of systems that have coded bits, refused steps among them, of cells that ran."""
    coded = rows["system"].isin(rows.loc[rows["bits"] > 0, "system"])
    return rows.loc[coded & rows["status"].isin(RAN), "ber"]


def ran(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that say something of their system: those of cells that ran, refusals among them."""
    return rows[rows["status"].isin(RAN)]


def refusals_counted(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, in which what a refused step lacks is what figures count it as; give all rows of a system.

    `ber` is NaN where the system has no coded bits. In marked audio a refused step has the system's `bits`
    and `payload_bytes`, a score below all others, and parities of 0 where the system has them under that
    attack, or has them at all and every step of that attack was refused.
    """
    refused = (rows["status"] == "refused") & (rows["attack"].map(control_of) == "")
    out = rows.assign(ber=measured_ber(rows), score=rows["score"].mask(refused, -np.inf))
    # Rows of earlier versions know whole bytes alone, and nothing of message bits.
    whole = 8 * rows["payload_bytes"]
    stated = rows["payload_bits"] if "payload_bits" in rows else 0 * whole
    out["payload_bits"] = stated.mask(stated == 0, whole)
    for name in ("bits", "payload_bytes", "payload_bits"):
        out[name] = out[name].mask(refused, out.groupby("system")[name].transform("max"))
    for name in ("bit_accuracy", "log10_p", "iou", "parity_3db"):
        if name not in out:
            out[name] = np.nan
    cell = [rows["system"], rows["attack"]]
    for name in _PARITIES:
        known = out[name].notna()
        anywhere, here = (known.groupby(by).transform("any") for by in (rows["system"], cell))
        lost = refused.groupby(cell).transform("all")
        out[name] = out[name].mask(refused & (here | (anywhere & lost)), 0.0)
    return out


def table_bytes(frame: pd.DataFrame, float_format: str | None = None) -> bytes:
    """A table as CSV in which no name is a spreadsheet's formula (`soundsafe.files.tables.in_cell`).

    Args:
        frame: any table.
        float_format: for numbers, as pandas takes it.

    Example:
        >>> table_bytes(pd.DataFrame({"clip": ["=1+1"], "ber": [0.5]}))
        b"clip,ber\\n'=1+1,0.5\\n"
    """
    safe = frame.rename(columns=lambda name: in_cell(str(name)))
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = [in_cell(value) if isinstance(value, str) else value for value in safe[name]]
    buffer = io.StringIO()
    safe.to_csv(buffer, index=False, lineterminator="\n", float_format=float_format)
    return buffer.getvalue().encode()
