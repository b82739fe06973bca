"""The plot of parity by band."""

from __future__ import annotations

from soundsafe.eval.rows import BandRow, Summary, SummaryRow
from soundsafe.reports import parity, plots


def _summary(*systems: str) -> Summary:
    bands, rows = [], []
    for system in systems:
        for attack in ("none", "mp3_128"):
            bands.append(BandRow(system, "core", attack, 3, (*[1.0] * 20, *[0.5] * 4)))
            rows.append(SummaryRow(system, "core", attack, {}, "all", parity_slots=1.0))
    return Summary(rows=tuple(rows), parity_by_band=tuple(bands))


def test_one_plot_for_each_suite_with_features() -> None:
    figures = parity.plots_of(_summary("a", "b"))
    assert list(figures) == ["parity_by_band"]
    fields = [axes for axes in figures["parity_by_band"].axes if axes.images]
    assert len(fields) >= 2
    assert plots.images(figures["parity_by_band"])[".png"].startswith(b"\x89PNG")


def test_nothing_measured_draws_nothing() -> None:
    assert parity.plots_of(Summary()) == {}
