"""Allocator parity by critical band: where in frequency embedder and detector agree, and where not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from soundsafe.eval.rows import BandRow, Summary, SummaryRow
from soundsafe.eval.rows import Figure as Measurement
from soundsafe.reports.plots import many

__all__ = ["parity_by_band", "plots_of"]

_INK = "#333333"
_COLUMNS: tuple[tuple[Callable[[SummaryRow], Measurement], str], ...] = (
    (lambda r: r.parity_slots, "slots"),
    (lambda r: r.seed_parity, "seed"),
)


def parity_by_band(bands: Sequence[BandRow], rows: Sequence[SummaryRow], *, title: str) -> Figure:
    """A field for each system: attacks downwards, bands to the right, and behind them whole EULs.

    Args:
        bands: `parity_by_band` of a summary, one suite's.
        rows: its `rows` of the same suite, for slots and seeds.
        title: above the fields.
    """
    systems = list(dict.fromkeys(b.system for b in bands))
    attacks = list(dict.fromkeys(b.attack for b in bands))
    whole = {(r.system, r.attack): r for r in rows if r.category == "all"}
    share = {(b.system, b.attack): b.bands for b in bands}
    count = max(len(b.bands) for b in bands)
    figure = Figure(
        figsize=(1.6 + 4.4 * len(systems), 1.5 + 0.24 * max(3, len(attacks))), layout="constrained"
    )
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, color=_INK)
    fields = figure.subplots(1, len(systems), sharey=True, squeeze=False)[0]
    colours = matplotlib.colormaps["cividis"].with_extremes(bad="#eeeeee")
    image = None
    for axes, system in zip(fields, systems, strict=True):
        table = np.full((len(attacks), count + 1 + len(_COLUMNS)), np.nan)
        for y, attack in enumerate(attacks):
            values = share.get((system, attack))
            if values is not None:
                table[y, : len(values)] = values
            row = whole.get((system, attack))
            for x, (figure_of, _) in enumerate(_COLUMNS):
                value = None if row is None else figure_of(row)
                table[y, count + 1 + x] = np.nan if value is None else value
        table[:, count] = np.nan
        image = axes.imshow(table, aspect="auto", cmap=colours, vmin=0.0, vmax=1.0, interpolation="nearest")
        axes.set_title(system, fontsize=9, loc="left", color=_INK)
        ticks = [*range(0, count, 4), *(count + 1 + x for x in range(len(_COLUMNS)))]
        axes.set_xticks(ticks, [*(str(b) for b in range(0, count, 4)), *(label for _, label in _COLUMNS)])
        axes.tick_params(labelsize=7, length=2)
        for label in axes.get_xticklabels()[-len(_COLUMNS) :]:
            label.set_rotation(90)
        axes.set_yticks(range(len(attacks)), attacks)
        axes.set_xlabel("critical band", fontsize=8)
        axes.spines[:].set_visible(False)
    if image is not None:
        bar = figure.colorbar(image, ax=list(fields), fraction=0.03, pad=0.01)
        bar.ax.tick_params(labelsize=7)
        bar.set_label("share that is exactly equal", fontsize=8)
    return figure


def plots_of(summary: Summary) -> dict[str, Figure]:
    """The plots by file name: one for each suite that has features to compare, and not too many attacks."""
    found = summary.parity_by_band
    suites = [
        suite
        for suite in dict.fromkeys(b.suite for b in found)
        if not many(r for r in summary.rows if r.suite == suite)
    ]
    figures = {}
    for suite in suites:
        end = "" if len(suites) == 1 else f"_{suite}"
        figures[f"parity_by_band{end}"] = parity_by_band(
            [b for b in found if b.suite == suite],
            [r for r in summary.rows if r.suite == suite],
            title=f"Allocator features that agree, suite {suite}",
        )
    return figures
