"""Raw bit error rate: before any decoding, on the coded bits of one EUL."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from soundsafe.eval.metrics.registry import metric

__all__ = ["MISSED", "bit_error_rate"]

MISSED = 0.5
"""The rate of an EUL that was not found: nothing is known about its bits."""


@metric("ber", unit="share of coded bits", better="lower", level="eul")
def bit_error_rate(read: ArrayLike | None, true: ArrayLike) -> float:
    """Share of coded bits read wrongly, before error correction; 0.5 where an EUL was not found.

    Args:
        read: [n] bits as the detector decided them (0 or 1), or None where it found no EUL.
        true: [n] bits that were embedded.

    Raises:
        ValueError: the lengths differ, or there are no bits.
    """
    if read is None:
        return MISSED
    a, b = np.asarray(read).astype(bool).ravel(), np.asarray(true).astype(bool).ravel()
    if a.shape != b.shape or a.size == 0:
        raise ValueError(f"{a.size} bits read, {b.size} embedded")
    return float(np.mean(a != b))
