"""The plot of parity by band."""

from __future__ import annotations

from soundsafe.reports import parity, plots


def _summary(*systems: str) -> dict[str, list[dict[str, object]]]:
    bands, rows = [], []
    for system in systems:
        for attack in ("none", "mp3_128"):
            head = {"system": system, "suite": "core", "attack": attack}
            bands.append({**head, "euls": 3, "bands": [1.0] * 20 + [0.5] * 4})
            rows.append({**head, "category": "all", "parity_slots": 1.0, "seed_parity": None})
    return {"parity_by_band": bands, "rows": rows}


def test_one_plot_for_each_suite_with_features() -> None:
    figures = parity.plots_of(_summary("a", "b"))
    assert list(figures) == ["parity_by_band"]
    fields = [axes for axes in figures["parity_by_band"].axes if axes.images]
    assert len(fields) >= 2
    assert plots.images(figures["parity_by_band"])[".png"].startswith(b"\x89PNG")


def test_nothing_measured_draws_nothing() -> None:
    assert parity.plots_of({"rows": [], "parity_by_band": []}) == {}
    assert parity.plots_of({"rows": []}) == {}
