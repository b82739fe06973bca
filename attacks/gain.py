"""Gain: every sample times one factor; nothing is clipped."""

from __future__ import annotations

import numpy as np

from soundsafe.attacks.registry import Audio, attack


@attack("gain", {f"gain_{db:+d}dB": {"db": db} for db in (1, -1, 3, -3, 6, -6, -20)}, differentiable=True)
def gain(audio: Audio, rate: int, rng: np.random.Generator, *, db: float) -> Audio:
    """`db` decibels louder."""
    return audio * np.float32(10 ** (db / 20))
