"""Plots of a training run or of one of its phases: errors and parity by phase, losses and norms by step."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

__all__ = ["images"]

_LOSSES = ("loss", "byte_loss", "perc", "inv")


def images(table: pd.DataFrame, log: pd.DataFrame, phase: str | None = None) -> dict[str, bytes]:
    """PNG files by name, of the whole run or of `phase` alone.

    Args:
        table: a row for each phase and attack, as the phases' tables have them.
        log: a row for each step, as ``log.csv`` has them; losses that it lacks are not drawn.
        phase: rows of this phase only, and its steps up to the one that its row names.
    """
    if phase is not None:
        table = table[table["phase"] == phase]
        log = log[(log["phase"] == phase) & (log["step"] <= table["step"].max())]
    out = {}
    for name, figure in _figures(table, log).items():
        image = io.BytesIO()
        figure.savefig(image, format="png")
        out[f"{name}.png"] = image.getvalue()
    return out


def _figures(table: pd.DataFrame, log: pd.DataFrame) -> dict[str, Figure]:
    figures = {}
    figures["ber"], axes = _figure("Bit error rate", "")
    table.pivot(index="attack", columns="phase", values="ber").plot.bar(ax=axes, ylim=(0, 0.6), rot=30)
    figures["parity"], axes = _figure("Share of frames with equal features", "phase")
    table.groupby("phase")["parity_frames"].first().plot.bar(ax=axes, ylim=(0, 1), rot=0)
    losses = [name for name in _LOSSES if name in log]
    if losses:
        figures["losses"], axes = _figure("Losses", "step")
        for name in losses:
            axes.plot(log["step"], log[name], label=name)
        axes.set_yscale("log")
        axes.legend()
    for name in ("stability", "w_stab"):
        figures[name], axes = _figure(name, "step")
        axes.plot(log["step"], log[name])
    figures["gradient_norms"], axes = _figure("Gradient norm of the bounded layers", "step")
    layers = log.filter(like="grad/")
    if layers.shape[1]:
        for share in (0.5, 0.99):
            axes.plot(log["step"], layers.quantile(share, axis=1), label=f"quantile {share}")
        axes.set_yscale("log")
        axes.legend()
    return figures


def _figure(title: str, x: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    axes.set_xlabel(x)
    return figure, axes
