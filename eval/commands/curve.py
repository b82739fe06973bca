"""`soundsafe-eval curve`: how far marks of several sizes and strengths are from the original, and what comes
back of them."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from soundsafe.console import print_json, progress, say, tell
from soundsafe.errors import InputError
from soundsafe.eval.commands.options import Json

__all__ = ["curve"]


def curve(
    suite: Annotated[list[str], typer.Option(help="Suite of attacks, or a .toml file of one; repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder of the run, the table and the plot.")],
    size: Annotated[
        list[int] | None, typer.Option(metavar="BYTES", help="Of the payload; repeatable.")
    ] = None,
    strength: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME|DB", help="quiet, default, strong, or decibels; repeatable."),
    ] = None,
    dataset: Annotated[str, typer.Option(help="Name of a dataset, or a folder of audio.")] = "bundled",
    split: Annotated[str, typer.Option(help="Split of the dataset; 'all' for everything.")] = "test",
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many clips.")] = None,
    seconds: Annotated[float | None, typer.Option(help="The first so many seconds of each clip.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Worker processes; all cores by default.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of keys, payloads and attacks.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
    as_json: Json = False,
) -> None:
    """Draw distance against survival at several sizes of payload and strengths."""
    from soundsafe import attacks
    from soundsafe.eval.analysis.curve import curve_points, system_of
    from soundsafe.eval.running import runner
    from soundsafe.eval.running.plan import make_plan
    from soundsafe.eval.running.store import write_atomically
    from soundsafe.message.container import MAX_PAYLOAD
    from soundsafe.reports import plots
    from soundsafe.reports.curve import curve_figure, curve_lines
    from soundsafe.streams.strength import strength_of

    sizes = list(dict.fromkeys(size or [8, 16, 24, 64, 175]))
    strengths = list(dict.fromkeys(strength or ["quiet", "default", "strong"]))
    if bad := [n for n in sizes if not 1 <= n <= MAX_PAYLOAD]:
        raise InputError(f"--size {bad[0]}: a payload has 1 to {MAX_PAYLOAD} bytes")
    for asked in strengths:
        strength_of(asked)
    plan = make_plan(
        [system_of(n, asked) for n in sizes for asked in strengths],
        [attacks.suite(name) for name in dict.fromkeys(suite)],
        dataset,
        split=None if split == "all" else split,
        limit=limit,
        seconds=seconds,
        seed=seed,
    )
    for line in plan.left_out:
        say(f"left out: {line}")
    with progress("marking, attacking, reading") as update:
        result = runner.run(
            plan,
            out,
            jobs=jobs or os.cpu_count() or 1,
            resume=resume,
            progress=lambda done, total: update(done / total, "marking, attacking, reading"),
        )
    if lines := runner.none_ran(result):
        raise InputError(f"{lines[0]}; tracebacks are in {out / 'errors.txt'}")
    points = list(curve_points(result.summary, sizes, strengths))
    import pandas as pd

    from soundsafe.eval.frames import table_bytes

    write_atomically(out / "curve.csv", table_bytes(pd.DataFrame([asdict(point) for point in points])))
    write_atomically(out / "curve.md", ("\n".join(curve_lines(points)) + "\n").encode())
    for suffix, data in plots.images(curve_figure(points)).items():
        write_atomically(out / f"curve{suffix}", data)
    if as_json:
        print_json({"points": [asdict(point) for point in points]})
        return
    for line in curve_lines(points):
        tell(line)
    tell(f"{out / 'curve.csv'} has the intervals, {out / 'curve.svg'} the plot")
