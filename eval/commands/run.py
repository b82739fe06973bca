"""`soundsafe-eval run`: suites of attacks on systems and clips, into a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from soundsafe import plugins
from soundsafe.aliases import Progress
from soundsafe.console import LOG, print_json, progress, say, tell
from soundsafe.errors import InputError
from soundsafe.eval.commands import completion
from soundsafe.eval.commands.options import Extrapolate, Json, Plugins

if TYPE_CHECKING:
    from soundsafe.eval.running.runner import Result

__all__ = ["run"]


def run(
    suite: Annotated[
        list[str] | None,
        typer.Option(
            help="Suite of attacks, or a .toml file of one; repeatable.",
            autocompletion=completion.suite_names,
        ),
    ] = None,
    attack: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="An attack by itself; repeatable.", autocompletion=completion.attack_names
        ),
    ] = None,
    dataset: Annotated[
        str,
        typer.Option(
            help="Name of a dataset, or a folder of audio.", autocompletion=completion.dataset_names
        ),
    ] = "bundled",
    split: Annotated[str, typer.Option(help="Split of the dataset; 'all' for everything.")] = "test",
    group_by: Annotated[
        str | None,
        typer.Option(
            metavar="parent|REGEX", help="Clips in one folder, or whose paths match alike, are a group."
        ),
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(
            help="System under test, soundsafe by default; repeatable.",
            autocompletion=completion.system_names,
        ),
    ] = None,
    plugin: Plugins = None,
    limit: Annotated[int | None, typer.Option(help="The first so many clips.")] = None,
    seconds: Annotated[float | None, typer.Option(help="The first so many seconds of each clip.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Worker processes; all cores by default.")] = None,
    backend: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Processes of this machine, or the Ray cluster at RAY_ADDRESS."),
    ] = "local",
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/SUITE by default.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of keys, payloads and attacks.")] = 0,
    attacked_controls: Annotated[
        bool | None,
        typer.Option(
            "--attacked-controls/--no-attacked-controls",
            help="Attack both controls, unmarked audio and the wrong key, or none; the first by default.",
            show_default=False,
        ),
    ] = None,
    unmarked_pool: Annotated[
        str | None,
        typer.Option(
            help="More audio without a mark, for thresholds: a dataset, or a folder.",
            autocompletion=completion.dataset_names,
        ),
    ] = None,
    extrapolate: Extrapolate = False,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Measure this too, of what takes long (list metrics says which); repeatable."),
    ] = None,
    cell_timeout: Annotated[
        float, typer.Option(min=0.001, help="Seconds that one attack on one clip may take.")
    ] = 3600.0,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of what did not run.")] = False,
    keep_attacked: Annotated[
        bool, typer.Option("--keep-attacked", help="Keep attacked audio for rescore: 4 bytes a sample.")
    ] = False,
    device: Annotated[
        str | None, typer.Option(help="Where systems put their models, as torch names it: cuda, say.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Start the run in the folder afresh.")] = False,
    every_attack: Annotated[
        bool, typer.Option("--attacks", help="Print a line for each attack, however many.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run suites and write rows, summary and plots into a folder."""
    from soundsafe.attacks import suite_files

    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs {jobs}: at least 1 is needed")
    if out is not None and out.exists() and not out.is_dir():
        raise InputError(f"{out} is not a folder: give --out another name")
    if not suite and not attack:
        raise InputError("name a suite or an attack: --suite NAME or --attack NAME (run --help tells more)")
    for path in plugin or ():
        plugins.load(path)
    suites = [suite_files.suite(name) for name in dict.fromkeys(suite or ())]
    single = [*suite_files.CONTROLS, *dict.fromkeys(attack)] if attack else []
    folder = out if out is not None else Path("runs") / "+".join([*(s.name for s in suites), *(attack or ())])
    with progress("loading"):
        from soundsafe.datasets import with_groups
        from soundsafe.eval.running import runner
        from soundsafe.eval.running.plan import make_plan

    plan = make_plan(
        list(dict.fromkeys(system or ["soundsafe"])),
        [*suites, *single],
        dataset if group_by is None else with_groups(dataset, group_by),
        split=None if split == "all" else split,
        limit=limit,
        seconds=seconds,
        seed=seed,
        attacked_controls=attacked_controls,
        metrics=metric or [],
        pool=unmarked_pool,
    )
    missing: dict[str, list[str]] = {}
    for line in plan.left_out:
        name, _, reason = line.partition(" ")
        missing.setdefault(reason, []).append(name)
    for reason, names in missing.items():
        say(f"left out: {', '.join(names)}: {reason}")
    for line in plan.notes:
        say(f"{dataset}: {line}")
    LOG.info(
        "%d systems, %d clips, %d attacks: %d steps, into %s",
        len(plan.system_names), len(plan.clips), len(plan.cells),
        len(plan.system_names) * len(plan.clips) * (1 + len(plan.cells)), folder,
    )  # fmt: skip
    from soundsafe.console.screen import screen
    from soundsafe.eval.commands.drawing import draw
    from soundsafe.eval.commands.outcome import Outcome, next_steps, show_outcome
    from soundsafe.eval.documents import summary_items

    steps = _Steps()
    with progress("starting worker processes") as update:
        result = runner.run(
            plan,
            folder,
            jobs=jobs or ((os.cpu_count() or 1) if backend == "local" else 0),
            resume=resume,
            force=force,
            backend=backend,
            cell_timeout=cell_timeout,
            keep_attacked=keep_attacked,
            device=device,
            extrapolate=extrapolate,
            progress=lambda done, total: steps.counted(done, total, update),
            doing=lambda words: steps.named(words, update),
        )
        update(1.0, "drawing plots")
        draw(result.summary, result.rows, folder)
    if debug:
        for failure in result.failures:
            say(f"{failure.system}, {failure.clip}, {failure.attack}: {failure.status}")
            for line in failure.traceback.splitlines():
                say(line)
    if (result.rows["status"] == "read_failed").all():
        raise InputError(f"no clip could be read: {result.rows['message'].iloc[0]}; the rows are in {folder}")
    if lines := runner.none_ran(result):
        raise InputError(f"{lines[0]}; tracebacks are in {folder / 'errors.txt'}")
    if as_json:
        print_json(summary_items(result.summary), ascii_only=False)
    else:
        outcome = Outcome(result.summary, result.rows, result.timing, result.folder)
        show_outcome(screen(), outcome, every_attack=every_attack)
    for line in _remarks(result):
        say(line)
    if not as_json:
        tell(f"Everything is in {folder}")
        for line in next_steps(outcome, every_attack):
            tell(f"next: {line}")
    if result.timing["embed_s"].isna().all():
        say("no clip could be marked", "soundsafe-eval: ")
        raise typer.Exit(1)


class _Steps:
    """What the bar says of a run: how much is done, and what is being done."""

    def __init__(self) -> None:
        self.share, self.words = 0.0, "starting worker processes"

    def counted(self, done: int, total: int, update: Progress) -> None:
        self.share = done / total
        update(self.share, self.words)

    def named(self, words: str, update: Progress) -> None:
        self.words = words
        update(self.share, words)


def _remarks(result: Result) -> list[str]:
    """What was refused, which counts as a failure, what did not run, which is in no figure, and what was not
    measured; each kind on one line."""
    bad = result.rows[result.rows["status"] != "ok"]
    cells = bad.drop_duplicates(["system", "clip", "attack"])
    out = []
    for (status, message), part in cells.groupby(["status", "message"], sort=False):
        clips = list(dict.fromkeys(part["clip"]))
        more = f" and {len(clips) - 1} more" if len(clips) > 1 else ""
        out.append(f"{status} in {len(part)} cells ({clips[0]}{more}): {message}")
    if result.failures:
        out.append(f"cells that did not run are in no figure; tracebacks: {result.folder / 'errors.txt'}")
    return [*out, *result.unmeasured, *result.remarks]
