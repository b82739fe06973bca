"""Fewer bits per sample: rounding to the grid of signed integers, with and without dither; few levels."""

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


@attack("bits", {f"levels_{n}": {"levels": n} for n in (64, 32, 16, 8, 4)})
def levels(audio: Audio, rate: int, rng: np.random.Generator, *, levels: int) -> Audio:
    """Rounded to this many levels, evenly from the clip's lowest sample to its highest."""
    low, high = float(audio.min(initial=np.inf)), float(audio.max(initial=-np.inf))
    step = (high - low) / (levels - 1)
    return (low + step * np.rint((audio - low) / step)).astype(np.float32) if step > 0 else audio


def _round(audio: Audio, bits: int) -> Audio:
    full = 2 ** (bits - 1)
    return (np.clip(np.rint(audio * full), -full, full - 1) / full).astype(np.float32)
