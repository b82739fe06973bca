"""What a training run measured at the end of each phase, from the tables that it left in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from soundsafe.errors import InputError

__all__ = ["NO_RUN", "PHASES", "is_training", "phase_table", "read_table"]

PHASES = ("A", "B", "C")

NO_RUN = "no phase of a training run in it (soundsafe train NAME --out DIR)"
"""Said of a folder that is no training run's."""

_TABLE = ("phase", "step", "attack", "ber")


def phase_table(run: Path) -> pd.DataFrame:
    """A row for each phase that has ended and each attack, in the order of the phases.

    Columns ``phase``, ``step``, ``attack``, ``ber``, ``payload_ok``, ``snr_db``, ``stability`` and
    ``parity_frames``. Raises InputError where `run` holds no phase of a training run, or a damaged table.
    """
    found = [run / f"phase_{name}" / "table.csv" for name in PHASES]
    frames = [read_table(path, _TABLE) for path in found if path.exists()]
    if not frames:
        raise InputError(f"{run}: {NO_RUN}")
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
