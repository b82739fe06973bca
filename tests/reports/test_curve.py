"""The curve's table and figure say what the points say."""

from __future__ import annotations

from matplotlib.container import ErrorbarContainer

from soundsafe.eval.analysis.curve import CurvePoint
from soundsafe.reports.curve import curve_figure, curve_lines


def point(size: int, strength: str, attack: str, distance: float | None, share: float | None) -> CurvePoint:
    return CurvePoint(size, strength, attack, 8, distance, -19.0, share, (0.1, 0.9), share, None)


POINTS = [
    point(16, "quiet", "mp3_128", 4e-5, 0.5),
    point(16, "strong", "mp3_128", 12e-5, 1.0),
    point(175, "quiet", "mp3_128", 9e-5, 0.25),
    point(175, "quiet", "limiter", 9e-5, None),
]


def test_a_line_for_each_size_and_strength() -> None:
    assert curve_lines(POINTS)[2:] == [
        "| 16 | quiet | 4.0 | -19.0 | 50/50 | – |",
        "| 16 | strong | 12.0 | -19.0 | 100/100 | – |",
        "| 175 | quiet | 9.0 | -19.0 | 25/25 | –/– |",
    ]


def test_a_panel_for_each_attack_and_a_line_for_each_size() -> None:
    first, second = (axes for axes in curve_figure(POINTS).axes if axes.get_visible())
    lines = [c for c in first.containers if isinstance(c, ErrorbarContainer)]
    drawn = {c.get_label(): c.lines[0].get_xydata().tolist() for c in lines}
    assert {name: [(round(x, 6), y) for x, y in at] for name, at in drawn.items()} == {
        "16 bytes": [(4.0, 50.0), (12.0, 100.0)],
        "175 bytes": [(9.0, 25.0)],
    }
    assert second.get_title() == "limiter"
    assert not second.containers


def test_no_empty_panel_is_drawn() -> None:
    points = [point(16, "default", attack, 8e-5, 1.0) for attack in ("none", "mp3_128", "mp3_64", "opus_64")]
    shown = [axes for axes in curve_figure(points).axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == ["none", "mp3_128", "mp3_64", "opus_64"]
