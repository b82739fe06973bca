from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from soundsafe.reports.costs import cost_table, time_table


def shown(table: Any, width: int) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


QUALITY = {
    "quality": "default", "clips": 3, "embed_s": 0.28, "embed_cpu_s": 0.4444, "embed_mp3": 32.1,
    "decode_s": 0.016, "decode_cpu_s": 0.0244, "decode_mp3": 1.7, "search_s": 0.55, "search_cpu_s": 0.6,
    "zimtohrli": 1.47e-4, "snr_db": 27.1, "success": 0.92, "low": None, "high": None, "clip_success": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("width", [80, 200])
def test_costs_by_quality_with_their_units(width: int) -> None:
    text = shown(cost_table([QUALITY], width, "mp3_192"), width)
    for part in ("embed, CPU s", "0.444", "decode, CPU s", "0.024", "92.0", "mp3_192"):
        assert part in text
    assert ("In a wider terminal" in text) == (width == 80)
    assert all(len(line.rstrip()) <= width for line in text.splitlines()[:3])


def test_costs_by_length() -> None:
    row = {"quality": "fast", "seconds": 10.0, "embed_cpu_s": 0.5, "start_mb": 440.2, "reads": False}
    text = shown(
        cost_table([row, row | {"seconds": 60.0, "embed_cpu_s": float("nan"), "reads": True}], 100), 100
    )
    for part in ("audio, s", "60", "440", "–", "yes", "no"):
        assert part in text


def test_shares_by_the_seconds_heard() -> None:
    rows = [
        {"attack": a, "word": w, "seconds": s, "share": 0.25}
        for a in ("none", "tempo_signalsmith_+5%")
        for w in ("id", "payload")
        for s in (1, 2, 4, 8, 16, 32, 64)
    ]
    text = shown(time_table(rows, 80), 80)
    assert text.count("tempo_signalsmith_+5%") == 1
    assert text.count("25") == 4 * 7
    assert "64 s" in shown(time_table(rows, 44), 44)
