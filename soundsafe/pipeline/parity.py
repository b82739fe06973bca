"""Do two versions of the same audio lead to the same layout? Shares, 0 to 1, of what is exactly equal.

Conventions: `a` and `b` come from the two versions (original and marked, or marked and attacked), on the same
grid. Features are ``[bands, frames]``; put several EULs side by side along the frames. Everything else is a
sequence with one entry an EUL. Nothing to compare, or two versions of unequal size, raise ValueError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["parity_bits", "parity_by_band", "parity_frames", "parity_slots", "seed_parity"]


def _equal(features_a: ArrayLike, features_b: ArrayLike) -> NDArray[np.bool_]:
    a, b = np.asarray(features_a), np.asarray(features_b)
    if a.ndim != 2 or a.shape != b.shape or a.size == 0:
        raise ValueError(f"features must be [bands, frames] of one shape, not {a.shape} and {b.shape}")
    return a == b


def parity_frames(features_a: ArrayLike, features_b: ArrayLike) -> float:
    """Share of frames whose quantised features are equal in every band."""
    return float(_equal(features_a, features_b).all(axis=0).mean())


def parity_by_band(features_a: ArrayLike, features_b: ArrayLike) -> NDArray[np.float64]:
    """Share of frames whose quantised feature is equal, for each band, ``[bands]``."""
    return _equal(features_a, features_b).mean(axis=1)


def _pairs(a: Sequence[Any], b: Sequence[Any]) -> list[tuple[Any, Any]]:
    if len(a) == 0 or len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} EULs cannot be compared")
    return list(zip(a, b, strict=True))


def parity_bits(bits_a: Sequence[ArrayLike], bits_b: Sequence[ArrayLike]) -> float:
    """Share of EULs whose bits for each band, ``[bands]``, are equal in every band."""
    return float(np.mean([np.array_equal(np.asarray(a), np.asarray(b)) for a, b in _pairs(bits_a, bits_b)]))


def parity_slots(slots_a: Sequence[Any], slots_b: Sequence[Any]) -> float:
    """Share of EULs whose slots are equal, in the same order; of each the list, or its digest."""
    return float(np.mean([_plain(a) == _plain(b) for a, b in _pairs(slots_a, slots_b)]))


def _plain(slots: Any) -> Any:
    return slots if isinstance(slots, str | bytes) else [tuple(int(i) for i in slot) for slot in slots]


def seed_parity(seeds_a: Sequence[int | None], seeds_b: Sequence[int | None]) -> float:
    """Share of EULs whose seeds are equal; no seed (None) equals nothing."""
    return float(np.mean([a is not None and a == b for a, b in _pairs(seeds_a, seeds_b)]))
