"""What a training run measured at the end of each phase, and what the bench measured of its networks since.

Of each phase ``table.csv`` holds what training itself measured on validation audio, ``suite.csv`` what
`soundsafe-eval phases` did. Stability, its weight and gradient norms are the phase's, alike in all its rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from soundsafe.errors import InputError
from soundsafe.eval.rows import Check, GateResult, PhaseRow

__all__ = [
    "HELD_OUT", "NO_RUN", "PHASES", "STABLE", "is_training", "phase_table", "read_table",
    "suite_table", "training_gate",
]  # fmt: skip

PHASES = ("A", "B", "C")

STABLE = 0.05
"""As `soundsafe.training.evaluation` has it, which is not imported for a table."""

NO_RUN = "no phase of a training run in it (soundsafe train NAME --out DIR)"
"""Said of a folder that is no training run's."""

HELD_OUT = "held_out"
"""Stands for the attack of the row on validation audio, where a suite has a row ``none`` of its own."""

_TABLE = ("phase", "step", "attack", "ber")


def phase_table(run: Path) -> pd.DataFrame:
    """A row for each phase that has ended and each attack, in the order of the phases.

    Columns ``phase``, ``step``, ``payload_bytes``, ``attack``, ``clips`` and ``seconds``, ``ber``,
    ``payload_ok`` and ``clip_success``, the first two with their 95 % intervals (``_low``, ``_high``),
    ``parity_frames``, ``snr_db``, ``zimtohrli``, ``stability``, ``stability_start``, ``stability_share`` with
    its interval, ``stable`` (whether the share is at most 5 %), ``w_stab``, ``grad_norm_median`` and
    ``grad_norm_p99``; what was not measured is missing or not a number.

    Raises InputError where `run` holds no phase of a training run, or a damaged table.
    """
    log = read_table(run / "log.csv", ("step", "phase")) if (run / "log.csv").exists() else None
    frames = []
    for name in PHASES:
        path = run / f"phase_{name}" / "table.csv"
        if not path.exists():
            continue
        own = read_table(path, _TABLE)
        shared = {c: own[c].iloc[0] for c in own if c.startswith("stability") or c == "payload_bytes"}
        if "stability_share" in shared:
            shared["stable"] = bool(shared["stability_share"] <= STABLE)
        shared |= _of_log(log, name)
        suite = run / f"phase_{name}" / "suite.csv"
        if suite.exists():
            measured = read_table(suite, _TABLE)
            own = pd.concat([measured, own.replace({"attack": {"none": HELD_OUT}})], ignore_index=True)
        frames.append(own.assign(**shared))
    if not frames:
        raise InputError(f"{run}: {NO_RUN}")
    table = pd.concat(frames, ignore_index=True)
    if table.duplicated(["phase", "attack"]).any():
        raise InputError(f"{run}: its phases' tables hold an attack twice")
    return table


def _of_log(log: pd.DataFrame | None, phase: str) -> dict[str, float]:
    """Weight of stability at the end of a phase, and gradient norms of its steps."""
    mine = log[log["phase"] == phase] if log is not None else pd.DataFrame()
    found: dict[str, float] = {}
    if len(mine) and "w_stab" in mine:
        found["w_stab"] = float(mine["w_stab"].iloc[-1])
    if len(mine) and "grad_norm" in mine:
        found["grad_norm_median"] = float(mine["grad_norm"].median())
        found["grad_norm_p99"] = float(mine["grad_norm"].quantile(0.99))
    return found


def suite_table(rows: Sequence[PhaseRow]) -> pd.DataFrame:
    """Rows of one phase's run of a suite in the columns of `phase_table`."""

    def ends(name: str, interval: Sequence[float | None] | None) -> dict[str, float | None]:
        low, high = interval or (None, None)
        return {f"{name}_low": low, f"{name}_high": high}

    return pd.DataFrame(
        {
            "phase": row.phase, "step": row.step, "attack": row.attack, "clips": row.clips,
            "seconds": row.euls, "ber": math.nan if row.ber is None else row.ber, **ends("ber", row.ber_ci95),
            "payload_ok": row.payload_success, **ends("payload_ok", row.payload_success_ci95),
            "clip_success": row.clip_success, "parity_frames": row.parity_frames, "snr_db": row.snr_db,
            "zimtohrli": row.zimtohrli,
        }
        for row in rows
    )  # fmt: skip


def training_gate(table: pd.DataFrame) -> GateResult:
    """Whether training did what it is for: stability at most 5 % of its start when the last phase ends.

    Args:
        table: from `phase_table`.

    Raises:
        InputError: the run has no share of the start (it is by an earlier version).
    """
    last = table[table["phase"] == table["phase"].iloc[-1]].iloc[0]
    if "stability_share" not in table or math.isnan(last["stability_share"]):
        raise InputError("the training has no stability_share: train anew")
    share, high = float(last["stability_share"]), float(last["stability_share_high"])
    interval = f"95 %: {100 * last['stability_share_low']:.1f} to {100 * high:.1f} %"
    text = f"{100 * share:.1f} % of the start ({interval}), which is more than {100 * STABLE:.0f} %"
    ok = share <= STABLE
    name = f"phase {last['phase']}"
    check = Check("network", name, "stability_share", ok, STABLE, share, share - STABLE,
                  message="" if ok else text)  # fmt: skip
    remarks = ("",)
    if ok and high > STABLE:
        remarks = (f"stability: {interval}; the upper end lies above {100 * STABLE:.0f} %",)
    return GateResult(ok, 0.0, 0, (check,), tuple(r for r in remarks if r))


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
