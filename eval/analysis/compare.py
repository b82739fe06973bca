"""Two runs side by side, paired: the same clips, attacks and EULs in both."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from soundsafe.errors import InputError
from soundsafe.eval.analysis.stats import holm, mcnemar, paired_interval, paired_p
from soundsafe.eval.documents import rounded
from soundsafe.eval.frames import measured_ber, ran
from soundsafe.eval.rows import ComparisonRow, control_of

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


def compare(a: pd.DataFrame, b: pd.DataFrame) -> list[ComparisonRow]:
    """A row for each attack that both runs hold, B against A, over the EULs that ran in both.

    Args:
        a, b: rows of two runs (`soundsafe.eval.read_rows`), of systems of the same name or of one each.

    Raises:
        InputError: nothing in common.
    """
    out: list[ComparisonRow] = []
    a, b = (ran(rows.assign(ber=measured_ber(rows))) for rows in (a, b))
    for left, right in _one_system(a, b):
        pairs = a[a["system"] == left].merge(
            b[b["system"] == right], on=_CELL, suffixes=("_a", "_b"), validate="one_to_one"
        )
        name = left if left == right else f"{left} / {right}"
        for attack, part in pairs.groupby("attack", sort=False):
            if not control_of(str(attack)):
                out.append(_row(name, str(attack), part))
    if not out:
        raise InputError("the runs have no clip and attack in common")
    tested = [row.p_clustered for row in out if row.p_clustered is not None]
    adjusted = iter(holm(tested).tolist())
    return [rounded(row if row.p_clustered is None else replace(row, p_holm=next(adjusted))) for row in out]


def _row(system: str, attack: str, part: pd.DataFrame) -> ComparisonRow:
    """One attack: `part` has the EULs of both runs side by side."""
    ok_a, ok_b = part["payload_ok_a"].astype(bool), part["payload_ok_b"].astype(bool)
    difference = ok_b.astype(float) - ok_a.astype(float)
    only_a, only_b = int((ok_a & ~ok_b).sum()), int((ok_b & ~ok_a).sum())
    return ComparisonRow(
        system=system,
        attack=attack,
        clips=int(part["clip"].nunique()),
        euls=len(part),
        payload_success_a=float(ok_a.mean()),
        payload_success_b=float(ok_b.mean()),
        difference=float(difference.mean()),
        difference_ci95=paired_interval(difference, part["group_a"]),
        only_a=only_a,
        only_b=only_b,
        p_mcnemar=mcnemar(only_a, only_b),
        p_clustered=paired_p(difference, part["group_a"]),
        ber_a=float(part["ber_a"].mean()),
        ber_b=float(part["ber_b"].mean()),
    )
