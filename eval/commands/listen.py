"""`soundsafe-eval listen`: a blind listening page, and what came back from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from soundsafe.console import print_json, tell
from soundsafe.errors import InputError
from soundsafe.eval.commands.options import Dataset, Json, Scores

__all__ = ["listen"]

Runs = Annotated[list[Path], typer.Argument(metavar="RUN_DIR...", help="Folders of finished runs.")]


def listen(
    run_dirs: Runs,
    out: Annotated[
        Path | None, typer.Option(help="HTML file; RUN_DIR/listening/page.html by default.")
    ] = None,
    clips: Annotated[int, typer.Option(help="So many clips, the worst first.")] = 4,
    trials: Annotated[int, typer.Option(help="ABX trials of each clip and system.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the codes of the conditions.")] = 0,
    scores: Scores = None,
    dataset: Dataset = None,
    as_json: Json = False,
) -> None:
    """Make a blind listening page of a run's worst clips, or count the answers that came back."""
    if scores:
        _count(run_dirs, scores, as_json)
        return
    if clips < 1 or trials < 0:
        raise InputError("at least 1 clip and no negative number of trials")
    import numpy as np

    from soundsafe.eval.analysis.stored import read_run
    from soundsafe.eval.commands.stored import marked_again, subjects, writable
    from soundsafe.eval.running.examples import worst_first
    from soundsafe.eval.running.store import write_atomically
    from soundsafe.reports import listen as listening

    writable(out)
    runs = [read_run(folder) for folder in run_dirs]
    first = runs[0]
    names = worst_first(first.frame, str(first.frame["system"].iloc[0]))[:clips] if len(first.frame) else []
    wanted = [(folder, subject, names) for folder, subject in subjects(run_dirs, runs)]
    examples, _ = marked_again(wanted, dataset)
    test = listening.make(examples, trials=trials, rng=np.random.default_rng(seed))
    folder = run_dirs[0] / "listening"
    folder.mkdir(exist_ok=True)
    path = folder / "page.html" if out is None else out
    write_atomically(folder / f"{test.id}.json", (json.dumps(test.key, indent=1) + "\n").encode())
    write_atomically(path, test.page)
    if as_json:
        print_json({"page": str(path), "test": test.id, "clips": names})
    else:
        tell(str(path))


def _count(run_dirs: list[Path], scores: list[Path], as_json: bool) -> None:
    """Tell the statistics of answers that came back."""
    from soundsafe.eval.commands.stored import listened
    from soundsafe.eval.documents import json_value

    result = listened(run_dirs, scores)
    if as_json:
        print_json(json_value(result), ascii_only=False)
        return
    told = {(a.listener, a.system): a for a in result.abx}
    systems = list(dict.fromkeys(a.system for a in result.abx))
    for system in systems:
        a = told["", system]
        tell(
            f"ABX {system}: {a.right} of {a.trials} right, p = {a.p:.2g}, d' = {a.d_prime:.2f} "
            f"({a.d_prime_ci95[0]:.2f} to {a.d_prime_ci95[1]:.2f})"
        )
    for r in result.ratings:
        tell(f"rating {r.condition}: {r.mean:.1f} ({r.ratings} ratings)")
    for name in result.names:
        parts = [
            f"{s} {told[name, s].right} of {told[name, s].trials} right" for s in systems if (name, s) in told
        ]
        if name in result.screened:
            parts.append("ratings left out: the hidden reference was not found")
        tell(f"{name}: {', '.join(parts) or 'no ABX answers'}")
