"""Cuts in time."""

from __future__ import annotations

import numpy as np

from soundsafe.attacks.registry import Audio, attack


def _crop_delay(rate: int, channels: int, *, start_s: float) -> int:
    return -round(start_s * rate)


@attack(
    "editing",
    {f"crop_{s}s": {"start_s": s} for s in (0.01, 0.1, 0.25, 0.333, 0.5)},
    changes_length=True,
    differentiable=True,
    delay=_crop_delay,
)
def crop(audio: Audio, rate: int, rng: np.random.Generator, *, start_s: float) -> Audio:
    """The first `start_s` seconds cut off."""
    return audio[:, round(start_s * rate) :]
