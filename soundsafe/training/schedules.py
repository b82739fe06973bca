"""Weights and phases as functions of the share of training that is done, 0 to 1."""

from __future__ import annotations

import itertools
import math

from soundsafe.training.config import TrainConfig

__all__ = ["PHASES", "csd_scale", "learning_rate", "perceptual_weight", "phase_at", "stability_weight"]

PHASES = {"A": (0.0, 1.0 / 3.0), "B": (1.0 / 3.0, 0.6), "C": (0.6, 1.0)}
"""Start and end of each phase: A settles, B raises the weight of stability, C adds the random channel."""

_LAST_RATE = 0.02
_W_STAB_FINAL = 0.5
_W_STAB_AT_C = 0.3


def phase_at(epoch: float) -> str:
    """The phase of training.

    Args:
        epoch: share of training done, 0 to 1.

    Returns:
        ``A``, ``B`` or ``C``.

    Example:
        >>> phase_at(0.0), phase_at(0.5), phase_at(1.0)
        ('A', 'B', 'C')
    """
    return next((name for name, (_, end) in PHASES.items() if epoch < end), "C")


def stability_weight(cfg: TrainConfig, epoch: float) -> float:
    """Weight of the stability loss: ``cfg.w_stab`` until the ramp, 0.5 from its end on.

    ``rollout`` is linear through 0.3 at 0.6 where that lies within the ramp, ``linear`` straight.

    Args:
        cfg: its `w_stab` and `stability_ramp`, with start and end.
        epoch: share of training done, 0 to 1.

    Returns:
        The weight, at least 0.

    Example:
        >>> [round(stability_weight(TrainConfig(), epoch), 2) for epoch in (0.0, 0.33, 0.6, 1.0)]
        [0.05, 0.05, 0.3, 0.5]
    """
    points = [(cfg.stability_ramp_start, cfg.w_stab)]
    if cfg.stability_ramp == "rollout" and cfg.stability_ramp_start < 0.6 < cfg.stability_ramp_end:
        points.append((PHASES["C"][0], _W_STAB_AT_C))
    points.append((cfg.stability_ramp_end, _W_STAB_FINAL))
    if epoch <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if epoch < x1:
            return y0 + (y1 - y0) * (epoch - x0) / (x1 - x0)
    return points[-1][1]


def csd_scale(cfg: TrainConfig, epoch: float) -> float:
    """Strength of the random channel: 0 until ``csd_start_frac``, ``csd_final_scale`` at the end.

    Args:
        cfg: its `csd_*` fields are used.
        epoch: share of training done, 0 to 1.

    Returns:
        0 to ``cfg.csd_final_scale``.

    Example:
        >>> [round(csd_scale(TrainConfig(), epoch), 2) for epoch in (0.6, 0.8, 1.0)]
        [0.0, 0.35, 0.7]
    """
    if epoch <= cfg.csd_start_frac:
        return 0.0
    share = min(1.0, (epoch - cfg.csd_start_frac) / (1.0 - cfg.csd_start_frac))
    if cfg.csd_schedule == "cosine":
        share = (1.0 - math.cos(math.pi * share)) / 2.0
    return cfg.csd_final_scale * share


def learning_rate(cfg: TrainConfig, epoch: float) -> float:
    """The learning rate: it falls by half a cosine to a fiftieth.

    Args:
        cfg: its `learning_rate` is that of the start.
        epoch: share of training done, 0 to 1.

    Returns:
        The rate, above 0.

    Example:
        >>> learning_rate(TrainConfig(), 0.0), round(learning_rate(TrainConfig(), 1.0), 8)
        (0.001, 2e-05)
    """
    return cfg.learning_rate * (_LAST_RATE + (1.0 - _LAST_RATE) * (1.0 + math.cos(math.pi * epoch)) / 2.0)


def perceptual_weight(cfg: TrainConfig, epoch: float) -> float:
    """Weight of the perceptual loss: it rises from 0, so that the message is learnt first.

    Args:
        cfg: its `w_perc` and `curriculum_frac` are used.
        epoch: share of training done, 0 to 1.

    Returns:
        0 to ``cfg.w_perc``.

    Example:
        >>> perceptual_weight(TrainConfig(), 0.15), perceptual_weight(TrainConfig(), 1.0)
        (0.5, 1.0)
    """
    if cfg.curriculum_frac == 0:
        return cfg.w_perc
    return cfg.w_perc * min(1.0, epoch / cfg.curriculum_frac)
