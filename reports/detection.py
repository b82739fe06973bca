"""Section on detection: false accepts, scores of marked and unmarked audio, ROC."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from soundsafe.eval.frames import ran, refusals_counted
from soundsafe.eval.rows import FALSE_POSITIVE_RATES, SummaryRow, control_of
from soundsafe.eval.rows import Figure as Measurement
from soundsafe.reports import format as fmt
from soundsafe.reports.axes import fitting, share_axis
from soundsafe.reports.cells import name_cell, share_cell
from soundsafe.reports.families import Families
from soundsafe.reports.load import Evidence, Subject
from soundsafe.reports.model import Block, Column, Figure, Folded, Heading, Section, Table, TableCell, Text
from soundsafe.reports.svg import Panel, Point, Series, lines, strips

__all__ = ["Roc", "detection", "roc", "upper_limit"]

_MOST_DOTS = 160

_AT_RATES: tuple[tuple[float, Callable[[SummaryRow], Measurement]], ...] = (
    (FALSE_POSITIVE_RATES["1e2"], lambda r: r.detection_1e2),
    (FALSE_POSITIVE_RATES["1e3"], lambda r: r.detection_1e3),
    (FALSE_POSITIVE_RATES["1e6"], lambda r: r.detection_1e6),
)


@dataclass(frozen=True)
class Roc:
    """Rates at every threshold from above the highest score down, and the area under them."""

    false_rate: NDArray[np.float64]
    true_rate: NDArray[np.float64]
    area: float
    positives: int
    negatives: int


def roc(positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> Roc | None:
    """The empirical ROC of two sets of scores, ties counted half; None where either is empty.

    The area is Mann and Whitney's U over the number of pairs. A positive of minus infinity is a clip that
    failed, detected at no threshold.
    """
    p = positives[np.isfinite(positives) | np.isneginf(positives)]
    n = negatives[np.isfinite(negatives)]
    if not len(p) or not len(n):
        return None
    thresholds = np.unique(np.concatenate([p, n]))[::-1]
    true = np.array([0.0, *(np.mean(p >= t) for t in thresholds)])
    false = np.array([0.0, *(np.mean(n >= t) for t in thresholds)])
    area = float(np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2))
    return Roc(false, true, area, len(p), len(n))


def upper_limit(accepted: int, tested: int, level: float = 0.95) -> float | None:
    """Clopper and Pearson's one-sided upper limit of a rate; None where nothing was tested."""
    if tested <= 0:
        return None
    return 1.0 if accepted >= tested else float(stats.beta.ppf(level, accepted + 1, tested - accepted))


def _clips(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for each clip and attack that ran; marked clips that were refused have a score of -inf."""
    counted = ran(refusals_counted(frame))
    done = (counted["status"] == "ok") | (counted["attack"].map(control_of) == "")
    return counted[done].drop_duplicates(["attack", "clip"])


def _scores(frame: pd.DataFrame, attacks: pd.Series) -> NDArray[np.float64]:
    return frame.loc[attacks, "score"].to_numpy(dtype=float)


def _thinned(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """Which scores to show, in ascending order: at most `_MOST_DOTS`, evenly by rank, both ends kept."""
    order = np.argsort(scores, kind="stable")
    if len(order) <= _MOST_DOTS:
        return order
    return order[np.linspace(0, len(order) - 1, _MOST_DOTS).round().astype(int)]


def _false_accepts(e: Evidence) -> Table:
    columns = (
        Column("System"),
        Column("Control"),
        Column("seconds", True),
        Column("seconds accepted", True),
        Column("Clips", True),
        Column("Clips accepted", True, help="payload or identifier, combining allowed"),
        Column("upper limit, seconds %", True, help="95 %, one-sided"),
        Column("upper limit, clips %", True, help="95 %, one-sided"),
    )
    rows = []
    for s in e.subjects:
        for control in e.controls:
            if not s.keyed and control_of(control) == "wrong_key":
                continue
            part = s.frame[(s.frame["attack"] == control) & (s.frame["status"] == "ok")]
            if not len(part):
                continue
            clips = part.drop_duplicates("clip")
            euls, whole = int(part["payload_ok"].sum()), int((clips["clip_ok"] | clips["id_ok"]).sum())
            rates = [upper_limit(euls, len(part)), upper_limit(whole, len(clips))]
            rows.append(
                (
                    name_cell(s.label),
                    name_cell(control),
                    TableCell(fmt.count(len(part)), len(part)),
                    TableCell(fmt.count(euls), euls),
                    TableCell(fmt.count(len(clips)), len(clips)),
                    TableCell(fmt.count(whole), whole),
                    *(TableCell(fmt.DASH) if r is None else TableCell(fmt.percent(r), r) for r in rates),
                )
            )
    caption = (
        "False accepts: audio without a mark, and marked audio read with another key. Upper limits: "
        "Clopper–Pearson, as if clips were independent, and for seconds as if those of one clip were, too: "
        "where clips are accepted as a whole, the limit by clips holds."
    )
    return Table("false-accepts", caption, columns, tuple(rows))


def _score_strips(e: Evidence, clips: dict[str, pd.DataFrame]) -> list[Figure]:
    out: list[Figure] = []
    for index, s in enumerate(e.subjects):
        frame = clips[s.label]
        known = frame[np.isfinite(frame["score"].astype(float))]
        if not len(known):
            continue
        kinds = known["attack"].map(control_of)
        rows, data = [], []
        thinned = False
        for label, chosen, kind in (
            ("unmarked", kinds == "unmarked", 6), ("wrong key", kinds == "wrong_key", 6),
            ("marked, no attack", known["attack"] == "none", index),
            ("marked, attacked", (kinds == "") & (known["attack"] != "none"), index),
        ):  # fmt: skip
            part = known[chosen]
            shown = part.iloc[_thinned(part["score"].to_numpy(dtype=float))]
            points = [
                Point(float(r.score), tip=f"{r.clip}, {r.attack}: {r.score:.3g}") for r in shown.itertuples()
            ]
            thinned = thinned or len(shown) < len(part)
            if points:
                some = f"{len(points)} of {len(part)}" if len(points) < len(part) else str(len(part))
                rows.append((f"{label} ({some})", kind, points))
                data += [
                    (s.label, label, str(r.attack), str(r.clip), float(r.score)) for r in shown.itertuples()
                ]
        if max(len(points) for _, _, points in rows) < 3:
            continue
        axis = fitting((float(v) for v in known["score"]), "score")
        out.append(
            Figure(
                f"scores-{len(out) + 1}",
                f"{s.label}: detection scores of clips, with medians."
                + (" Of many clips some are shown, evenly by rank." if thinned else ""),
                f"Strip plot of the scores of {s.label} for unmarked, wrongly keyed and marked clips.",
                strips(rows, axis),
                ("system", "kind", "attack", "clip", "score"),
                tuple(data),
            )
        )
    return out


def _rocs(s: Subject, frame: pd.DataFrame) -> dict[str, Roc | None]:
    kinds = frame["attack"].map(control_of).astype(str)
    # Without a key there is no wrong one: what is marked scores as marked.
    negative = _scores(frame, (kinds != "") if s.keyed else (kinds == "unmarked"))
    return {
        "No attack": roc(_scores(frame, frame["attack"] == "none"), negative),
        "All attacks together": roc(_scores(frame, (kinds == "") & (frame["attack"] != "none")), negative),
    }


def _rates(e: Evidence) -> list[Block]:
    """The summary's own figures of the score alone: area, and detection at fixed false-positive rates."""
    able = [s for s in e.subjects if any(s.figures(a.name).auc is not None for a in e.attacks)]
    known = [
        (rate, share) for rate, share in _AT_RATES
        if any(share(s.figures(a.name)) is not None for s in able for a in e.attacks)
    ]  # fmt: skip
    if not able:
        return []
    found = [s.figures(a.name) for s in able for a in e.attacks]
    clips = sorted({f.detection_unmarked_clips for f in found if f.detection_unmarked_clips})
    many = " to ".join(str(v) for v in dict.fromkeys((clips[0], clips[-1]))) if clips else "no"
    known_to_be = {f.detection_calibration for f in found if f.attack != "none"} - {None}
    how = "attacked in the same way" if "unattacked" not in known_to_be else "not attacked"
    if len(known_to_be) > 1:
        how = "attacked in the same way where known"
    columns = [Column("Attack")]
    for s in able:
        columns.append(Column("area", True, s.label, "area under the ROC of clips' scores"))
        columns += [
            Column(f"at {_chance(rate)}", True, s.label,
                   "share of marked clips above the threshold of this false-positive rate, %")
            for rate, _ in known
        ]  # fmt: skip
    rows = []
    for a in e.attacks:
        cells = [name_cell(a.name)]
        for s in able:
            row = s.figures(a.name)
            area = row.auc
            cells.append(TableCell(fmt.DASH) if area is None else TableCell(f"{area:.3f}", area))
            cells += [share_cell(share(row), matrix=True) for _, share in known]
        rows.append(tuple(cells))
    caption = f"The score alone, by attack: area under the ROC against {many} unmarked clips, {how}"
    if beyond := {rate for f in found for rate in f.detection_extrapolated.split(",") if rate}:
        rates = ", ".join(_chance(FALSE_POSITIVE_RATES[r]) for r in FALSE_POSITIVE_RATES if r in beyond)
        how = f"{how}; thresholds at {rates} are extrapolated beyond what these clips show"
        caption = f"The score alone, by attack: area under the ROC against {many} unmarked clips, {how}"
    if known:
        caption += ", and marked clips above the threshold of a false-positive rate, in per cent"
    out: list[Block] = [Heading("By attack"), Table("rates", f"{caption}.", tuple(columns), tuple(rows))]
    if known:
        text = (
            "Thresholds for rates below one in as many as there are unmarked clips are extrapolated: an "
            "exponential tail fitted to the upper half of their scores."
        )
    else:
        text = (
            f"With {many} unmarked clips no threshold of a fixed false-positive rate can be found: at least "
            "8 are needed."
        )
    return [*out, Text(text, "note")]


def _chance(rate: float) -> str:
    return f"{100 * rate:g} %" if rate >= 1e-3 else f"{rate:.0e}".replace("e-0", "e−")


def _forged(e: Evidence, f: Families) -> list[Block]:
    """Unmarked audio that an adversary makes look marked."""
    if not f.forgeries:
        return []
    columns = [Column("Forgery"), *(Column(s.label, True, "clips falsely accepted, %") for s in e.subjects)]
    rows = []
    for part in f.forgeries:
        cells = [name_cell(part.name)]
        for s in e.subjects:
            row = part.figures.get(s.label)
            cells.append(
                TableCell(fmt.DASH) if row is None else share_cell(row.clip_success, row.clip_success_ci95)
            )
        rows.append(tuple(cells))
    caption = "Forgeries: unmarked audio that an adversary makes look marked. Here each success is a failure."
    return [Table("forgeries", caption, tuple(columns), tuple(rows))]


def detection(e: Evidence, f: Families) -> Section | None:
    """False accepts with their upper limits, forgeries, scores, and the ROC over clips."""
    clips = {s.label: _clips(s.frame) for s in e.subjects}
    table = _false_accepts(e)
    found = {s.label: _rocs(s, clips[s.label]) for s in e.subjects}
    blocks: list[Block] = [*([table] if table.rows else []), *_forged(e, f)]
    closed: list[Block] = []
    axis_x, axis_y = share_axis("false accepts, of clips"), share_axis()
    panels, data, areas = [], [], []
    for title in ("No attack", "All attacks together"):
        series = []
        for index, s in enumerate(e.subjects):
            curve = found[s.label][title]
            if curve is None:
                continue
            pairs = list(zip(curve.false_rate.tolist(), curve.true_rate.tolist(), strict=True))
            kept = [
                p
                for i, p in enumerate(pairs)
                if i in (0, len(pairs) - 1)
                or not (
                    pairs[i - 1][0] == p[0] == pairs[i + 1][0] or pairs[i - 1][1] == p[1] == pairs[i + 1][1]
                )
            ]
            series.append(Series(s.label, index, tuple(Point(x, y) for x, y in kept)))
            data += [(s.label, title, x, y) for x, y in kept]
            clean = float(curve.true_rate[curve.false_rate == 0].max())
            areas.append(
                (
                    name_cell(s.label),
                    name_cell(title),
                    TableCell(fmt.count(curve.positives), curve.positives),
                    TableCell(fmt.count(curve.negatives), curve.negatives),
                    TableCell(f"{curve.area:.4f}", curve.area),
                    TableCell(fmt.percent(clean), clean),
                )
            )
        if series:
            panels.append(Panel(title, axis_x, axis_y, tuple(series), marks=False, diagonal=True))
    if panels:
        blocks.append(
            Figure(
                "roc",
                "Receiver operating characteristic of the continuous score, clip by clip: share of marked "
                "clips above a threshold against the share of unmarked and wrongly keyed clips above it.",
                "ROC curves of all systems, without attack and over all attacks.",
                lines(panels, height=260),
                ("system", "attacks", "false_rate", "true_rate"),
                tuple(data),
            )
        )
        closed.append(
            Table(
                "areas",
                "Area under the ROC, and the share of marked clips that score above every clip without the "
                "mark.",
                (
                    Column("System"),
                    Column("Attacks"),
                    Column("Marked clips", True),
                    Column("Other clips", True),
                    Column("Area", True),
                    Column("Above all others %", True),
                ),
                tuple(areas),
            )
        )
    closed += [*_rates(e), *_score_strips(e, clips)]
    if closed:
        blocks.append(Folded("Scores: areas, rates by attack, every clip", tuple(closed)))
    if not blocks:
        return None
    keyless = [s.label for s in e.subjects if not s.keyed]
    if keyless:
        blocks.append(
            Text(
                "Without a key, so that anybody reads and anybody can forge; the control `wrong_key` then "
                f"tells nothing and is left out: {', '.join(keyless)}.",
                "note",
            )
        )
    silent = [s.label for s in e.subjects if not any(found[s.label].values())]
    if silent:
        blocks.append(Text(f"Without a continuous score, hence no ROC: {', '.join(silent)}.", "note"))
    blocks.append(
        Text(
            "By attack from `summary.json`: `auc`, `detection_1e2` and so on; the rest from "
            "`results.parquet`: `score`, `payload_ok`, `clip_ok` and `id_ok`; controls `unmarked` and "
            "`wrong_key`.",
            "source",
        )
    )
    return Section("detection", "Detection and false accepts", tuple(blocks))
