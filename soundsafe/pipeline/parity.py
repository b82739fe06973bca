"""Do two versions of the same audio lead to the same features? Shares, 0 to 1, of what is exactly equal.

Conventions: `a` and `b` come from the two versions (original and marked, or marked and attacked), on the same
grid, ``[bands, frames]``; put several seconds side by side along the frames. Nothing to compare, or two
versions of unequal size, raise ValueError.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["parity_by_band", "parity_frames"]


def _equal(features_a: ArrayLike, features_b: ArrayLike) -> NDArray[np.bool_]:
    a, b = np.asarray(features_a), np.asarray(features_b)
    if a.ndim != 2 or a.shape != b.shape or a.size == 0:
        raise ValueError(f"features must be [bands, frames] of one shape, not {a.shape} and {b.shape}")
    return a == b


def parity_frames(features_a: ArrayLike, features_b: ArrayLike) -> float:
    """Share of frames whose quantised features are equal in every band.

    Args:
        features_a: ``[bands, frames]`` of one version of the audio.
        features_b: the same of the other version.

    Returns:
        0 to 1.

    Raises:
        ValueError: shapes that differ, or nothing to compare.

    Example:
        >>> parity_frames([[1, 2, 3], [4, 5, 6]], [[1, 2, 3], [4, 5, 7]]) == 2 / 3
        True
    """
    return float(_equal(features_a, features_b).all(axis=0).mean())


def parity_by_band(features_a: ArrayLike, features_b: ArrayLike) -> NDArray[np.float64]:
    """Share of frames whose quantised feature is equal, for each band.

    Args:
        features_a: ``[bands, frames]`` of one version of the audio.
        features_b: the same of the other version.

    Returns:
        ``[bands]``, 0 to 1.

    Raises:
        ValueError: shapes that differ, or nothing to compare.

    Example:
        >>> parity_by_band([[1, 2], [4, 5]], [[1, 2], [4, 7]]).tolist()
        [1.0, 0.5]
    """
    return _equal(features_a, features_b).mean(axis=1)
