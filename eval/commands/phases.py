"""`soundsafe-eval phases`: what a training run measured at the end of each phase, as one table and plots.

With a suite, each phase's network is marked, attacked and read by the bench instead, a run for each, and one
table over the phases made of them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundsafe.console import print_json, say, write
from soundsafe.errors import InputError
from soundsafe.eval.commands.options import Json

if TYPE_CHECKING:
    from soundsafe.eval.rows import PhaseRow

__all__ = ["phases"]

_LOG = ("step", "phase", "stability", "w_stab")


def _grid(delay: int | None) -> str:
    return "lost" if delay is None else "kept" if delay == 0 else f"{delay:+d}"


def _text(value: object) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _shown(rows: list[PhaseRow]) -> str:
    """The rows as text, with what they must be read with."""
    import pandas as pd

    from soundsafe.eval.systems.network import ALIGNMENT

    failed = any(row.failed_euls for row in rows)
    lines = []
    for row in rows:
        line: dict[str, object] = {
            "phase": row.phase, "step": row.step, "attack": row.attack, "grid": _grid(row.delay_samples),
            "clips": row.clips, "euls": row.euls, **({"failed_euls": row.failed_euls} if failed else {}),
            "ber": row.ber, "payload_success": row.payload_success, "clip_success": row.clip_success,
            "parity_frames": row.parity_frames, "snr_db": row.snr_db,
        }  # fmt: skip
        lines.append({name: _text(value) for name, value in line.items()})
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
    as_json: Json = False,
) -> None:
    """One table of the phases of a training run, plots beside it, and each phase's in its own folder."""
    if suite is not None:
        _phases_under(train_dir, suite, force, as_json)
        return
    if force:
        raise InputError("--force starts runs of a suite afresh: give --suite too")
    from soundsafe.eval.analysis.phases import PHASES, phase_table, read_table
    from soundsafe.eval.documents import json_value
    from soundsafe.eval.frames import table_bytes
    from soundsafe.eval.running.store import write_atomically
    from soundsafe.training.plots import images

    table, log = phase_table(train_dir), read_table(train_dir / "log.csv", _LOG)
    if "parity_frames" not in table:
        raise InputError(f"{train_dir}: its phases' tables lack the column parity_frames")
    files = {"phases.csv": table_bytes(table), **images(table, log)}
    for phase in PHASES:
        if (table["phase"] == phase).any() and (train_dir / f"phase_{phase}").is_dir():
            files |= {f"phase_{phase}/{name}": data for name, data in images(table, log, phase).items()}
    for name, data in files.items():
        write_atomically(train_dir / name, data)
    if as_json:
        print_json({"rows": json_value(table.to_dict("records"))})
    else:
        write(table.to_string(index=False, float_format="%.3f") + "\n")


def _phases_under(train_dir: Path, suite: str, force: bool, as_json: bool) -> None:
    """Evaluate, store and show."""
    from soundsafe.eval.commands.drawing import draw
    from soundsafe.eval.documents import csv_bytes, json_value
    from soundsafe.eval.running.phases import evaluate_phases
    from soundsafe.eval.running.store import write_atomically

    rows = evaluate_phases(
        train_dir,
        suite,
        jobs=os.cpu_count() or 1,
        force=force,
        say=say,
        finished=lambda result: draw(result.summary, result.folder),
    )
    write_atomically(train_dir / "phases_suite.csv", csv_bytes(rows))
    if as_json:
        print_json({"rows": json_value(rows)})
    else:
        write(_shown(rows))
