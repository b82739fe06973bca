"""What benchmarks of marks share: as far from the original as another mark, and how much more is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from soundsafe.aliases import Audio
from soundsafe.distance.zimtohrli import worst_channel
from soundsafe.eval.analysis.stats import paired_interval
from soundsafe.stft import RATE

Marked = TypeVar("Marked")

_NEAR = 0.01
"""Marks count as equally far where the mean logarithms of their distances differ by less."""

_SLOPE = 1.4
"""Of the logarithm of the distance over that of the factor, before two factors tell it."""


def log_distance(pairs: Iterable[tuple[Audio, Audio]]) -> float:
    """Mean logarithm of the Zimtohrli distance of `pairs` of original and marked audio
    ``[channels, samples]``."""
    return float(np.mean([math.log(max(worst_channel(x, y, RATE), 1e-7)) for x, y in pairs]))


def at_distance(
    mark: Callable[[float], tuple[Marked, float]], wanted: float | None
) -> tuple[float, float, Marked]:
    """Factor, log distance and what was marked, by secants from factor 1 until the distance is `wanted`.

    `mark(factor)`: what is marked and its log distance. Without `wanted` the factor is 1. After six tries
    the last is taken.
    """
    factor, slope = 1.0, _SLOPE
    marked, distance = mark(factor)
    for _ in range(5):
        if wanted is None or abs(distance - wanted) < _NEAR:
            break
        move, before = (wanted - distance) / slope, distance
        factor *= math.exp(move)
        marked, distance = mark(factor)
        slope = max(0.5, (distance - before) / move)
    return factor, distance, marked


def tell(
    name: str,
    attacks: Sequence[str],
    rows: NDArray[np.float64],
    first: tuple[str, NDArray[np.float64]] | None,
    groups: NDArray[np.str_],
) -> None:
    """Print the share of wrong bits in `rows` ``[attacks, seconds]``, and how much more that is than in the
    rows of the `first`, which has a name, with its interval by `groups`."""
    figures = ", ".join(f"{k} {100 * v:.2f}" for k, v in zip(attacks, rows.mean(axis=1), strict=True))
    print(f"{name}; wrong bits, %: {figures}; mean {100 * rows.mean():.2f}", flush=True)
    if first is None:
        return
    more = (rows - first[1]).mean(axis=0)
    low, high = paired_interval(more, groups) or (math.nan, math.nan)
    print(
        f"  more than {first[0]}: {100 * more.mean():.2f} ({100 * low:.2f} to {100 * high:.2f});"
        f" {len(groups)} seconds of {len(set(groups.tolist()))} groups",
        flush=True,
    )
