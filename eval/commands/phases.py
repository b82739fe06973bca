"""`soundsafe-eval phases`: what a training run measured at the end of each phase, as one table and plots.

With a suite, each phase's network is marked, attacked and read by the bench instead, a run for each, and one
table over the phases made of them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from soundsafe.errors import InputError
from soundsafe.eval.commands.say import say
from soundsafe.eval.rows import from_frame_value
from soundsafe.eval.running.store import write_atomically

__all__ = ["PHASES", "evaluate_phases", "is_training", "phase_table", "phases", "read_table"]

PHASES = ("A", "B", "C")

SECONDS = 4.0
"""Of each clip in an evaluation of phases: the network has seconds and nothing longer."""

_FIGURES = (
    "clips", "euls", "failed_euls", "ber", "ber_ci95", "payload_success", "payload_success_ci95",
    "clip_success", "clip_success_ci95", "parity_frames",
)  # fmt: skip
_TABLE = ("phase", "step", "attack", "ber")
_LOG = ("step", "phase", "stability", "w_stab")
_NO_RUN = "no phase of a training run in it (soundsafe train NAME --out DIR)"


def phase_table(run: Path) -> pd.DataFrame:
    """A row for each phase that has ended and each attack, in the order of the phases.

    Columns ``phase``, ``step``, ``attack``, ``ber``, ``payload_ok``, ``snr_db``, ``stability`` and
    ``parity_frames``. Raises InputError where `run` holds no phase of a training run, or a damaged table.
    """
    found = [run / f"phase_{name}" / "table.csv" for name in PHASES]
    frames = [read_table(path, _TABLE) for path in found if path.exists()]
    if not frames:
        raise InputError(f"{run}: {_NO_RUN}")
    table = pd.concat(frames, ignore_index=True)
    if table.duplicated(["phase", "attack"]).any():
        raise InputError(f"{run}: its phases' tables hold an attack twice")
    return table


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A CSV file that has `columns` (``phase`` and ``attack`` of texts, all others of numbers) and a row.

    Raises InputError, which names the file, otherwise.
    """
    try:
        table = pd.read_csv(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or 'cannot be read'}") from None
    except ValueError:
        raise InputError(f"{path} is empty or not a table") from None
    if missing := [name for name in columns if name not in table]:
        raise InputError(f"{path} lacks the columns {', '.join(missing)}")
    if table.empty:
        raise InputError(f"{path} holds no rows")
    for name in columns:
        if name not in ("phase", "attack") and not pd.api.types.is_numeric_dtype(table[name]):
            raise InputError(f"{path}: {name} holds what is no number")
    return table


def is_training(run: Path) -> bool:
    """Whether a folder is that of a training run (and not of `soundsafe-eval run`)."""
    return not (run / "run.json").exists() and any((run / f"phase_{name}").is_dir() for name in PHASES)


def _delay(attack: str) -> int | None:
    """Samples at 44.1 kHz by which an attack (of two channels) moves the seconds; None: no one figure."""
    from soundsafe import attacks
    from soundsafe.eval.rows import control_of
    from soundsafe.stft import RATE

    return 0 if control_of(attack) else attacks.get(attack).delay_samples(RATE)


def evaluate_phases(
    run: Path,
    suite: str,
    *,
    limit: int | None = None,
    seconds: float = SECONDS,
    jobs: int = 0,
    force: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> list[dict[str, Any]]:
    """Run a suite on each phase's network and return one row for each phase and attack.

    The bundled dataset's test split, the first `limit` clips, the first `seconds` of each. Each run lies in
    ``phase_X/run``; one that is there and alike is gone on with, another refused unless `force`. Rows have
    ``phase``, ``step``, ``suite``, ``attack``, ``delay_samples`` (by which the attack moves the seconds; the
    network does not search for them; None where no one figure tells), the figures of a summary over all
    categories and, of the whole phase, ``snr_db`` and ``zimtohrli``.

    Raises:
        InputError: no training run, a checkpoint missing or not one, safetensors missing, an unknown suite,
            or a run in the way.
    """
    from soundsafe import attacks
    from soundsafe.eval.commands.drawing import draw
    from soundsafe.eval.running import runner
    from soundsafe.eval.running.plan import make_plan
    from soundsafe.eval.systems.network import NetworkSystem

    if not is_training(run):
        raise InputError(f"{run}: {_NO_RUN}")
    chosen = attacks.suite(suite)
    plans = {}
    for name in PHASES:  # all of them are looked at before any work
        path = run / f"phase_{name}" / "model.safetensors"
        if not path.is_file():
            raise InputError(f"{path} is missing: finish the training (soundsafe train ... --resume)")
        system = NetworkSystem(f"network-{name}", path)
        plans[name] = system, make_plan(system, chosen, "bundled", limit=limit, seconds=seconds)
    for line in dict.fromkeys(line for _, plan in plans.values() for line in plan.left_out):
        say(f"left out: {line}")
    rows: list[dict[str, Any]] = []
    for name, (system, plan) in plans.items():
        say(f"phase {name}, step {system.step}: {len(plan.clips)} clips, {len(plan.cells)} attacks")
        folder = run / f"phase_{name}" / "run"
        resume = not force and (folder / "run.json").exists()
        try:
            result = runner.run(plan, folder, jobs=jobs, resume=resume, force=force)
        except InputError as error:
            # The runner's advice names an option that this command does not have.
            raise InputError(str(error).removesuffix(", --out goes elsewhere")) from None
        draw(result.summary, folder)
        quality = next(q for q in result.summary["quality"] if q["category"] == "all")
        for row in result.summary["rows"]:
            if row["category"] == "all":
                head: dict[str, Any] = {"phase": name, "step": system.step}
                head |= {"suite": row["suite"], "attack": row["attack"]}
                head["delay_samples"] = _delay(row["attack"])
                figures = {figure: row[figure] for figure in _FIGURES}
                rows.append(head | figures | {q: quality[q] for q in ("snr_db", "zimtohrli")})
    return rows


def _grid(delay: Any) -> str:
    return "lost" if delay is None else "kept" if delay == 0 else f"{delay:+d}"


def _text(value: Any) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _shown(rows: list[dict[str, Any]]) -> str:
    """The rows as text, with what they must be read with."""
    from soundsafe.eval.systems.network import ALIGNMENT

    hidden = {"suite", "delay_samples", "zimtohrli", *(name for name in rows[0] if name.endswith("_ci95"))}
    if not any(row["failed_euls"] for row in rows):
        hidden.add("failed_euls")
    lines = []
    for row in rows:
        line = {name: row[name] for name in ("phase", "step", "attack")}
        line["grid"] = _grid(row["delay_samples"])
        lines.append({name: _text(value) for name, value in (line | row).items() if name not in hidden})
    text = pd.DataFrame(lines).to_string(index=False)
    return (
        f"{text}\n"
        f"Read on {ALIGNMENT}. grid: whether an attack keeps it, moves it (by samples) or loses it (cut,\n"
        "stretched, reordered); the network is not made to read what moved. unmarked, wrong_key: shares of\n"
        "false accepts. ber_ci95 and the other intervals are in phases_suite.csv.\n"
    )


def phases(
    train_dir: Annotated[Path, typer.Argument(metavar="TRAIN_DIR", help="Folder of `soundsafe train`.")],
    suite: Annotated[
        str | None, typer.Option(help="Run this suite (or .toml file of one) on each phase's network.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Start the phases' runs of a suite afresh.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """One table of the phases of a training run, plots beside it, and each phase's in its own folder."""
    from soundsafe.training.plots import images

    if suite is not None:
        _phases_under(train_dir, suite, force, as_json)
        return
    if force:
        raise InputError("--force starts runs of a suite afresh: give --suite too")
    table, log = phase_table(train_dir), read_table(train_dir / "log.csv", _LOG)
    if "parity_frames" not in table:
        raise InputError(f"{train_dir}: its phases' tables lack the column parity_frames")
    files = {"phases.csv": table.to_csv(index=False).encode(), **images(table, log)}
    for phase in PHASES:
        if (table["phase"] == phase).any() and (train_dir / f"phase_{phase}").is_dir():
            files |= {f"phase_{phase}/{name}": data for name, data in images(table, log, phase).items()}
    for name, data in files.items():
        write_atomically(train_dir / name, data)
    if as_json:
        rows = from_frame_value(table.to_dict("records"))
        sys.stdout.write(json.dumps({"rows": rows}, allow_nan=False) + "\n")
    else:
        sys.stdout.write(table.to_string(index=False, float_format="%.3f") + "\n")


def _phases_under(train_dir: Path, suite: str, force: bool, as_json: bool) -> None:
    """Evaluate, store and show."""
    from soundsafe.eval.analysis.summary import csv_bytes

    rows = evaluate_phases(
        train_dir,
        suite,
        jobs=os.cpu_count() or 1,
        force=force,
        say=say,
    )
    write_atomically(train_dir / "phases_suite.csv", csv_bytes(rows))
    if as_json:
        sys.stdout.write(json.dumps({"rows": from_frame_value(rows)}, allow_nan=False) + "\n")
    else:
        sys.stdout.write(_shown(rows))
