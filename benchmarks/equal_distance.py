"""What benchmarks of marks share: how much more is wrong than after another mark."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soundsafe.eval.analysis.stats import paired_interval


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
