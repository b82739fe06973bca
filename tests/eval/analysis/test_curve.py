"""Points of the curve are taken from the rows of the right system, category and kind."""

from __future__ import annotations

from soundsafe.eval.analysis.curve import curve_points, system_of
from soundsafe.eval.rows import QualityRow, Summary, SummaryRow
from soundsafe.eval.systems.registry import get


def row(system: str, attack: str, category: str, success: float) -> SummaryRow:
    return SummaryRow(
        system, "s", attack, {}, category, clips=4, clip_success=success, payload_success=success / 2
    )


def test_each_size_and_strength_has_its_own_distance_and_success() -> None:
    quiet, loud = system_of(16, "quiet"), system_of(16, "4")
    summary = Summary(
        rows=(
            row(quiet, "unmarked", "all", 0.0),
            row(quiet, "mp3_128", "all", 0.25),
            row(quiet, "mp3_128", "music", 0.5),
            row(loud, "mp3_128", "all", 1.0),
        ),
        quality=(QualityRow(quiet, "all", zimtohrli=4e-5), QualityRow(loud, "all", zimtohrli=12e-5)),
    )
    points = list(curve_points(summary, [16, 24], ["quiet", "4"]))
    assert [(p.strength, p.attack, p.zimtohrli, p.clip_success, p.payload_success) for p in points] == [
        ("quiet", "mp3_128", 4e-5, 0.25, 0.125),
        ("4", "mp3_128", 12e-5, 1.0, 0.5),
    ]


def test_the_bench_knows_the_system_by_that_name() -> None:
    system = get(system_of(24, "strong"))
    assert system.payload_bytes == 24
    assert system.describe()["strength_db"] == 4.75
    assert "strength_db" not in get("soundsafe-16").describe()
