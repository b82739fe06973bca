"""`soundsafe-eval time-to-payload`: how much attacked audio it takes until a payload comes back."""

from __future__ import annotations

import json
import os
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundsafe.console import print_json, say, tell, tracked
from soundsafe.errors import InputError
from soundsafe.eval.commands.options import Json, Size

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


__all__ = ["time_to_payload"]

_ACCESS = "needs more than the audio"


def time_to_payload(
    suite: Annotated[list[str], typer.Option(help="Suite of attacks, or a .toml file of one; repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder of the tables and the plot.")],
    dataset: Annotated[str, typer.Option(help="Name of a dataset, or a folder of audio.")] = "bundled",
    split: Annotated[list[str] | None, typer.Option(help="Split of the dataset; repeatable.")] = None,
    category: Annotated[str | None, typer.Option(help="Clips of this category only.")] = None,
    least: Annotated[float, typer.Option(help="Clips of at least so many seconds only.")] = 0.0,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many clips.")] = None,
    size: Size = 175,
    jobs: Annotated[int | None, typer.Option(min=1, help="Worker processes; all cores by default.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of keys, payloads and attacks.")] = 0,
    as_json: Json = False,
) -> None:
    """Measure how many seconds of attacked audio give the identifier and the payload back."""
    import pandas as pd

    from soundsafe import attacks, datasets
    from soundsafe.console.screen import screen
    from soundsafe.eval.frames import table_bytes
    from soundsafe.eval.rows import control_of
    from soundsafe.eval.running.local_backend import workers
    from soundsafe.eval.running.plan import known_split
    from soundsafe.eval.running.store import make_folder, write_atomically
    from soundsafe.eval.running.time_to_payload import LENGTHS_S, TimeRow, clip_rows, curves
    from soundsafe.reports import plots
    from soundsafe.reports.costs import time_table

    named = dict.fromkeys(a for s in suite for a in attacks.suite(s).attacks if not control_of(a))
    found = {name: attacks.get(name) for name in named}
    missing = {name: a.left_out or _ACCESS for name, a in found.items() if a.left_out or a.needs_access}
    for name, reason in missing.items():
        say(f"left out: {name} {reason}")
    names = [name for name in named if name not in missing]
    if not names:
        raise InputError("no attacks to run: name a suite")
    wanted = set(split or ["test"])
    loaded = datasets.load(dataset)
    for name in wanted:
        known_split(loaded, name)
    clips = [
        c
        for c in loaded.clips
        if (c.split is None or c.split in wanted)
        and (category is None or c.category == category)
        and (not least or c.duration() >= least)
    ][:limit]
    if not clips:
        raise InputError(f"{dataset}: no such clips")
    make_folder(out)
    rows: list[TimeRow] = []
    with workers(jobs or os.cpu_count() or 1) as pool:
        waiting = [pool.submit(clip_rows, clip, names, LENGTHS_S, seed, size) for clip in clips]
        for done in tracked(as_completed(waiting), len(waiting), "marking, attacking, reading"):
            try:
                rows += done.result()
            except BrokenProcessPool:
                raise InputError("a worker process died: fewer --jobs need less memory") from None
            write_atomically(out / "rows.csv", table_bytes(pd.DataFrame(rows)))
    place = {c.clip: i for i, c in enumerate(clips)}
    frame = pd.DataFrame(sorted(rows, key=lambda r: (names.index(r.attack), place[r.clip])))
    table = curves(frame, LENGTHS_S)
    write_atomically(out / "rows.csv", table_bytes(frame))
    write_atomically(out / "curves.csv", table_bytes(table))
    for suffix, data in plots.images(_draw(table)).items():
        write_atomically(out / f"time_to_payload{suffix}", data)
    for line in dict.fromkeys(f"{r.clip}: {r.failed}" for r in frame.itertuples() if r.failed):
        say(f"failed, and counts as never: {line}")
    if frame["wrong"].any():
        say(f"{frame['wrong'].sum()} answers were wrong, and count as none")
    if table.empty:
        say(f"no clip lasts {min(LENGTHS_S):g} s: there are no shares")
    document = json.loads(table.to_json(orient="records"))
    if as_json:
        print_json({"rows": document})
        return
    if document:
        console = screen()
        console.print(time_table(document, console.width))
    tell(f"{len(clips)} clips; intervals in {out / 'curves.csv'}")


def _draw(table: pd.DataFrame) -> Figure:
    """Share of clips against seconds heard, a panel for each word."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    for axes, word in zip(figure.subplots(1, 2, sharey=True), ("id", "payload"), strict=True):
        for attack, its in table[table["word"] == word].groupby("attack", sort=False):
            axes.plot(its["seconds"], 100 * its["share"], marker="o", markersize=3, label=attack)
        title = {"id": "Identifier", "payload": "Payload"}[word]
        axes.set(title=title, xlabel="seconds heard", ylim=(-3, 103))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("clips, %")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=6, frameon=False)
    return figure
