"""`soundsafe-eval baseline`, `gate` and `power`: a run judged by reviewed figures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from soundsafe.console import print_json, say, tell
from soundsafe.errors import InputError
from soundsafe.eval.commands.options import Json, RunDir

__all__ = ["baseline", "gate", "power"]


_NO_BASELINE = "missing option --baseline FILE: what the run is to be judged by"


def baseline(
    run_dir: RunDir,
    out: Annotated[Path | None, typer.Option(help="File to write; baselines/SUITE.json by default.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing baseline.")] = False,
    as_json: Json = False,
) -> None:
    """Condense a run into a baseline for the gate, to be reviewed and kept with the code."""
    from soundsafe.eval.analysis import gate as gates
    from soundsafe.eval.analysis.stored import read_configuration, read_numeric, read_rows
    from soundsafe.eval.running.store import write_atomically

    configuration = read_configuration(run_dir)
    data = gates.make_baseline(read_rows(run_dir), configuration, read_numeric(run_dir))
    suites = gates.suites_of(data)
    path = out if out is not None else Path("baselines") / f"{'+'.join(suites) or 'baseline'}.json"
    if path.exists() and not force:
        raise InputError(f"{path} exists: --force replaces it, --out writes another file")
    if out is None:
        path.parent.mkdir(exist_ok=True)
    elif not path.parent.is_dir():
        raise InputError(f"{path.parent} is not a folder: make it, or give --out another name")
    write_atomically(path, (json.dumps(data.to_json(), indent=1) + "\n").encode())
    if as_json:
        print_json({"baseline": str(path)}, ascii_only=False)
    else:
        tell(str(path))
    for line in gates.few_clips(data.systems):
        say(line)


def power(
    baseline: Annotated[Path, typer.Argument(help="File that `soundsafe-eval baseline` wrote.")],
    fall: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Of payload success, as a difference of shares.")
    ] = 0.05,
    as_json: Json = False,
) -> None:
    """Tell what fall of payload success a gate sees, and how many clips it takes to see a given one."""
    from soundsafe.eval.analysis import gate as gates
    from soundsafe.eval.analysis.power import power_rows
    from soundsafe.eval.documents import json_value

    rows = power_rows(gates.read_baseline(baseline), fall)
    if as_json:
        print_json(json_value({"fall": fall, "rows": rows}), ascii_only=False)
        return
    from soundsafe.console.screen import screen
    from soundsafe.reports import tables

    console = screen()
    console.print(tables.power_table(rows, fall, console.width))


def gate(
    run_dir: RunDir,
    baseline: Annotated[
        Path | None,
        typer.Option(help="File that `soundsafe-eval baseline` wrote; a training run needs none."),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the checks as JUnit XML.")] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Append the checks as a table in Markdown, for CI's summaries.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fail (exit 1) where a run is significantly worse than a baseline, or accepts what bears no mark.

    The folder of `soundsafe train` fails where its stability loss did not fall to 5 % of its start.
    """
    for option, path in (("--junit", junit), ("--markdown", markdown)):
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{path.parent} is not a folder: make it, or give {option} another name")
    if baseline is None and not run_dir.is_dir():
        raise InputError(_NO_BASELINE)
    from soundsafe.eval.analysis import gate as gates
    from soundsafe.eval.analysis.phases import is_training, phase_table, training_gate
    from soundsafe.eval.analysis.stored import read_numeric, read_rows
    from soundsafe.eval.documents import gate_json
    from soundsafe.eval.running.store import write_atomically

    if baseline is not None:
        result = gates.check(read_rows(run_dir), gates.read_baseline(baseline), read_numeric(run_dir))
    elif is_training(run_dir):
        result = training_gate(phase_table(run_dir))
    else:
        raise InputError(_NO_BASELINE)
    if junit is not None:
        write_atomically(junit, gates.junit(result))
    if markdown is not None:
        from soundsafe.reports.gate_table import gate_markdown

        with markdown.open("a", encoding="utf-8") as file:
            file.write(gate_markdown(result, str(run_dir), str(baseline or "its own start")))
    failed = [c for c in result.checks if not c.ok]
    if as_json:
        print_json(gate_json(result), ascii_only=False)
    else:
        for c in failed:
            tell(f"FAILED {' '.join(p for p in (c.system, c.attack) if p)}: {c.message}")
        done = len(result.checks)
        tell(f"{done - len(failed)} of {done} checks passed")
    for line in result.remarks:
        say(line)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in gates.github_annotations(result, str(baseline or run_dir)):
            say(line)
    if failed:
        raise typer.Exit(1)
