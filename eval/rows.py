"""The one row type: what one system did to one EUL of one clip under one attack.

Everything downstream (summaries, tables, plots, gates) is a function of a frame of these rows. Columns that
belong to the clip (clip_ok, score, ...) or to its marking (snr_db, ...) are repeated on each of its rows.
A figure that was not measured is NaN in the frame and null in JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

__all__ = [
    "CONTROLS",
    "JOIN",
    "NAN",
    "QUALITY",
    "Row",
    "control_of",
    "failures_counted",
    "from_frame_value",
    "measured_ber",
    "to_frame",
]

NAN = float("nan")

JOIN = "+then+"
"""`soundsafe.attacks.JOIN`, known without importing every attack."""

CONTROLS = ("unmarked", "wrong_key")
"""Attacks after which no mark should be found; a real attack may follow (`unmarked+then+mp3_128`)."""

QUALITY = (
    "snr_db", "zimtohrli", "visqol", "nmr_db", "lufs_difference", "clipped_samples", "silence_peak", "pesq",
    "stoi",
)  # fmt: skip
"""Columns measured once for each marked clip, original against marked."""


def control_of(attack: str) -> str:
    """The control that an attack's name begins with, or '' for a real attack."""
    head = attack.partition(JOIN)[0]
    return head if head in CONTROLS else ""


@dataclass(frozen=True)
class Row:
    """One EUL. `ber` lies in [0, 1], and is 0.5 where the EUL was not found or a step failed; it says nothing
    where the system has no coded `bits`, see `measured_ber`. `parity_bands`:
    share of frames whose feature is equal, for each band, joined by commas; empty where there is none."""

    system: str
    suite: str
    attack: str
    family: str
    params: str
    clip: str
    category: str
    group: str
    lossy: str
    eul: int
    status: str = "ok"
    message: str = ""
    markable: bool = True
    ber: float = 0.5
    bits: int = 0
    payload_ok: bool = False
    clip_ok: bool = False
    id_ok: bool = False
    combined: int = 0
    score: float = NAN
    code: str = ""
    layer: str = ""
    start_s: float = NAN
    corrected_bytes: float = NAN
    erasures: float = NAN
    offset_error_samples: float = NAN
    parity_frames: float = NAN
    parity_bits: float = NAN
    parity_slots: float = NAN
    seed_parity: float = NAN
    parity_bands: str = ""
    speed: float = NAN
    tempo: float = NAN
    pitch: float = NAN
    time_to_payload_s: float = NAN
    payload_bytes: int = 0
    clip_s: float = NAN
    snr_db: float = NAN
    zimtohrli: float = NAN
    visqol: float = NAN
    nmr_db: float = NAN
    lufs_difference: float = NAN
    clipped_samples: float = NAN
    silence_peak: float = NAN
    pesq: float = NAN
    stoi: float = NAN


def measured_ber(rows: pd.DataFrame) -> pd.Series:
    """The BER of the rows of systems that have coded bits, failed steps among them."""
    coded = rows["system"].isin(rows.loc[rows["bits"] > 0, "system"])
    return rows.loc[coded, "ber"]


_PARITIES = ("parity_frames", "parity_bits", "parity_slots", "seed_parity")


def failures_counted(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, in which what a failed step lacks is what figures count it as; give all rows of a system.

    `ber` is NaN where the system has no coded bits. In marked audio a failed step has the system's `bits` and
    `payload_bytes`, a score below all others, and parities of 0 where the system has them under that attack,
    or has them at all and no step of that attack was done.
    """
    failed = (rows["status"] != "ok") & (rows["attack"].map(control_of) == "")
    out = rows.assign(ber=measured_ber(rows), score=rows["score"].mask(failed, -np.inf))
    for name in ("bits", "payload_bytes"):
        out[name] = rows[name].mask(failed, rows.groupby("system")[name].transform("max"))
    cell = [rows["system"], rows["attack"]]
    for name in _PARITIES:
        known = rows[name].notna()
        anywhere, here = (known.groupby(by).transform("any") for by in (rows["system"], cell))
        lost = failed.groupby(cell).transform("all")
        out[name] = rows[name].mask(failed & (here | (anywhere & lost)), 0.0)
    return out


_DTYPES = {"str": "str", "int": "int64", "float": "float64", "bool": "bool"}


def to_frame(rows: Iterable[Row | Mapping[str, Any]]) -> pd.DataFrame:
    """Frame of rows, columns in the order of `Row`, one dtype for each whatever the rows hold."""
    records = [asdict(r) if isinstance(r, Row) else dict(r) for r in rows]
    columns = {}
    for f in fields(Row):
        values = [r[f.name] for r in records]
        if f.type == "float":
            values = [np.nan if v is None else v for v in values]
        columns[f.name] = pd.Series(values, dtype=_DTYPES[str(f.type)])
    return pd.DataFrame(columns)


def from_frame_value(value: Any) -> Any:
    """A JSON value: plain Python, floats to 6 significant digits, NaN and infinity null.

    Six digits are more than any figure here means, and keep summaries free of the last bit's noise.
    """
    if isinstance(value, dict):
        return {str(k): from_frame_value(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [from_frame_value(v) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(f"{float(value):.6g}") if np.isfinite(value) else None
    return value
