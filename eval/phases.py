"""`soundsafe-eval phases`: what a training run measured at the end of each phase, as one table and plots."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from soundsafe.errors import InputError

__all__ = ["PHASES", "is_training", "phase_table", "phases", "plots"]

PHASES = ("A", "B", "C")


def phase_table(run: Path) -> pd.DataFrame:
    """A row for each phase that has ended and each attack, in the order of the phases.

    Columns ``phase``, ``step``, ``attack``, ``ber``, ``payload_ok``, ``snr_db``, ``stability`` and
    ``parity_frames``. Raises InputError where `run` holds no phase of a training run.
    """
    found = [run / f"phase_{name}" / "table.csv" for name in PHASES]
    frames = [pd.read_csv(path) for path in found if path.exists()]
    if not frames:
        raise InputError(f"{run}: no phase of a training run in it (soundsafe train NAME --out DIR)")
    return pd.concat(frames, ignore_index=True)


def is_training(run: Path) -> bool:
    """Whether a folder is that of a training run (and not of `soundsafe-eval run`)."""
    return not (run / "run.json").exists() and any((run / f"phase_{name}").is_dir() for name in PHASES)


def plots(run: Path) -> dict[str, Figure]:
    """Plots by file name: errors and parity by phase; stability, its weight and gradient norms by step."""
    table, log = phase_table(run), pd.read_csv(run / "log.csv")
    figures = {}
    errors, axes = _figure("Bit error rate", "")
    table.pivot(index="attack", columns="phase", values="ber").plot.bar(ax=axes, ylim=(0, 0.6), rot=30)
    figures["ber.png"] = errors
    parity, axes = _figure("Share of frames with equal features", "phase")
    table.groupby("phase")["parity_frames"].first().plot.bar(ax=axes, ylim=(0, 1), rot=0)
    figures["parity.png"] = parity
    for name, column in (("stability", "stability"), ("w_stab", "w_stab")):
        figures[f"{name}.png"], axes = _figure(name, "step")
        axes.plot(log["step"], log[column])
    figures["gradient_norms.png"], axes = _figure("Gradient norm of the bounded layers", "step")
    layers = log.filter(like="grad/")
    for share in (0.5, 0.99):
        if layers.shape[1]:
            axes.plot(log["step"], layers.quantile(share, axis=1), label=f"quantile {share}")
    if layers.shape[1]:
        axes.set_yscale("log")
        axes.legend()
    return figures


def _figure(title: str, x: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set_title(title)
    axes.set_xlabel(x)
    return figure, axes


def phases(
    train_dir: Annotated[Path, typer.Argument(metavar="TRAIN_DIR", help="Folder of `soundsafe train`.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """One table of the rollout's phases, and plots beside it."""
    table = phase_table(train_dir)
    try:
        table.to_csv(train_dir / "phases.csv", index=False)
        for name, figure in plots(train_dir).items():
            figure.savefig(train_dir / name)
    except OSError as error:
        raise InputError(f"{train_dir}: {error.strerror or error}") from None
    if as_json:
        sys.stdout.write(json.dumps({"rows": table.to_dict("records")}) + "\n")
    else:
        sys.stdout.write(table.to_string(index=False, float_format="%.3f") + "\n")
