"""What marking and reading cost: rows of real audio, and the table made of rows."""

from __future__ import annotations

import pandas as pd
import pytest

from soundsafe import datasets
from soundsafe.eval.running.cost import by_quality, length_cost


@pytest.mark.slow
def test_costs_of_lengths() -> None:
    clips = [clip for clip in datasets.load("bundled").clips if clip.clip == "rock"]
    row = length_cost(2.0, clips, "fast", 0, payload_bytes=16)
    assert row.reads is True
    assert row.embed_mb >= row.start_mb > 0
    assert row.decode_cpu_s < row.search_cpu_s


def test_the_table_of_rows() -> None:
    same = {"embed_cpu_s": 1.0, "zimtohrli": 1e-4}
    rows = [
        {"clip": str(i), "group": str(i), "quality": "fast", "euls": 4, "ok": i, "clip_ok": i > 0} | same
        for i in range(5)
    ]
    table = by_quality(pd.DataFrame(rows))
    only = table.iloc[0]
    assert (only["clips"], only["euls"], only["success"], only["clip_success"]) == (5, 20, 0.5, 0.8)
    assert 0 < only["low"] < 0.5 < only["high"] < 1
