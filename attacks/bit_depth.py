"""Fewer bits per sample: rounding to the grid of signed integers, with and without dither."""

from __future__ import annotations

import numpy as np

from soundsafe.attacks.registry import Audio, attack


@attack("bits", {f"bits_{b}": {"bits": b} for b in (16, 14, 12, 10, 8, 6, 5, 4, 3, 2)})
def bits(audio: Audio, rate: int, rng: np.random.Generator, *, bits: int) -> Audio:
    """Rounded to `bits` bits; what passes full scale is clipped, as integers must."""
    return _round(audio, bits)


@attack("bits", {f"bits_dither_{b}": {"bits": b} for b in (16, 12, 8)})
def bits_dither(audio: Audio, rate: int, rng: np.random.Generator, *, bits: int) -> Audio:
    """The same after triangular dither of two steps peak to peak."""
    triangle = rng.random(audio.shape) - rng.random(audio.shape)
    return _round(audio + triangle / 2 ** (bits - 1), bits)


def _round(audio: Audio, bits: int) -> Audio:
    full = 2 ** (bits - 1)
    return (np.clip(np.rint(audio * full), -full, full - 1) / full).astype(np.float32)
