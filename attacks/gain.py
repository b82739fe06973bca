"""Gain: every sample times one factor; nothing is clipped."""

from __future__ import annotations

import numpy as np

from soundsafe.attacks.registry import Audio, attack


@attack(
    "gain",
    {f"gain_{db:+d}dB": {"db": db} for db in (1, -1, 3, -3, 6, -6, 12, -12, 14, -14, -20, -40)},
    differentiable=True,
)
def gain(audio: Audio, rate: int, rng: np.random.Generator, *, db: float) -> Audio:
    """`db` decibels louder."""
    return audio * np.float32(10 ** (db / 20))


@attack(
    "gain",
    {f"gain_boost_{p}%": {"factor": (100 + p) / 100} for p in (10, 50, 90)}
    | {f"gain_duck_{p}%": {"factor": (100 - p) / 100} for p in (10, 50, 90)},
    differentiable=True,
)
def factor(audio: Audio, rate: int, rng: np.random.Generator, *, factor: float) -> Audio:
    """`factor` times as large."""
    return audio * np.float32(factor)
