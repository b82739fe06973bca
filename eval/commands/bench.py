"""`soundsafe-eval bench`: what marking and reading cost, by quality and by length of the audio."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundsafe.console import print_json, tracked
from soundsafe.errors import InputError, unknown
from soundsafe.eval.commands.options import Json, Size

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["bench"]


def bench(
    clip: Annotated[list[str] | None, typer.Option(help="Bundled clip; repeatable; all by default.")] = None,
    seconds: Annotated[
        float, typer.Option(min=1.0, help="The first so many seconds of each clip; not with --length.")
    ] = 8.0,
    quality: Annotated[list[str] | None, typer.Option(help="fast, default, best; repeatable.")] = None,
    size: Size = 175,
    attack: Annotated[
        str, typer.Option(help="What success is measured after; not with --length.")
    ] = "mp3_192",
    length: Annotated[
        list[float] | None, typer.Option(help="Measure files of so many seconds instead; repeatable.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="The quickest of so many; not with --length.")] = 3,
    out: Annotated[Path | None, typer.Option(help="Folder for tables and plot.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of keys, payloads and attacks.")] = 0,
    as_json: Json = False,
) -> None:
    """Measure what marking and reading cost, by quality or by length of the audio."""
    if not math.isfinite(seconds):
        raise InputError(f"--seconds {seconds:g}: a number is needed")
    if not all(1 <= s < math.inf for s in length or ()):
        raise InputError("--length: marking needs at least one second, and an end")
    import pandas as pd

    from soundsafe import attacks, datasets
    from soundsafe.cells.settings import QUALITIES
    from soundsafe.eval.frames import table_bytes
    from soundsafe.eval.running.cost import by_quality, length_cost, quality_cost, warm_up
    from soundsafe.eval.running.store import make_folder, write_atomically

    attacks.get(attack)
    qualities = list(dict.fromkeys(quality or (["default"] if length else QUALITIES)))
    for name in qualities:
        if name not in QUALITIES:
            raise InputError(unknown("quality", name, QUALITIES))
    bundled = {c.clip: c for c in datasets.load("bundled").clips}
    for name in clip or ():
        if name not in bundled:
            raise InputError(unknown("bundled clip", name, bundled))
    clips = [bundled[name] for name in clip or bundled]
    if out is not None:
        make_folder(out)
    if length:
        # Which second is loud or sparse changes little of the cost, but a silent one costs nothing.
        music = [c for c in clips if c.category == "music"]
        if not music:
            raise InputError("--length needs a clip of music")
        work = [(s, q) for q in qualities for s in sorted(set(length))]
        lengths = [
            length_cost(s, music, q, seed, size) for s, q in tracked(work, len(work), "marking and reading")
        ]
        table, name = pd.DataFrame(lengths), "lengths"
    else:
        pairs = [(c, q) for q in qualities for c in clips]
        warm_up(clips[0])
        rows = [
            quality_cost(c, q, attack, seconds, rounds, seed, size)
            for c, q in tracked(pairs, len(pairs), "marking and reading")
        ]
        table, name = by_quality(pd.DataFrame(rows)), "qualities"
    if out is not None:
        write_atomically(out / f"{name}.csv", table_bytes(table))
        if not length:
            from soundsafe.reports import plots

            write_atomically(out / "qualities.svg", plots.images(_draw(table, attack))[".svg"])
    document = json.loads(table.to_json(orient="records"))
    if as_json:
        print_json({"rows": document})
    else:
        from soundsafe.console.screen import screen
        from soundsafe.reports.costs import cost_table

        console = screen()
        console.print(cost_table(document, console.width, "" if length else attack))


def _draw(table: pd.DataFrame, attack: str) -> Figure:
    """Distance and success of each quality against the processor time that it takes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 3.6), layout="constrained")
    read = f"seconds read after {attack}, %"
    panels = (("zimtohrli", 1e4, "Zimtohrli distance, 1e-4"), ("success", 100.0, read))
    for axes, (column, scale, words) in zip(figure.subplots(1, 2), panels, strict=True):
        axes.plot(table["embed_cpu_s"], scale * table[column], marker="o")
        for quality, x, y in zip(table["quality"], table["embed_cpu_s"], table[column], strict=True):
            axes.annotate(quality, (x, scale * y), textcoords="offset points", xytext=(4, 6))
        axes.set(xlabel="processor seconds to embed a second", ylabel=words)
        axes.margins(0.2)
        axes.grid(alpha=0.3)
    return figure
