"""Plots of a summary: bit errors and payload success by attack, and success against bitrate.

Each function takes rows of one system and suite as they stand in `summary.json` and returns a figure;
`images` writes it as PNG and SVG, the same to the byte each time. A run of very many attacks is drawn by
families: a plot of a thousand lines is ten metres tall and takes a minute.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from soundsafe.eval.analysis.families import FORGERY, FamilyRow
from soundsafe.eval.rows import CONTROLS, NAN, Interval, Summary, SummaryRow, control_of
from soundsafe.eval.rows import Figure as Measurement
from soundsafe.reports.axes import LOWEST_BER

__all__ = [
    "MOST", "ber_by_attack", "images", "many", "plots_of", "success_by_attack", "success_by_bitrate",
    "success_by_family",
]  # fmt: skip

MOST = 150
"""Attacks of a suite that a plot has a line for each of; where there are more, it has one for each family."""

_INK, _BLUE, _ORANGE, _GRID = "#333333", "#1f5fa8", "#c8641b", "#dddddd"


def _pick(rows: Iterable[SummaryRow], category: str, controls: bool = False) -> list[SummaryRow]:
    """Rows of one category; of the controls the plain ones at most."""

    def wanted(attack: str) -> bool:
        return not control_of(attack) or (controls and attack in CONTROLS)

    return [r for r in rows if r.category == category and wanted(r.attack)]


def _figure(lines: int, title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.2, 1.4 + 0.26 * max(3, lines)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=10, color=_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
    axes.xaxis.label.set_fontsize(9)
    axes.yaxis.label.set_fontsize(9)
    return figure, axes


def _whiskers(
    axes: Axes,
    figures: Sequence[tuple[Measurement, Interval]],
    y: Iterable[float],
    color: str,
    marker: str,
    label: str,
    lowest: float = 0.0,
) -> None:
    """A point and, where it is known, an interval for each figure."""
    points = []
    for at, (value, interval) in zip(y, figures, strict=True):
        if interval:
            low, high = (max(lowest, v) for v in interval)
            axes.plot([low, high], [at, at], color=color, linewidth=1.4, alpha=0.55, solid_capstyle="butt")
        if value is not None:
            points.append((max(lowest, value), at))
    if points:
        xs, ys = zip(*points, strict=True)
        axes.plot(xs, ys, marker, color=color, markersize=5, label=label, linestyle="none")


def _drawn(figures: Iterable[Measurement]) -> list[float]:
    """Figures as a line has them: a gap where there is none."""
    return [NAN if v is None else v for v in figures]


def _names(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(len(names) - 0.4, -0.6)


def ber_by_attack(rows: Iterable[SummaryRow], *, title: str, category: str = "all") -> Figure:
    """Raw bit error rate for each attack, with 95 % intervals, on a logarithmic axis."""
    chosen = [r for r in _pick(rows, category, controls=True) if r.ber is not None]
    figure, axes = _figure(len(chosen), title)
    rates = [(r.ber, r.ber_ci95) for r in chosen]
    _whiskers(axes, rates, range(len(chosen)), _BLUE, "o", "BER", LOWEST_BER)
    _names(axes, [r.attack for r in chosen])
    axes.set_xscale("log")
    axes.set_xlim(LOWEST_BER / 1.3, 1.0)
    axes.set_xlabel("raw bit error rate (at the left edge: 0.001 % or less)")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g} %"))
    return figure


def success_by_attack(rows: Iterable[SummaryRow], *, title: str, category: str = "all") -> Figure:
    """Share of EULs and of clips that give the payload, for each attack, with 95 % intervals."""
    chosen = _pick(rows, category)
    alone, whole = ([r.success(whole_clips=way) for r in chosen] for way in (False, True))
    return _success([r.attack for r in chosen], alone, whole, title)


def success_by_family(rows: Iterable[FamilyRow], *, title: str) -> Figure:
    """The same for each family: means in which kinds of attacks weigh the same; forgeries are left out."""
    chosen = [r for r in rows if r.goal != FORGERY and r.attacks]
    alone = [(r.payload_success, r.payload_success_ci95) for r in chosen]
    whole = [(r.clip_success, r.clip_success_ci95) for r in chosen]
    return _success([r.family for r in chosen], alone, whole, title)


def _success(
    names: Sequence[str],
    alone: Sequence[tuple[Measurement, Interval]],
    whole: Sequence[tuple[Measurement, Interval]],
    title: str,
) -> Figure:
    """A line for each name: what seconds give by themselves, and what clips do."""
    figure, axes = _figure(len(names), title)
    places = range(len(names))
    _whiskers(axes, alone, [p - 0.13 for p in places], _BLUE, "o", "one second alone")
    _whiskers(axes, whole, [p + 0.13 for p in places], _ORANGE, "s", "whole clip")
    _names(axes, names)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("payload recovered")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g} %"))
    if names:
        axes.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)
        axes.set_title(title, loc="left", fontsize=10, color=_INK, pad=22)
    return figure


def success_by_bitrate(rows: Iterable[SummaryRow], *, title: str, category: str = "all") -> Figure | None:
    """Payload success against bitrate, a line for each codec; None where no two attacks differ in `kbps`."""
    series: dict[str, list[tuple[float, SummaryRow]]] = {}
    for row in _pick(rows, category):
        kbps = row.params.get("kbps")
        codec, _, ending = row.attack.rpartition("_")
        if isinstance(kbps, (int, float)) and ending == f"{kbps:g}":  # mp3_192_q5: a setting more than that
            series.setdefault(codec, []).append((float(kbps), row))
    series = {name: sorted(points, key=lambda p: p[0]) for name, points in series.items()}
    if max((len(points) for points in series.values()), default=0) < 2:
        return None
    figure, axes = _figure(10, title)
    axes.grid(axis="y", color=_GRID, linewidth=0.6)
    colors = matplotlib.colormaps["tab10"].colors  # type: ignore[attr-defined]
    for i, (codec, points) in enumerate(sorted(series.items())):
        color = colors[i % len(colors)]
        rates = [rate for rate, _ in points]
        axes.plot(
            rates,
            _drawn(r.payload_success for _, r in points),
            "o-",
            color=color,
            label=f"{codec}: one second",
        )
        axes.plot(
            rates, _drawn(r.clip_success for _, r in points), "s--", color=color, alpha=0.7,
            label=f"{codec}: whole clip",
        )  # fmt: skip
        for rate, row in points:
            if row.payload_success_ci95:
                axes.plot([rate, rate], row.payload_success_ci95, color=color, alpha=0.45, linewidth=1.4)
    axes.set_xscale("log", base=2)
    ticks = sorted({rate for points in series.values() for rate, _ in points})
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks], fontsize=8)
    axes.minorticks_off()
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("bitrate, kbit/s")
    axes.set_ylabel("payload recovered")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g} %"))
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    return figure


def many(rows: Iterable[SummaryRow]) -> bool:
    """Whether rows of one suite are of more attacks than a plot can show."""
    return len({r.attack for r in rows if not control_of(r.attack)}) > MOST


def plots_of(summary: Summary, families: Iterable[FamilyRow] = ()) -> dict[str, Figure]:
    """All plots of a summary by file name: for each system and suite, all categories together.

    Args:
        summary: of a run.
        families: of the same run; what is drawn of suites of `many` attacks.
    """
    families = list(families)
    pairs = list(dict.fromkeys((r.system, r.suite) for r in summary.rows))
    figures: dict[str, Figure] = {}
    for system, suite in pairs:
        rows = [r for r in summary.rows if (r.system, r.suite) == (system, suite)]
        end = "" if len(pairs) == 1 else f"_{system}_{suite}"
        title = f"{system}, suite {suite}"
        if many(rows):
            its = [r for r in families if (r.system, r.suite) == (system, suite)]
            figures[f"payload_success{end}"] = success_by_family(its, title=title)
            continue
        figures[f"ber{end}"] = ber_by_attack(rows, title=f"{title}: bit errors")
        figures[f"payload_success{end}"] = success_by_attack(rows, title=title)
        bitrate = success_by_bitrate(rows, title=f"{title}: success against bitrate")
        if bitrate is not None:
            figures[f"bitrate{end}"] = bitrate
    return figures


def images(figure: Figure) -> dict[str, bytes]:
    """The figure as PNG and SVG, by suffix; no dates inside, so that equal figures have equal bytes."""
    out = {}
    with matplotlib.rc_context({"svg.hashsalt": "soundsafe"}):
        for suffix, extra in ((".png", {"Software": None}), (".svg", {"Date": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix[1:], dpi=130, metadata=extra)
            out[suffix] = buffer.getvalue()
    return out
