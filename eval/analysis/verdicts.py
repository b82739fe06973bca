"""One system against each of many, family by family, on the clips and attacks that both ran on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from soundsafe.errors import InputError
from soundsafe.eval.analysis.families import ALL, PROCESSING, compare_families
from soundsafe.eval.analysis.stats import holm
from soundsafe.eval.rows import Interval

__all__ = ["LEVEL", "Verdict", "verdicts"]

LEVEL = 0.05


@dataclass(frozen=True)
class Verdict:
    """A system against another under one family of attacks.

    Attributes:
        other: the system it is set against.
        kinds, clips, groups: what the figures are of.
        own_success, other_success: shares of clips whose payload came back, weighted as a family is.
        difference: own minus other's; `difference_ci95` clustered by group, None below five groups.
        p: exact two-sided p-value by flipping the signs of whole groups; `p_holm` adjusted over all lines.
        verdict: `loss`, `tie` or `win`: a loss or win has a `p` below 0.05 by itself.
    """

    other: str
    family: str
    kinds: int
    clips: int
    groups: int
    own_success: float
    other_success: float
    difference: float
    difference_ci95: Interval
    p: float
    p_holm: float = 1.0
    verdict: str = "tie"


def _verdict(difference: float, p: float) -> str:
    if p >= LEVEL or difference == 0:
        return "tie"
    return "win" if difference > 0 else "loss"


def verdicts(frames: Mapping[str, pd.DataFrame], own: str) -> list[Verdict]:
    """Own system against every other, losses first.

    Args:
        frames: rows of one system each, by its name.
        own: one of them.

    Returns:
        A line for each other system and family of processing that both hold, and for all families together:
        losses, then ties, then wins; in each, the largest difference first.

    Raises:
        InputError: there is no such system, or no other one on the same clips and attacks.
    """
    if own not in frames:
        raise InputError(f"no run holds {own}: {', '.join(frames)}")
    found = []
    for other, frame in frames.items():
        if other == own:
            continue
        for row in compare_families(frame, frames[own]):
            if row.goal == PROCESSING:
                found.append(
                    Verdict(
                        other, row.family, row.kinds, row.clips, row.groups, row.clip_success_b,
                        row.clip_success_a, row.difference, row.difference_ci95, row.p,
                        verdict=_verdict(row.difference, row.p),
                    )
                )  # fmt: skip
    if not found:
        raise InputError(f"nothing was measured on the clips and attacks of {own}")
    # The line over all families repeats the others: it is judged by itself.
    tests = [v for v in found if v.family != ALL]
    adjusted = dict(zip(map(id, tests), holm([v.p for v in tests]).tolist(), strict=True))
    out = [Verdict(**{**vars(v), "p_holm": adjusted.get(id(v), v.p)}) for v in found]
    order = {"loss": 0, "tie": 1, "win": 2}
    return sorted(out, key=lambda v: (order[v.verdict], -abs(v.difference), v.other, v.family))
