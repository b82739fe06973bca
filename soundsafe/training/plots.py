"""Plots of a training run or of one of its phases: what the bench measured by attack, and curves by step."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from soundsafe.training.evaluation import STABLE

__all__ = ["images"]

_LOSSES = {
    "loss": "all terms, weighted",
    "byte_loss": "message",
    "perc": "perceptual",
    "inv": "invertibility",
}
_COLOURS = {"A": "#7a9cc6", "B": "#1f5fa8", "C": "#c8641b"}
_INK = "#333333"
_CONTROLS = ("unmarked", "wrong_key")
"""Rows of what bears no mark that could be read: not drawn."""

_STRETCHES = 60
"""Points of a curve at most: each the median of a stretch of steps."""


def images(
    table: pd.DataFrame, log: pd.DataFrame, phase: str | None = None, validation: pd.DataFrame | None = None
) -> dict[str, bytes]:
    """PNG files by name, of the whole run or of `phase` alone.

    Args:
        table: a row for each phase and attack, as `soundsafe.eval.analysis.phases.phase_table` makes it.
        log: a row for each step, as ``log.csv`` has them; losses that it lacks are not drawn.
        phase: rows of this phase only, and its steps up to the one that its row names.
        validation: rows of ``validation.csv``; without it the stability has no held-out points.
    """
    if phase is not None:
        table = table[table["phase"] == phase]
        log = log[(log["phase"] == phase) & (log["step"] <= table["step"].max())]
        if validation is not None:
            held = (validation["phase"] == phase) & (validation["step"] <= table["step"].max())
            validation = validation[held]
    out = {}
    for name, figure in _figures(table, log, validation).items():
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=110, metadata={"Software": None})
        out[f"{name}.png"] = image.getvalue()
    return out


def _figures(table: pd.DataFrame, log: pd.DataFrame, validation: pd.DataFrame | None) -> dict[str, Figure]:
    size = ""
    if "payload_bytes" in table:
        count = int(table["payload_bytes"].iloc[0])
        size = f", {count} byte{'s' if count > 1 else ''} a second"
    figures = {
        "ber": _by_attack(table, "ber", f"Wrong bits before any code, %{size}", 55.0, guess=50.0),
        "payload": _by_attack(table, "payload_ok", f"Seconds whose payload reads back, %{size}", 103.0),
        "parity": _by_attack(
            table, "parity_frames", "Frames whose allocator features are all equal, %", 103.0
        ),
        "stability": _stability(table, log, validation),
        "w_stab": _weight(log),
    }
    losses = [name for name in _LOSSES if name in log]
    if losses:
        figures["losses"], axes = _curves("Losses of training", "loss (logarithmic)", log)
        for name in losses:
            axes.plot(*_smooth(log, name), label=_LOSSES[name], linewidth=1.4)
        axes.set_yscale("log")
        axes.legend(fontsize=8, frameon=False, ncols=4, loc="upper left", bbox_to_anchor=(0, -0.12))
    layers = log.filter(like="grad/")
    if layers.shape[1]:
        figures["gradient_norms"] = _gradients(log, layers)
    return figures


def _by_attack(
    table: pd.DataFrame, column: str, title: str, end: float, guess: float | None = None
) -> Figure:
    """Attacks downwards, a dot for each phase, with the interval where the table has one."""
    known = table[~table["attack"].str.startswith(_CONTROLS)]
    if column in known:
        known = known[known[column].notna()]
    attacks = list(dict.fromkeys(known["attack"]))
    phases = list(dict.fromkeys(table["phase"]))
    figure = Figure(figsize=(8, 1.6 + 0.3 * max(2, len(attacks))), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=11, color=_INK)
    for k, phase in enumerate(phases):
        mine = table[table["phase"] == phase].drop_duplicates("attack").set_index("attack").reindex(attacks)
        if column not in mine:
            continue
        y = np.arange(len(attacks)) + 0.22 * (k - (len(phases) - 1) / 2)
        x = 100.0 * mine[column].to_numpy(float)
        axes.plot(x, y, "o", color=_COLOURS.get(phase, _INK), markersize=5, label=f"phase {phase}")
        low, high = f"{column}_low", f"{column}_high"
        if low in mine:
            ends = 100.0 * mine[[low, high]].to_numpy(float)
            axes.hlines(y, ends[:, 0], ends[:, 1], color=_COLOURS.get(phase, _INK), linewidth=1)
    if guess is not None:
        axes.axvline(guess, color="#999999", linestyle="--", linewidth=1)
        axes.text(guess - 0.5, -0.6, "guessing", fontsize=8, ha="right", va="center", color="#777777")
    axes.set_yticks(range(len(attacks)), attacks, fontsize=9)
    axes.set_ylim(len(attacks) - 0.4, -0.9)
    axes.set_xlim(-3.0, end)
    axes.grid(axis="x", color="#e5e5e5")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, ncols=3, loc="upper left", bbox_to_anchor=(0, -0.08))
    return figure


def _curves(title: str, y: str, log: pd.DataFrame) -> tuple[Figure, Axes]:
    """An empty chart over steps, the phases named above it."""
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=11, color=_INK, pad=18)
    axes.set_xlabel("training step")
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e5e5e5")
    for phase, part in log.groupby("phase", sort=False):
        first, last = float(part["step"].min()), float(part["step"].max())
        axes.axvspan(first, last, color=_COLOURS.get(str(phase), _INK), alpha=0.06, linewidth=0)
        axes.text((first + last) / 2, 1.02, f"phase {phase}", transform=axes.get_xaxis_transform(),
                  ha="center", fontsize=8, color="#777777")  # fmt: skip
    return figure, axes


def _smooth(log: pd.DataFrame, column: str | pd.Series) -> tuple[Any, Any]:
    """Steps and medians of stretches of a column, so that single seconds of audio are no spikes."""
    values = log[column] if isinstance(column, str) else column
    stretch = np.arange(len(log)) // max(1, -(-len(log) // _STRETCHES))
    return log["step"].groupby(stretch).mean(), values.groupby(stretch).median()


def _stability(table: pd.DataFrame, log: pd.DataFrame, validation: pd.DataFrame | None) -> Figure:
    """Held-out stability as a share of its start, with intervals and the line that it should fall below."""
    # Of each phase the last row is that of validation audio.
    rows = table.drop_duplicates("phase", keep="last") if validation is None else validation
    if "stability_share" not in rows or rows["stability_share"].isna().all():
        figure, axes = _curves("Stability loss in training", "millionths of all bits", log)
        axes.plot(*_smooth(log, "stability"), color=_INK, label="median of a stretch of steps")
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=8, frameon=False)
        return figure
    seconds = int(rows["seconds"].iloc[0])
    figure, axes = _curves(
        f"Stability loss on {seconds} held-out seconds, as a share of step 0", "share of the start, %", log
    )
    share, low, high = (100 * rows[f"stability_share{end}"].to_numpy(float) for end in ("", "_low", "_high"))
    gaps = np.maximum([share - low, high - share], 0.0)
    axes.errorbar(
        rows["step"], share, gaps, fmt="o-", color=_COLOURS["B"], capsize=3, label="with 95 % interval"
    )
    axes.axhline(100 * STABLE, color=_COLOURS["C"], linestyle="--", label=f"the goal, {100 * STABLE:.0f} %")
    axes.set_ylim(0, max(12.0, 1.08 * float(np.nanmax(high))))
    axes.legend(fontsize=8, frameon=False)
    return figure


def _weight(log: pd.DataFrame) -> Figure:
    figure, axes = _curves("Weight of the stability loss, w_stab", "weight", log)
    axes.plot(log["step"], log["w_stab"], color=_COLOURS["B"])
    axes.set_ylim(0, 0.55)
    return figure


def _gradients(log: pd.DataFrame, layers: pd.DataFrame) -> Figure:
    """Norms of the bounded layers; a layer without a gradient is no reason for an axis down to 1e-17."""
    figure, axes = _curves(
        f"Gradient norms of the {layers.shape[1]} bounded layers, before clipping", "norm (logarithmic)", log
    )
    curves = {"largest layer": layers.max(axis=1), "median layer": layers.median(axis=1)}
    if "grad_norm" in log:
        curves = {"whole network": log["grad_norm"], **curves}
    least = np.inf
    for (label, values), colour in zip(curves.items(), (_INK, _COLOURS["C"], _COLOURS["B"]), strict=False):
        x, y = _smooth(log, values)
        axes.plot(x, y, label=label, color=colour, linewidth=1.4)
        if (y > 0).any():
            least = min(least, float(y[y > 0].median()))
    axes.set_yscale("log")
    if np.isfinite(least):
        axes.set_ylim(bottom=least / 30)
    axes.legend(fontsize=8, frameon=False)
    return figure
