"""Fitting the learned map (`soundsafe.models.steps`): fewer wrong bits at the same distance.

Phase A knows noise alone, B adds codecs, C lets the stability loss count most. That loss is how much a
channel changes the factors: a carrier lies several steps from 0, and a factor that is found otherwise by a
few per cent moves it as noise does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from soundsafe.cells.lattice import displacement
from soundsafe.models.spectral import bound_norms
from soundsafe.models.steps import BANDS, StepMap
from soundsafe.training.config import TrainConfig
from soundsafe.training.map_hearing import Hearing
from soundsafe.training.map_observations import CHANNELS, Observations
from soundsafe.training.schedules import PHASES, learning_rate, phase_at, stability_weight

__all__ = ["MapFigures", "Static", "figures_of", "fit_map"]

_BATCH = 8
_HEARD, _MASKED = 0.5, 0.5
"""Weights of the distance's logarithm as `Hearing` tells it, and of the noise to mask."""


@dataclass(frozen=True)
class MapFigures:
    """What a map does on some seconds: `wrong`, the share of wrong bits after each of `CHANNELS`, at steps
    scaled so that the predicted distance is that without a map; `shift`, the logarithm of that scale;
    `moved`, the mean change of a factor's logarithm by the channels."""

    wrong: tuple[float, ...]
    shift: float
    moved: float

    @property
    def mean(self) -> float:
        """Mean share of wrong bits."""
        return float(np.mean(self.wrong))


class Static(nn.Module):
    """One factor for each band, whatever the audio: what a map is to be better than.

    Args:
        fixed: bands without a factor.
    """

    free: torch.Tensor

    def __init__(self, fixed: tuple[int, ...]) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.zeros(BANDS))
        free = torch.ones(BANDS)
        free[list(fixed)] = 0.0
        self.register_buffer("free", free)

    def forward(self, level: torch.Tensor) -> torch.Tensor:
        """The factors' logarithms, of the shape of `level` ``[batch, 24, frames]``."""
        return (self.factor * self.free)[None, :, None].expand_as(level)


def _picked(log: torch.Tensor, band: torch.Tensor, frame: torch.Tensor) -> torch.Tensor:
    """Logarithms ``[n, slots]`` of ``[n, 24, frames]`` at the slots."""
    return log[torch.arange(len(log))[:, None], band, frame]


@dataclass(frozen=True)
class _Heard:
    """`error` ``[n, channels, slots]`` in steps, `cost` ``[n]`` (logarithm of the distance over that without
    a map, in steps), `moved` (mean change of the factors' logarithms)."""

    error: torch.Tensor
    cost: torch.Tensor
    moved: torch.Tensor


def _through(
    model: nn.Module,
    seen: Observations,
    hearing: Hearing,
    some: torch.Tensor,
    count: int,
    shift: float | None,
) -> _Heard:
    """What some seconds say after the first `count` channels; `shift` None: that of these seconds."""
    band, frame, n = seen.band[some], seen.frame[some], len(some)
    log = model(seen.level[some])
    own = _picked(log, band, frame)
    power = hearing.power
    heard = (hearing(seen.level[some]) + power * log).logsumexp((1, 2)) / power
    cost = _HEARD * heard + _MASKED * torch.logsumexp(2.0 * own, 1).sub(math.log(own.shape[1])) / 2.0
    by = cost.mean() if shift is None else torch.tensor(shift)
    later = model(seen.heard_level[some, :count].flatten(0, 1))
    of_slots = _picked(later, band.repeat_interleave(count, 0), frame.repeat_interleave(count, 0))
    of_slots = of_slots.unflatten(0, (n, count))
    error = seen.heard[some, :count] * torch.exp(by - of_slots)
    error = error - (seen.marked[some] * torch.exp(by - own))[:, None]
    moved = (later.unflatten(0, (n, count)) - log[:, None]).abs().mean()
    return _Heard(error, cost, moved)


def figures_of(model: nn.Module, seen: Observations, hearing: Hearing) -> MapFigures:
    """What a map does on some seconds.

    Args:
        model: gives logarithms of factors of levels ``[batch, 24, frames]``.
        seen: the seconds.
        hearing: what tells their distance.
    """
    every = torch.arange(len(seen)).split(_BATCH)
    with torch.no_grad():
        costs = [_through(model, seen, hearing, some, 1, 0.0).cost for some in every]
        shift = float(torch.cat(costs).mean())
        parts = [_through(model, seen, hearing, some, len(CHANNELS), shift) for some in every]
        error = torch.cat([part.error for part in parts])
        moved = float(torch.stack([part.moved for part in parts]).mean())
    wrong = (displacement(error, torch.zeros(())).abs() > 0.5).float().mean((0, 2))
    return MapFigures(tuple(wrong.tolist()), -shift, moved)


def fit_map(
    seen: Observations, hearing: Hearing, cfg: TrainConfig, model: nn.Module
) -> tuple[nn.Module, list[dict[str, float | str]]]:
    """Train a map.

    Args:
        seen: seconds to learn from.
        hearing: what tells their distance.
        cfg: its steps, seed, learning rate, ramp of the stability loss and spectral bound are used.
        model: `StepMap` or `Static`, changed in place.

    Returns:
        The model, without parametrizations, and a row for each tenth step: `step`, `phase`, `loss`, `wrong`
        (as the smooth loss counts), `moved`, `w_stab`, `grad_norm`.
    """
    rng = np.random.default_rng(cfg.seed)
    if cfg.sn_enable and isinstance(model, StepMap):
        bound_norms(model, ["halves.*"], cfg.sn_target, cfg.sn_power_iter)
    optimizer = torch.optim.Adam(model.parameters(), lr=cfg.learning_rate)
    rows: list[dict[str, float | str]] = []
    model.train()
    for step in range(cfg.steps):
        epoch = step / cfg.steps
        some = torch.from_numpy(rng.integers(0, len(seen), _BATCH))
        count = 1 if epoch < PHASES["A"][1] else len(CHANNELS)
        got = _through(model, seen, hearing, some, count, None)
        wrong = (1.0 - torch.cos(math.pi * got.error.clamp(-1.0, 1.0))).mean() / 2.0
        w_stab = stability_weight(cfg, epoch)
        loss = wrong + w_stab * got.moved
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(cfg, epoch)
        optimizer.zero_grad()
        loss.backward()
        norm = float(nn.utils.clip_grad_norm_(model.parameters(), cfg.clip_norm))
        optimizer.step()
        if step % 10 == 0 or step == cfg.steps - 1:
            rows.append(
                {
                    "step": step + 1, "phase": phase_at(epoch), "loss": float(loss.detach()),
                    "wrong": float(wrong.detach()), "moved": float(got.moved.detach()), "w_stab": w_stab,
                    "grad_norm": norm,
                }
            )  # fmt: skip
    model.eval()
    for layer in model.modules():
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight")
    return model.requires_grad_(False), rows
