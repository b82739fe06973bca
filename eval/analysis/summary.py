"""Summaries: a function of the frame of rows and nothing else, the same to the byte for the same rows.

Each figure is given for all clips and for each category. What a system refuses counts as its failure; a cell
that ended in another error did not run, and is counted apart. The controls leave out what was refused too (a
false accept rate over decodes that did not happen would flatter).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soundsafe.eval.analysis import sweeps
from soundsafe.eval.analysis.stats import mean_interval, proportion_interval
from soundsafe.eval.documents import rounded
from soundsafe.eval.frames import refusals_counted
from soundsafe.eval.metrics import detection
from soundsafe.eval.metrics.payload import GOODPUT_BITS, capacity, goodput, goodput_of
from soundsafe.eval.rows import (
    JOIN,
    QUALITY,
    RAN,
    BandRow,
    BreakdownRow,
    Figure,
    Interval,
    QualityRow,
    Summary,
    SummaryRow,
    control_of,
    real,
)

__all__ = [
    "band_rows", "breakdown_rows", "by_suite", "lossy_rows", "quality_rows", "summarise", "summary_rows",
]  # fmt: skip

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


def _mean(values: NDArray[np.float64]) -> float | None:
    v = values[~np.isnan(values)]
    return float(v.mean()) if len(v) else None


def _median(values: NDArray[np.float64]) -> float | None:
    v = values[~np.isnan(values)]
    middle = float(np.median(v)) if len(v) else np.inf
    return middle if np.isfinite(middle) else None


def _or_never(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isnan(seconds), np.inf, seconds)


def _most(values: NDArray[np.float64]) -> float:
    return float(np.fmax.reduce(values))


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


_STATUS = {status: i for i, status in enumerate(RAN)}
_FAILED = len(RAN)
_NOTHING = np.zeros(0, dtype=np.int64)

# Figures of rows that a summary is made of; a run of an earlier version may lack the last.
_FIGURES = (
    "ber", "bits", "bit_accuracy", "clip_ok", "clip_s", "iou", "log10_p", "offset_error_samples",
    "parity_3db", "parity_bits", "parity_frames", "parity_slots", "payload_bits", "payload_ok", "score",
    "seed_parity", "time_to_payload_s", "prefix_s",
)  # fmt: skip


class _Part:
    """Some rows of a frame, taken by their positions: a run of every attack has tens of thousands of parts,
    and a frame for each would cost milliseconds."""

    def __init__(
        self,
        columns: Mapping[str, NDArray[np.float64]],
        labels: Mapping[str, NDArray[np.int64]],
        at: NDArray[np.int64],
    ) -> None:
        self._columns, self._labels, self._at = columns, labels, at

    @classmethod
    def of(cls, rows: pd.DataFrame) -> _Part:
        """All of `rows`: their figures as numbers, their clips, groups and statuses numbered."""
        known = (name for name in _FIGURES if name in rows)
        names = ("clip", "group")
        labels = {n: np.unique(rows[n].to_numpy(dtype=str), return_inverse=True)[1] for n in names}
        status = rows["status"].map(_STATUS).fillna(_FAILED).to_numpy(dtype=np.int64)
        return cls(
            {name: rows[name].to_numpy(dtype=np.float64) for name in known},
            labels | {"status": status},
            np.arange(len(rows)),
        )

    def __len__(self) -> int:
        return len(self._at)

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return self._columns[name][self._at]

    def label(self, name: str) -> NDArray[np.int64]:
        """Numbers of what the rows have in a column of names; equal numbers are equal names."""
        return self._labels[name][self._at]

    def at(self, positions: NDArray[np.int64]) -> _Part:
        """Rows of the whole frame."""
        return _Part(self._columns, self._labels, positions)

    def where(self, chosen: NDArray[np.bool_]) -> _Part:
        """Those of these rows that are chosen."""
        return _Part(self._columns, self._labels, self._at[chosen])

    def first_of_clips(self) -> _Part:
        """The first row of each clip."""
        first = np.unique(self.label("clip"), return_index=True)[1]
        return _Part(self._columns, self._labels, self._at[np.sort(first)])


def _positions(rows: pd.DataFrame, by: list[str]) -> dict[tuple[str, ...], NDArray[np.int64]]:
    """Where the rows of each group are (their index), groups in the order in which they first appear."""
    codes = rows.groupby(by, sort=False).ngroup().to_numpy()
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    keys = rows[by].drop_duplicates().itertuples(index=False, name=None)
    return dict(zip(keys, np.split(rows.index.to_numpy()[order], starts[1:]), strict=False))


@dataclass(frozen=True)
class _Detected:
    """Shares of clips above the threshold of each false-positive rate, with their intervals, by the rate's
    name; and the rates whose thresholds are extrapolated."""

    share: Mapping[str, Figure]
    interval: Mapping[str, Interval]
    false_positives: Mapping[str, Interval]
    extrapolated: tuple[str, ...]


def _detected(clips: _Part, unmarked: _Part, extrapolate: bool) -> _Detected:
    share: dict[str, Figure] = {}
    interval: dict[str, Interval] = {}
    false_positives: dict[str, Interval] = {}
    known = unmarked.where(np.isfinite(unmarked["score"]))
    groups = len(np.unique(known.label("group")))
    scores = clips["score"]
    extrapolated = []
    for name, rate in detection.FALSE_POSITIVE_RATES.items():
        point = detection.operating_point(known["score"], rate, groups=groups, extrapolate=extrapolate)
        told = ~np.isnan(scores)
        if point is None or not told.any():
            share[name] = interval[name] = false_positives[name] = None
            continue
        above = np.where(told, scores > point.threshold, np.nan)
        share[name] = float(np.nanmean(above))
        interval[name] = proportion_interval(above, clips.label("group"))
        false_positives[name] = point.false_positives
        extrapolated += [name] * point.extrapolated
    return _Detected(share, interval, false_positives, tuple(extrapolated))


def _row(head: SummaryRow, rows: _Part, unmarked: _Part, attacked: bool, extrapolate: bool) -> SummaryRow:
    """`head` with the figures of one attack on one category: `rows` are its EULs, `unmarked` clips without a
    mark, which are `attacked` in the same way or not at all."""
    control = not real(head.attack)
    status = rows.label("status")
    failures, refused = int((status == _FAILED).sum()), int((status == _STATUS["refused"]).sum())
    if control:
        rows, unmarked, refused = rows.where(status == _STATUS["ok"]), unmarked.at(_NOTHING), 0
    else:
        rows = rows.where(status != _FAILED)
    clips = rows.first_of_clips()
    groups, of_clips = rows.label("group"), clips.label("group")
    bits = _most(rows["bits"]) if len(rows) else 0.0
    success = _mean(rows["payload_ok"])
    size = _most(clips["payload_bits"]) if len(clips) else None
    mean_ber = _mean(rows["ber"])
    by_prefixes = "prefix_s" in clips and bool((~np.isnan(clips["prefix_s"])).any())
    needed = _or_never(clips["prefix_s"]) if by_prefixes else clips["time_to_payload_s"]
    times = [] if control else _or_never(needed).tolist()
    goodputs = [goodput_of(n, (size or 0) / 8, times) if times else None for n in GOODPUT_BITS]
    scores = clips["score"], unmarked["score"]
    detected = _detected(clips, unmarked, extrapolate)
    known = int((~np.isnan(unmarked["score"])).sum())
    calibration = "attacked" if attacked else "unattacked"
    return replace(
        head,
        clips=len(clips),
        euls=len(rows),
        payload_bits=None if size is None else round(size),
        seconds=_number(float(clips["clip_s"].sum())) if len(clips) else 0.0,
        groups=len(np.unique(groups)),
        failed_euls=failures,
        refused_euls=refused,
        ber=mean_ber,
        ber_ci95=mean_interval(rows["ber"], groups, trials=bits or 1.0),
        payload_success=success,
        payload_success_ci95=proportion_interval(rows["payload_ok"], groups),
        clip_success=_mean(clips["clip_ok"]),
        clip_success_ci95=proportion_interval(clips["clip_ok"], of_clips),
        time_to_payload_s=None if control else _median(needed),
        goodput_bps=None if control or success is None or size is None else goodput(success, size / 8),
        goodput_16_bps=goodputs[0],
        goodput_40_bps=goodputs[1],
        goodput_128_bps=goodputs[2],
        capacity_bits=None if control or mean_ber is None else capacity(bits, mean_ber),
        auc=_number(detection.auc(*scores)),
        detection_1e2=detected.share["1e2"],
        detection_1e3=detected.share["1e3"],
        detection_1e6=detected.share["1e6"],
        detection_unmarked_clips=known,
        detection_calibration=calibration if known else None,
        parity_frames=_mean(rows["parity_frames"]),
        parity_bits=_mean(rows["parity_bits"]),
        parity_slots=_mean(rows["parity_slots"]),
        seed_parity=_mean(rows["seed_parity"]),
        offset_error_samples=_median(np.abs(rows["offset_error_samples"])),
        bit_accuracy=_mean(clips["bit_accuracy"]),
        log10_p=_median(clips["log10_p"]),
        iou=_mean(clips["iou"]),
        parity_3db=_mean(rows["parity_3db"]),
        detection_1e2_ci95=detected.interval["1e2"],
        detection_1e3_ci95=detected.interval["1e3"],
        detection_1e6_ci95=detected.interval["1e6"],
        detection_1e2_fpr_ci95=detected.false_positives["1e2"],
        detection_1e3_fpr_ci95=detected.false_positives["1e3"],
        detection_1e6_fpr_ci95=detected.false_positives["1e6"],
        detection_extrapolated=",".join(detected.extrapolated),
        time_to_payload_by=None if control else "prefixes" if by_prefixes else "seconds",
    )


def summary_rows(rows: pd.DataFrame, *, extrapolate: bool = False) -> list[SummaryRow]:
    """A row for each system × suite × attack × category, in the order in which they first appear.

    Args:
        rows: of a run.
        extrapolate: find thresholds of false-positive rates beyond what the unmarked clips show.
    """
    return _rows_of(rows, extrapolate, whole=True)


def _rows_of(rows: pd.DataFrame, extrapolate: bool, *, whole: bool) -> list[SummaryRow]:
    """`summary_rows`, with those of all categories together (`whole`) or without."""
    rows = by_suite(refusals_counted(rows))
    whole_part = _Part.of(rows)
    category, params = (rows[name].to_numpy(dtype=object) for name in ("category", "params"))
    plain = rows[(rows["attack"].map(control_of) == "unmarked") & (rows["status"] == "ok")]
    plain = plain.drop_duplicates(["system", "attack", "clip"])
    controls = _positions(plain, ["system", "attack"])
    categories = {
        str(system): _categories(its)[not whole :] for system, its in rows.groupby("system", sort=False)
    }
    out: list[SummaryRow] = []
    for (system, suite, attack), at in _positions(rows, ["system", "suite", "attack"]).items():
        same = controls.get((system, f"unmarked{JOIN}{attack}"), _NOTHING)
        attacked = len(same) > 0 or attack == "none"
        unmarked = same if len(same) else controls.get((system, "unmarked"), _NOTHING)
        for name in categories[system]:
            chosen = at if name == "all" else at[category[at] == name]
            if not len(chosen):
                continue
            head = SummaryRow(system, suite, attack, json.loads(params[chosen[0]]), name)
            alike = unmarked if name == "all" else unmarked[category[unmarked] == name]
            part = _row(head, whole_part.at(chosen), whole_part.at(alike), attacked, extrapolate)
            out.append(rounded(part))
    order = {key: i for i, key in enumerate(dict.fromkeys((r.system, r.suite) for r in out))}
    return sorted(out, key=lambda r: order[r.system, r.suite])


def lossy_rows(rows: pd.DataFrame) -> list[SummaryRow]:
    """The figures of `summary_rows` for clips that were coded lossily before and for those that were not.

    Their category is that: `yes` or `no`. Nothing where the manifest does not say.
    """
    known = rows[rows["lossy"] != ""]
    return _rows_of(known.assign(category=known["lossy"]), False, whole=False) if len(known) else []


def breakdown_rows(summary: Iterable[SummaryRow]) -> list[BreakdownRow]:
    """A row for each system × suite × sweep of an attack's strength, from `summary_rows`, all categories."""
    out = []
    mine = [r for r in summary if r.category == "all" and real(r.attack)]
    for system, suite in dict.fromkeys((r.system, r.suite) for r in mine):
        rows = {r.attack: r for r in mine if (r.system, r.suite) == (system, suite)}
        for sweep in sweeps.sweeps((name, r.params) for name, r in rows.items()):
            payload = [rows[a].payload_success for a in sweep.attacks]
            clip = [rows[a].clip_success for a in sweep.attacks]
            row = BreakdownRow(
                system,
                suite,
                sweep.stem,
                sweep.parameter,
                values=sweep.values,
                payload_success=tuple(payload),
                payload_breaks_at=tuple(sweeps.breakdowns(sweep.values, payload)),
                clip_success=tuple(clip),
                clip_breaks_at=tuple(sweeps.breakdowns(sweep.values, clip)),
            )
            out.append(rounded(row))
    return out


def band_rows(rows: pd.DataFrame) -> list[BandRow]:
    """A row for each system × suite × attack that has features, over all EULs; in one that was refused no
    band agrees."""
    rows = by_suite(rows)
    bands = rows["parity_bands"].to_numpy(dtype=object)
    refused = rows["status"].to_numpy(dtype=object) == "refused"
    out = []
    for (system, suite, attack), at in _positions(rows, ["system", "suite", "attack"]).items():
        measured = [text for text in bands[at] if text]
        if not measured:
            continue
        shares = np.array([[float(v) for v in text.split(",")] for text in measured])
        euls = len(measured) + int(refused[at].sum())
        out.append(rounded(BandRow(system, suite, attack, euls, tuple((shares.sum(axis=0) / euls).tolist()))))
    return out


def _worst(values: pd.Series, worst: str) -> float:
    return float(values.min() if worst == "min" else values.max())


def quality_rows(rows: pd.DataFrame) -> list[QualityRow]:
    """A row for each system × category, over marked clips; `clips` counts those that were measured."""
    control = rows["attack"].map(control_of) != ""
    out = []
    for system in rows["system"].unique():
        mine = rows[rows["system"] == system]
        for category in _categories(mine):
            part = mine if category == "all" else mine[mine["category"] == category]
            if not len(part):
                continue
            # A clip's first figure: some of its cells may have ended before anything was measured.
            clips = part.groupby("clip", sort=False)[[n for n in QUALITY if n in part]].first()
            figures: dict[str, Figure] = {}
            for name in QUALITY:
                if name not in clips:  # a run of an earlier version
                    continue
                values = clips[name].abs() if name == "lufs_difference" else clips[name]
                figures |= {name: _mean(values), f"{name}_worst": _worst(values, _WORST[name])}
            tested = part[control[part.index] & (part["status"] == "ok")]
            row = QualityRow(
                system=system,
                category=category,
                clips=int(clips.notna().any(axis=1).sum()),
                unmarked_euls=len(tested),
                false_accepts=_false_accepts(tested),
                **figures,
            )
            out.append(rounded(row))
    return out


def summarise(rows: pd.DataFrame, *, extrapolate: bool = False) -> Summary:
    """All that a run says of its rows: the document `summary.json`. Arguments as of `summary_rows`."""
    found = summary_rows(rows, extrapolate=extrapolate)
    return Summary(
        rows=tuple(found),
        quality=tuple(quality_rows(rows)),
        parity_by_band=tuple(band_rows(rows)),
        breakdown=tuple(breakdown_rows(found)),
        by_lossy=tuple(lossy_rows(rows)),
    )


def _false_accepts(tested: pd.DataFrame) -> int:
    if not len(tested):
        return 0
    clips = tested.groupby(["attack", "clip"], sort=False)[["payload_ok", "clip_ok", "id_ok"]].agg(
        {"payload_ok": "sum", "clip_ok": "max", "id_ok": "max"}
    )
    whole = (clips["payload_ok"] == 0) & (clips["clip_ok"] | clips["id_ok"])
    return int(clips["payload_ok"].sum() + whole.sum())
