"""`soundsafe-eval rescore`: a stored run by another threshold, metric or decoder, nothing attacked again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from soundsafe import plugins
from soundsafe.console import print_json, progress, say, tell
from soundsafe.errors import InputError
from soundsafe.eval.commands import completion
from soundsafe.eval.commands.options import Dataset, Extrapolate, Json, Plugins, RunDir

__all__ = ["rescore"]


def rescore(
    run_dir: RunDir,
    system: Annotated[
        str | None,
        typer.Option(help="Decoder that reads the kept audio.", autocompletion=completion.system_names),
    ] = None,
    marked_by: Annotated[
        str | None, typer.Option(help="Whose audio it reads, where the run has several systems.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Accept clips whose score is at least this.")
    ] = None,
    extrapolate: Extrapolate = False,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Measure this of the kept marked audio (list metrics says which); repeatable."),
    ] = None,
    dataset: Dataset = None,
    plugin: Plugins = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Worker processes; all cores by default.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the new run; RUN_DIR-rescored by default.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the run in the folder.")] = False,
    as_json: Json = False,
) -> None:
    """Score a stored run again with another threshold, metric or decoder, without attacking again.

    A decoder or a metric needs the audio, which `run --keep-attacked` keeps.
    """
    if threshold is not None and not abs(threshold) < float("inf"):
        raise InputError(f"--threshold {threshold}: a number is needed")
    for path in plugin or ():
        plugins.load(path)
    folder = out if out is not None else run_dir.resolve().with_name(f"{run_dir.resolve().name}-rescored")
    with progress("loading") as update:
        from soundsafe.eval.commands.drawing import draw
        from soundsafe.eval.commands.outcome import Outcome, show_outcome
        from soundsafe.eval.documents import summary_items
        from soundsafe.eval.running.rescoring import rescore as rescored

        result = rescored(
            run_dir,
            folder,
            system=system,
            marked_by=marked_by,
            threshold=threshold,
            extrapolate=extrapolate,
            metrics=metric or [],
            dataset=dataset,
            jobs=jobs or os.cpu_count() or 1,
            force=force,
            progress=lambda done, total: update(done / total, "reading kept audio"),
        )
        draw(result.summary, result.rows, folder)
    for line in (*result.unmeasured, *result.remarks):
        say(line)
    if as_json:
        print_json(summary_items(result.summary), ascii_only=False)
        return
    from soundsafe.console.screen import screen

    show_outcome(screen(), Outcome(result.summary, result.rows, result.timing, folder))
    tell(f"Everything is in {folder}")
