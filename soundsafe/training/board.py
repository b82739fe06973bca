"""The run for TensorBoard: each step's figures, and how the bounded layers' gradient norms are spread."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from soundsafe.errors import InputError

__all__ = ["Board"]


class Board:
    """Writes rows of ``log.csv`` into `folder`; what an earlier run wrote after `start` is struck out.

    Raises InputError where TensorBoard is not installed.
    """

    def __init__(self, folder: Path, start: int) -> None:
        try:
            module = importlib.import_module("torch.utils.tensorboard")
        except ImportError:
            raise InputError("training networks needs TensorBoard: pip install 'soundsafe[train]'") from None
        self._writer = module.SummaryWriter(str(folder), purge_step=start + 1)

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Rows of an epoch: a scalar for each step and number, a histogram for each layer's norms."""
        if not rows:
            return
        for name in rows[0]:
            if name in ("step", "phase"):
                continue
            values = [row[name] for row in rows]
            if name.startswith("grad/"):
                self._writer.add_histogram(name, np.array(values), rows[-1]["step"])
            else:
                for row, value in zip(rows, values, strict=True):
                    self._writer.add_scalar(name, value, row["step"])
        self._writer.flush()

    def close(self) -> None:
        """Nothing more comes."""
        self._writer.close()
