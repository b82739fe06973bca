"""Summaries: a function of the frame of rows and nothing else, the same to the byte for the same rows.

Each figure is given for all clips and for each category. Failures count as failures; only the controls leave
out clips that were never tested (a false accept rate over decodes that did not happen would flatter).
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pandas as pd

from soundsafe.eval.metrics.payload import goodput
from soundsafe.eval.rows import control_of, from_frame_value
from soundsafe.eval.stats import mean_interval, proportion_interval

__all__ = ["band_rows", "by_suite", "csv_bytes", "quality_rows", "summary_json", "summary_rows"]

_CLIP = ["system", "suite", "attack", "clip"]
# For each marked clip's figure: which extreme is the worst.
_WORST = {
    "snr_db": "min", "zimtohrli": "max", "visqol": "min", "nmr_db": "max", "lufs_difference": "max",
    "clipped_samples": "max", "silence_peak": "max", "pesq": "min", "stoi": "min",
}  # fmt: skip


def by_suite(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with one suite each: a row asked for by several suites is repeated in each."""
    out = rows.assign(suite=rows["suite"].str.split(","))
    return out.explode("suite", ignore_index=True)


def _categories(rows: pd.DataFrame) -> list[str]:
    return ["all", *sorted(c for c in rows["category"].unique() if c and c != "all")]


def _mean(values: pd.Series) -> float | None:
    v = values.dropna()
    return float(v.mean()) if len(v) else None


def _median(values: pd.Series) -> float | None:
    v = values.dropna()
    middle = float(np.median(v)) if len(v) else np.inf
    return middle if np.isfinite(middle) else None


def _figures(rows: pd.DataFrame) -> dict[str, Any]:
    """The figures of one attack on one category: `rows` are its EULs."""
    control = bool(control_of(str(rows["attack"].iloc[0])))
    failures = int((rows["status"] != "ok").sum())
    if control:
        rows = rows[rows["status"] == "ok"]
    clips = rows.drop_duplicates(_CLIP)
    bits = rows["bits"].max() if len(rows) else 0
    ber = rows.loc[rows["bits"] > 0, "ber"] if bits else rows["ber"].iloc[:0]
    success = _mean(rows["payload_ok"].astype(float))
    size = _mean(clips["payload_bytes"].astype(float))
    offset = _mean(rows["offset_error_samples"].abs()) is not None
    return {
        "clips": len(clips),
        "euls": len(rows),
        "groups": int(rows["group"].nunique()),
        "failed_euls": failures,
        "ber": _mean(ber),
        "ber_ci95": mean_interval(ber, rows.loc[ber.index, "group"], trials=float(bits or 1)),
        "payload_success": success,
        "payload_success_ci95": proportion_interval(rows["payload_ok"], rows["group"]),
        "clip_success": _mean(clips["clip_ok"].astype(float)),
        "clip_success_ci95": proportion_interval(clips["clip_ok"], clips["group"]),
        "time_to_payload_s": None if control else _median(clips["time_to_payload_s"]),
        "goodput_bps": None if control or success is None or size is None else goodput(success, size),
        "parity_frames": _mean(rows["parity_frames"]),
        "parity_bits": _mean(rows["parity_bits"]),
        "parity_slots": _mean(rows["parity_slots"]),
        "seed_parity": _mean(rows["seed_parity"]),
        "offset_error_samples": _median(rows["offset_error_samples"].abs()) if offset else None,
    }


def summary_rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One dict for each system × suite × attack × category, in the order in which they first appear.

    Shares and rates lie in [0, 1]; intervals are (low, high) at 95 %, clustered by `group`, null below five
    groups. `time_to_payload_s` is the median over clips, null where half of them never give the payload.
    `offset_error_samples` is the median distance. For `unmarked` and `wrong_key`, `payload_success` and
    `clip_success` are shares of false accepts.
    """
    rows = by_suite(rows)
    out = []
    for (system, suite, attack), part in rows.groupby(["system", "suite", "attack"], sort=False):
        for category in _categories(rows[rows["system"] == system]):
            chosen = part if category == "all" else part[part["category"] == category]
            if not len(chosen):
                continue
            head = {"system": system, "suite": suite, "attack": attack}
            head["params"] = json.loads(chosen["params"].iloc[0])
            out.append(from_frame_value(head | {"category": category} | _figures(chosen)))
    order = {key: i for i, key in enumerate(dict.fromkeys((r["system"], r["suite"]) for r in out))}
    return sorted(out, key=lambda r: order[r["system"], r["suite"]])


def band_rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One dict for each system × suite × attack that has features: their parity by critical band.

    `bands` lists shares of frames, 0 to 1, from the lowest band to the highest, over all EULs.
    """
    measured = by_suite(rows[rows["parity_bands"] != ""])
    out = []
    for (system, suite, attack), part in measured.groupby(["system", "suite", "attack"], sort=False):
        shares = np.array([[float(v) for v in text.split(",")] for text in part["parity_bands"]])
        head = {"system": system, "suite": suite, "attack": attack, "euls": len(part)}
        out.append(from_frame_value(head | {"bands": shares.mean(axis=0).tolist()}))
    return out


def quality_rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One dict for each system × category: means and worst over marked clips, and the false accepts.

    `lufs_difference` is averaged, and its worst taken, without its sign. `false_accepts` counts EULs
    accepted in `unmarked` and `wrong_key` audio (attacked or not), and clips accepted without any such EUL
    (by combining, or by the ID alone), out of `unmarked_euls`.
    """
    control = rows["attack"].map(control_of) != ""
    out = []
    for system in rows["system"].unique():
        mine = rows[rows["system"] == system]
        for category in _categories(mine):
            part = mine if category == "all" else mine[mine["category"] == category]
            if not len(part):
                continue
            row: dict[str, Any] = {"system": system, "category": category}
            clips = part.drop_duplicates(["clip"])
            row["clips"] = len(clips)
            for name, worst in _WORST.items():
                if name not in clips:  # a run of an earlier version
                    row[name] = row[f"{name}_worst"] = None
                    continue
                values = clips[name].abs() if name == "lufs_difference" else clips[name]
                row[name] = _mean(values)
                row[f"{name}_worst"] = getattr(values, worst)()
            tested = part[control[part.index] & (part["status"] == "ok")]
            row["unmarked_euls"] = len(tested)
            row["false_accepts"] = _false_accepts(tested)
            out.append(from_frame_value(row))
    return out


def _false_accepts(tested: pd.DataFrame) -> int:
    if not len(tested):
        return 0
    clips = tested.groupby(["attack", "clip"], sort=False)[["payload_ok", "clip_ok", "id_ok"]].agg(
        {"payload_ok": "sum", "clip_ok": "max", "id_ok": "max"}
    )
    whole = (clips["payload_ok"] == 0) & (clips["clip_ok"] | clips["id_ok"])
    return int(clips["payload_ok"].sum() + whole.sum())


def summary_json(summary: dict[str, Any]) -> bytes:
    """The bytes of `summary.json`."""
    return (json.dumps(summary, indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def csv_bytes(items: list[dict[str, Any]]) -> bytes:
    """Dicts as CSV: an interval gives two columns (`_low`, `_high`), a list one for each entry.

    Parameters are JSON, null is empty.
    """
    flat = []
    for item in items:
        line: dict[str, Any] = {}
        for name, value in item.items():
            if name.endswith("_ci95"):
                line[f"{name}_low"], line[f"{name}_high"] = value if value else (None, None)
            elif isinstance(value, list):
                line |= {f"{name.removesuffix('s')}_{i:02d}": v for i, v in enumerate(value)}
            elif isinstance(value, dict):
                line[name] = json.dumps(value, sort_keys=True, separators=(",", ":"))
            else:
                line[name] = value
        flat.append(line)
    frame = pd.DataFrame(flat, dtype=object)
    buffer = io.StringIO()
    frame.to_csv(buffer, index=False, lineterminator="\n")
    return buffer.getvalue().encode()
