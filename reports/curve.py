"""The curve of distance against survival, as a figure and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from soundsafe.eval.analysis.curve import CurvePoint

__all__ = ["curve_figure", "curve_lines"]

_COLUMNS = 3


def curve_figure(points: Sequence[CurvePoint]) -> Figure:
    """Share of clips that give the payload against the distance, a panel for each attack, a line for each
    size of payload; whiskers are intervals clustered by group.

    Args:
        points: at least one.
    """
    attacks = list(dict.fromkeys(point.attack for point in points))
    columns = min(_COLUMNS, len(attacks))
    rows = -(-len(attacks) // columns)
    figure = Figure(figsize=(3.4 * columns, 2.9 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    for attack, axes in zip(attacks, panels, strict=False):  # attacks first: no panel is taken in vain
        its = [
            p for p in points if p.attack == attack and p.zimtohrli is not None and p.clip_success is not None
        ]
        for size in dict.fromkeys(point.payload_bytes for point in its):
            line = sorted((p for p in its if p.payload_bytes == size), key=lambda p: p.zimtohrli or 0.0)
            x = [1e5 * (p.zimtohrli or 0.0) for p in line]
            y = [100.0 * (p.clip_success or 0.0) for p in line]
            ends = [p.clip_success_ci95 or (p.clip_success or 0.0,) * 2 for p in line]
            low = [max(0.0, v - 100.0 * end[0]) for v, end in zip(y, ends, strict=True)]
            high = [max(0.0, 100.0 * end[1] - v) for v, end in zip(y, ends, strict=True)]
            axes.errorbar(
                x, y, yerr=[low, high], marker="o", markersize=3, capsize=2, lw=1, label=f"{size} bytes"
            )
        axes.set_title(attack, fontsize=9)
        axes.set_ylim(-4, 104)
        axes.grid(alpha=0.3)
    for axes in list(panels):
        axes.set_visible(False)
    figure.supxlabel("Zimtohrli distance, 1e-5", fontsize=9)
    figure.supylabel("clips that give the payload, %", fontsize=9)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5, fontsize=8, frameon=False)
    return figure


def curve_lines(points: Sequence[CurvePoint]) -> list[str]:
    """The table in Markdown: a line for each size and strength, a column for each attack with the shares of
    clips and, behind the stroke, of single seconds, in percent."""
    attacks = list(dict.fromkeys(point.attack for point in points))
    at = {(p.payload_bytes, p.strength, p.attack): p for p in points}
    lines = [
        f"| bytes | strength | distance, 1e-5 | NMR, dB | {' | '.join(f'`{a}`' for a in attacks)} |",
        f"|--:|---|--:|--:|{'--:|' * len(attacks)}",
    ]
    for size, strength in dict.fromkeys((p.payload_bytes, p.strength) for p in points):
        its = [at.get((size, strength, attack)) for attack in attacks]
        sound = next(p for p in its if p is not None)
        distance = "–" if sound.zimtohrli is None else f"{1e5 * sound.zimtohrli:.1f}"
        noise = "–" if sound.nmr_db is None else f"{sound.nmr_db:.1f}"
        cells = " | ".join(
            "–" if p is None else f"{_percent(p.clip_success)}/{_percent(p.payload_success)}" for p in its
        )
        lines.append(f"| {size} | {strength} | {distance} | {noise} | {cells} |")
    return lines


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}"
