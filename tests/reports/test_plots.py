"""Plots are drawn for what a summary may hold, the same to the byte each time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from soundsafe.eval.analysis.families import FORGERY, FamilyRow
from soundsafe.eval.rows import Summary, SummaryRow
from soundsafe.reports import plots


def _row(attack: str, **changes: Any) -> SummaryRow:
    row = SummaryRow(
        "s", "t", attack, {}, "all", ber=0.01, ber_ci95=(0.001, 0.02), payload_success=0.9,
        payload_success_ci95=(0.7, 1.0), clip_success=1.0,
    )  # fmt: skip
    return replace(row, **changes)


ROWS = [
    _row("none", ber=0.0, ber_ci95=(0.0, 1e-6)),
    _row("unmarked", ber=0.5),
    _row("mp3_192", params={"kbps": 192}),
    _row("mp3_64", params={"kbps": 64}, payload_success=0.0),
    _row("mp3_64", params={"kbps": 64}, category="speech"),
]


@pytest.mark.slow
def test_all_plots_of_one_suite() -> None:
    figures = plots.plots_of(Summary(tuple(ROWS)))
    assert list(figures) == ["ber", "payload_success", "bitrate"]
    names = [t.get_text() for t in figures["payload_success"].axes[0].get_yticklabels()]
    assert names == ["none", "mp3_192", "mp3_64"]
    again = plots.plots_of(Summary(tuple(ROWS)))
    for name, figure in figures.items():
        first = plots.images(figure)
        assert first == plots.images(again[name])
        assert first[".png"].startswith(b"\x89PNG")
        assert b"<svg" in first[".svg"]


def test_names_tell_systems_and_suites_apart() -> None:
    figures = plots.plots_of(Summary((*ROWS, *(replace(r, system="u") for r in ROWS))))
    assert set(figures) >= {"ber_s_t", "ber_u_t", "bitrate_u_t"}


def test_too_many_attacks_are_drawn_by_families() -> None:
    rows = [_row(f"gain_{i}dB") for i in range(plots.MOST + 1)]
    family = FamilyRow("s", "t", "gain", attacks=len(rows), clip_success=1.0, payload_success=0.9)
    forged = FamilyRow("s", "t", "copy", goal=FORGERY, attacks=1, clip_success=0.0)
    figures = plots.plots_of(Summary(tuple(rows)), [family, forged])
    assert list(figures) == ["payload_success"]
    (axes,) = figures["payload_success"].axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["gain"]
    assert list(plots.plots_of(Summary(tuple(rows[:-1])), [family])) == ["ber", "payload_success"]


def test_no_bitrates_no_bitrate_plot() -> None:
    assert plots.success_by_bitrate(ROWS[:3], title="") is None
    assert "bitrate" not in plots.plots_of(Summary(tuple(ROWS[:2])))


@pytest.mark.parametrize("rows", [[], [_row("none", ber=None, ber_ci95=None)]])
def test_nothing_measured_is_an_empty_plot(rows: list[SummaryRow]) -> None:
    for figure in (plots.ber_by_attack(rows, title=""), plots.success_by_attack(rows, title="")):
        assert plots.images(figure)[".png"]


def test_settings_at_one_bitrate_are_no_codec_of_their_own() -> None:
    more = [_row(f"mp3_192_q{q}", params={"kbps": 192, "quality": q}) for q in (5, 7)]
    figure = plots.success_by_bitrate([*ROWS, *more], title="")
    assert figure is not None
    labels = {t.get_text() for t in figure.axes[0].get_legend().get_texts()}
    assert labels == {"mp3: one second", "mp3: whole clip"}
