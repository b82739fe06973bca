"""The plots in a run's folder."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from soundsafe.eval.analysis.families import family_rows
from soundsafe.eval.rows import Summary
from soundsafe.eval.running.store import write_atomically
from soundsafe.reports import parity, plots

__all__ = ["draw"]


def draw(summary: Summary, rows: pd.DataFrame, folder: Path) -> None:
    """Draw a run's summary, of these rows, into ``plots`` in its folder."""
    into = folder / "plots"
    into.mkdir(exist_ok=True)
    families = family_rows(rows, summary.rows) if plots.many(summary.rows) else []
    for name, figure in (plots.plots_of(summary, families) | parity.plots_of(summary)).items():
        for suffix, data in plots.images(figure).items():
            write_atomically(into / f"{name}{suffix}", data)
