"""`soundsafe-eval phases`: the network of each phase of a training run, measured by the bench.

Each phase's network is marked, attacked and read by the bench, a run for each; one table and plots hold what
that gave beside what training itself measured: stability, its weight, gradient norms.
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
    import pandas as pd

    from soundsafe.eval.rows import PhaseRow

__all__ = ["phases"]

_LOG = ("step", "phase", "stability", "w_stab")
_SUITE, _CLIPS = "core", 4
"""What is run where nothing else is asked for: minutes for three phases."""


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
        f"Read on {ALIGNMENT}.\n"
        "grid: whether an attack keeps it, moves it (by samples) or loses it (cut, stretched, reordered).\n"
        "unmarked, wrong_key: shares of false accepts. Intervals are in phases.csv and phases_suite.csv.\n"
    )


def _summary(table: pd.DataFrame) -> str:
    """A line for each phase: payload size, stability against its start, its weight, gradient norms."""
    from soundsafe.eval.analysis.phases import STABLE

    lines = []
    for phase, part in table.groupby("phase", sort=False):
        row, words = part.iloc[0], []
        if "payload_bytes" in part:
            count = int(row["payload_bytes"])
            words.append(f"{count} byte{'s' if count > 1 else ''} a second")
        if "stability_share" in part:
            share, low, high = (100 * row[f"stability_share{end}"] for end in ("", "_low", "_high"))
            words.append(f"stability {share:.1f} % of its start (95 %: {low:.1f} to {high:.1f}; "
                         f"goal {100 * STABLE:.0f})")  # fmt: skip
        if "w_stab" in part:
            words.append(f"w_stab {row['w_stab']:.2f}")
        if "grad_norm_median" in part:
            words.append(
                f"gradient norm {row['grad_norm_median']:.3g}, 99th percentile {row['grad_norm_p99']:.3g}"
            )
        lines.append(f"phase {phase}: {'; '.join(words)}")
    return "\n".join(lines) + "\n"


def phases(
    train_dir: Annotated[Path, typer.Argument(metavar="TRAIN_DIR", help="Folder of `soundsafe train`.")],
    suite: Annotated[
        str | None,
        typer.Option(help=f"Run this suite (or .toml file of one); without it {_SUITE} on {_CLIPS} clips."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Start the phases' runs of a suite afresh.")] = False,
    as_json: Json = False,
) -> None:
    """Measure the network of each phase; one table, plots beside it, and each phase's in its own folder."""
    from soundsafe.eval.analysis.phases import PHASES, phase_table, read_table
    from soundsafe.eval.documents import json_value

    rows: list[PhaseRow] = []
    if suite is not None:
        rows = _suite(train_dir, suite, None, force)
    elif force:
        raise InputError("--force starts runs of a suite afresh: give --suite too")
    else:
        phase_table(train_dir)  # what is damaged is refused before any work
        read_table(train_dir / "log.csv", _LOG)
        if all((train_dir / f"phase_{name}" / "model.safetensors").is_file() for name in PHASES):
            rows = _suite(train_dir, _SUITE, _CLIPS, force)
        else:
            say("not all phases have a checkpoint: only what training measured itself is shown")
    if suite is not None and not (train_dir / "log.csv").exists():  # networks alone
        if as_json:
            print_json({"rows": json_value(rows)})
        else:
            write(_shown(rows))
        return
    table = _drawn(train_dir)
    if as_json:
        print_json({"rows": json_value(table.to_dict("records"))})
    else:
        write(_shown(rows) if rows else table.to_string(index=False, float_format="%.3f") + "\n")
        write(_summary(table))


def _drawn(train_dir: Path) -> pd.DataFrame:
    """The table of all phases, which is written with plots beside it."""
    from soundsafe.eval.analysis.phases import PHASES, phase_table, read_table
    from soundsafe.eval.frames import table_bytes
    from soundsafe.eval.running.store import write_atomically
    from soundsafe.training.plots import images

    table, log = phase_table(train_dir), read_table(train_dir / "log.csv", _LOG)
    if "parity_frames" not in table:
        raise InputError(f"{train_dir}: its phases' tables lack the column parity_frames")
    held = train_dir / "validation.csv"
    validation = read_table(held, ("step", "phase", "attack")) if held.exists() else None
    files = {"phases.csv": table_bytes(table), **images(table, log, validation=validation)}
    for phase in PHASES:
        if (table["phase"] == phase).any() and (train_dir / f"phase_{phase}").is_dir():
            own = images(table, log, phase, validation)
            files |= {f"phase_{phase}/{name}": data for name, data in own.items()}
    for name, data in files.items():
        write_atomically(train_dir / name, data)
    return table


def _suite(train_dir: Path, suite: str, limit: int | None, force: bool) -> list[PhaseRow]:
    """Evaluate and store."""
    from soundsafe.eval.commands.drawing import draw
    from soundsafe.eval.documents import csv_bytes
    from soundsafe.eval.running.phases import evaluate_phases
    from soundsafe.eval.running.store import write_atomically

    rows = evaluate_phases(
        train_dir,
        suite,
        limit=limit,
        jobs=os.cpu_count() or 1,
        force=force,
        say=say,
        finished=lambda result: draw(result.summary, result.rows, result.folder),
    )
    write_atomically(train_dir / "phases_suite.csv", csv_bytes(rows))
    return rows
