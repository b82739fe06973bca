"""Two runs side by side, paired: the same clips, attacks and EULs in both."""

from __future__ import annotations

from typing import Any

import pandas as pd

from soundsafe.errors import InputError
from soundsafe.eval.analysis.stats import holm, mcnemar, paired_interval, paired_p
from soundsafe.eval.rows import control_of, from_frame_value, measured_ber

__all__ = ["compare"]

_CELL = ["attack", "clip", "eul"]


def _one_system(a: pd.DataFrame, b: pd.DataFrame) -> list[tuple[str, str]]:
    """Which systems are set against each other: those of the same name, or one in each run."""
    left, right = list(a["system"].unique()), list(b["system"].unique())
    both = [s for s in left if s in right]
    if both:
        return [(s, s) for s in both]
    if len(left) == len(right) == 1:
        return [(left[0], right[0])]
    raise InputError("the runs have no system in common: compare runs of one system each")


def compare(a: pd.DataFrame, b: pd.DataFrame) -> list[dict[str, Any]]:
    """One dict for each attack that both runs hold, B against A, over the EULs that both hold.

    `difference` is B's payload success minus A's with its 95 % interval, and `p_clustered` its two-sided
    p-value, both clustered by group, null below five groups; `p_holm` is that p-value adjusted over all
    attacks. `only_a` and `only_b` count EULs that decode in one run alone; `p_mcnemar` is McNemar's exact
    two-sided p-value of them, not adjusted. It takes EULs as independent: where clips fail as a whole it is
    far too small.

    Raises:
        InputError: nothing in common.
    """
    out: list[dict[str, Any]] = []
    a, b = (rows.assign(ber=measured_ber(rows)) for rows in (a, b))
    for left, right in _one_system(a, b):
        pairs = a[a["system"] == left].merge(
            b[b["system"] == right], on=_CELL, suffixes=("_a", "_b"), validate="one_to_one"
        )
        for attack, part in pairs.groupby("attack", sort=False):
            if control_of(str(attack)):
                continue
            ok_a, ok_b = part["payload_ok_a"].astype(bool), part["payload_ok_b"].astype(bool)
            difference = ok_b.astype(float) - ok_a.astype(float)
            only_a, only_b = int((ok_a & ~ok_b).sum()), int((ok_b & ~ok_a).sum())
            out.append(
                {
                    "system": left if left == right else f"{left} / {right}",
                    "attack": attack,
                    "clips": int(part["clip"].nunique()),
                    "euls": len(part),
                    "payload_success_a": ok_a.mean(),
                    "payload_success_b": ok_b.mean(),
                    "difference": difference.mean(),
                    "difference_ci95": paired_interval(difference, part["group_a"]),
                    "only_a": only_a,
                    "only_b": only_b,
                    "p_mcnemar": mcnemar(only_a, only_b),
                    "p_clustered": paired_p(difference, part["group_a"]),
                    "ber_a": part["ber_a"].mean(),
                    "ber_b": part["ber_b"].mean(),
                    "p_holm": None,
                }
            )
    if not out:
        raise InputError("the runs have no clip and attack in common")
    tested = [row for row in out if row["p_clustered"] is not None]
    for row, p in zip(tested, holm([r["p_clustered"] for r in tested]), strict=True):
        row["p_holm"] = p
    return [from_frame_value(row) for row in out]
