"""Where a run computes: Lightning Fabric places it, keeps its precision and joins its processes."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from soundsafe.errors import InputError
from soundsafe.models import INNWatermarker
from soundsafe.training.config import TrainConfig
from soundsafe.training.step import compute_losses_and_metrics

__all__ = ["Step", "first_process", "launched"]


class Step(nn.Module):
    """A training step as one module, so that gradients of several processes are joined once."""

    def __init__(self, model: INNWatermarker, cfg: TrainConfig) -> None:
        super().__init__()
        self.model, self.cfg = model, cfg

    def forward(
        self,
        x: torch.Tensor,
        bits: torch.Tensor,
        epoch: float,
        rngs: Sequence[np.random.Generator] | None,
    ) -> dict[str, torch.Tensor]:
        """``compute_losses_and_metrics`` of seconds, bits, epoch and generators."""
        return compute_losses_and_metrics(self.model, x, self.cfg, bits, epoch, rngs)


def first_process() -> bool:
    """Whether this process is the one that writes and speaks."""
    return int(os.environ.get("LOCAL_RANK", "0")) == 0


def launched(cfg: TrainConfig) -> Any:
    """A Fabric on ``cfg.devices`` devices, its processes started: a GPU where there is one, else the CPU.

    Further processes run the same command again. Raises InputError where Fabric is not installed or the
    machine has not these devices.
    """
    try:
        module = importlib.import_module("lightning_fabric")
    except ImportError:
        raise InputError("training networks needs Fabric: pip install 'soundsafe[train]'") from None
    if torch.cuda.is_available() and cfg.devices > torch.cuda.device_count():
        raise InputError(f"devices is {cfg.devices}; this machine has {torch.cuda.device_count()} GPUs")
    fabric = module.Fabric(
        accelerator="cuda" if torch.cuda.is_available() else "cpu",
        strategy="ddp" if cfg.devices > 1 else "auto",
        devices=cfg.devices,
        precision=cfg.precision,
    )
    fabric.launch()
    return fabric
