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

from soundsafe.eval.analysis import sweeps
from soundsafe.eval.analysis.stats import mean_interval, proportion_interval
from soundsafe.eval.metrics import detection
from soundsafe.eval.metrics.payload import GOODPUT_BITS, capacity, goodput, goodput_of
from soundsafe.eval.rows import JOIN, control_of, failures_counted, from_frame_value
from soundsafe.files.tables import in_cell

__all__ = [
    "band_rows",
    "breakdown_rows",
    "by_suite",
    "csv_bytes",
    "lossy_rows",
    "quality_rows",
    "summary_json",
    "summary_rows",
    "table_bytes",
]

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


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _detection(clips: pd.DataFrame, unmarked: pd.DataFrame, attacked: bool) -> dict[str, Any]:
    """How well the score tells marked from unmarked clips; all null where there is nothing to compare."""
    scores = clips["score"], unmarked["score"]
    out: dict[str, Any] = {"auc": _number(detection.auc(*scores))}
    for ending, rate in detection.FALSE_POSITIVE_RATES.items():
        out[f"detection_{ending}"] = _number(detection.detection_rate(*scores, rate))
    known = int(unmarked["score"].notna().sum())
    out["detection_unmarked_clips"] = known
    out["detection_calibration"] = ("attacked" if attacked else "unattacked") if known else None
    return out


def _figures(rows: pd.DataFrame, unmarked: pd.DataFrame, attacked: bool) -> dict[str, Any]:
    """The figures of one attack on one category: `rows` are its EULs, `unmarked` clips without a mark, which
    are `attacked` in the same way or not at all."""
    control = bool(control_of(str(rows["attack"].iloc[0])))
    failures = int((rows["status"] != "ok").sum())
    if control:
        rows = rows[rows["status"] == "ok"]
    clips = rows.drop_duplicates(_CLIP)
    bits = rows["bits"].max() if len(rows) else 0
    success = _mean(rows["payload_ok"].astype(float))
    size = float(clips["payload_bytes"].max()) if len(clips) else None
    offset = _mean(rows["offset_error_samples"].abs()) is not None
    mean_ber = _mean(rows["ber"])
    times = [] if control else clips["time_to_payload_s"].fillna(np.inf).tolist()
    found = _detection(clips, unmarked.iloc[:0] if control else unmarked, attacked)
    return {
        "clips": len(clips),
        "euls": len(rows),
        "payload_bits": None if size is None else round(8 * size),
        "seconds": _number(float(clips["clip_s"].sum(skipna=False))) if len(clips) else 0.0,
        "groups": int(rows["group"].nunique()),
        "failed_euls": failures,
        "ber": mean_ber,
        "ber_ci95": mean_interval(rows["ber"], rows["group"], trials=float(bits or 1)),
        "payload_success": success,
        "payload_success_ci95": proportion_interval(rows["payload_ok"], rows["group"]),
        "clip_success": _mean(clips["clip_ok"].astype(float)),
        "clip_success_ci95": proportion_interval(clips["clip_ok"], clips["group"]),
        "time_to_payload_s": None if control else _median(clips["time_to_payload_s"]),
        "goodput_bps": None if control or success is None or size is None else goodput(success, size),
        **{f"goodput_{n}_bps": goodput_of(n, size or 0, times) if times else None for n in GOODPUT_BITS},
        "capacity_bits": None if control or mean_ber is None else capacity(float(bits), mean_ber),
        **found,
        "parity_frames": _mean(rows["parity_frames"]),
        "parity_bits": _mean(rows["parity_bits"]),
        "parity_slots": _mean(rows["parity_slots"]),
        "seed_parity": _mean(rows["seed_parity"]),
        "offset_error_samples": _median(rows["offset_error_samples"].abs()) if offset else None,
    }


def summary_rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One dict for each system × suite × attack × category, in the order in which they first appear.

    A step that failed counts as one: nothing decoded, detected below everything else, no parity. Shares and
    rates lie in [0, 1]; intervals are (low, high) at 95 %, clustered by `group`, null below five
    groups. `payload_bits` is what a clip was given to carry, `seconds` the clips' length together before any
    attack. `time_to_payload_s` is the median over clips, null where half of them never give the payload.
    `offset_error_samples` is the median distance. For `unmarked` and `wrong_key`, `payload_success` and
    `clip_success` are shares of false accepts. `detection_1e2`, `_1e3` and `_1e6` are shares of clips that
    score above the threshold of that false-positive rate, found on `detection_unmarked_clips` unmarked clips,
    attacked in the same way where the run has them (`detection_calibration`); where these are fewer than the
    inverse of the rate, the threshold is that of a fitted tail.
    """
    rows = by_suite(failures_counted(rows))
    plain = rows[(rows["attack"].map(control_of) == "unmarked") & (rows["status"] == "ok")]
    plain = plain.drop_duplicates(["system", "attack", "clip"])
    out = []
    for (system, suite, attack), part in rows.groupby(["system", "suite", "attack"], sort=False):
        mine = plain[plain["system"] == system]
        same = mine[mine["attack"] == f"unmarked{JOIN}{attack}"]
        attacked = len(same) > 0 or attack == "none"
        unmarked = same if len(same) else mine[mine["attack"] == "unmarked"]
        for category in _categories(rows[rows["system"] == system]):
            chosen = part if category == "all" else part[part["category"] == category]
            if not len(chosen):
                continue
            head = {"system": system, "suite": suite, "attack": attack}
            head["params"] = json.loads(chosen["params"].iloc[0])
            alike = unmarked if category == "all" else unmarked[unmarked["category"] == category]
            out.append(from_frame_value(head | {"category": category} | _figures(chosen, alike, attacked)))
    order = {key: i for i, key in enumerate(dict.fromkeys((r["system"], r["suite"]) for r in out))}
    return sorted(out, key=lambda r: order[r["system"], r["suite"]])


def lossy_rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The figures of `summary_rows` for clips that were coded lossily before and for those that were not.

    `lossy` (`yes` or `no`) stands in place of `category`; nothing where the manifest does not say.
    """
    known = rows[rows["lossy"] != ""]
    found = summary_rows(known.assign(category=known["lossy"])) if len(known) else []
    return [
        {"lossy" if name == "category" else name: value for name, value in row.items()}
        for row in found
        if row["category"] != "all"
    ]


def breakdown_rows(summary: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One dict for each system × suite × sweep of an attack's strength, from `summary_rows`, all categories.

    `payload_breaks_at` and `clip_breaks_at` list the strengths at which success crosses one half, between
    `values` by linear interpolation; empty where it crosses nowhere.
    """
    out = []
    mine = [r for r in summary if r["category"] == "all" and not control_of(r["attack"])]
    for system, suite in dict.fromkeys((r["system"], r["suite"]) for r in mine):
        rows = {r["attack"]: r for r in mine if (r["system"], r["suite"]) == (system, suite)}
        for sweep in sweeps.sweeps((name, r["params"]) for name, r in rows.items()):
            line = {"system": system, "suite": suite, "sweep": sweep.stem, "parameter": sweep.parameter}
            line["values"] = list(sweep.values)
            for short in ("payload", "clip"):
                success = [rows[a][f"{short}_success"] for a in sweep.attacks]
                line[f"{short}_success"] = success
                line[f"{short}_breaks_at"] = sweeps.breakdowns(sweep.values, success)
            out.append(dict(from_frame_value(line)))
    return out


def band_rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """One dict for each system × suite × attack that has features: their parity by critical band.

    `bands` lists shares of frames, 0 to 1, from the lowest band to the highest, over all EULs; in one whose
    step failed none agrees.
    """
    out = []
    for (system, suite, attack), part in by_suite(rows).groupby(["system", "suite", "attack"], sort=False):
        measured = part.loc[part["parity_bands"] != "", "parity_bands"]
        if not len(measured):
            continue
        shares = np.array([[float(v) for v in text.split(",")] for text in measured])
        euls = len(measured) + int((part["status"] != "ok").sum())
        head = {"system": system, "suite": suite, "attack": attack, "euls": euls}
        out.append(from_frame_value(head | {"bands": (shares.sum(axis=0) / euls).tolist()}))
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
    return table_bytes(pd.DataFrame(flat, dtype=object))


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
