"""Two runs side by side, paired: the same clips, attacks and EULs in both."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from soundsafe.errors import InputError
from soundsafe.eval.analysis.stats import MIN_GROUPS, holm, mcnemar, paired_interval, sign_flip
from soundsafe.eval.documents import rounded
from soundsafe.eval.frames import ran, refusals_counted
from soundsafe.eval.metrics.detection import auc
from soundsafe.eval.rows import JOIN, ComparisonRow, real

__all__ = ["LEVEL", "compare"]

LEVEL = 0.05
"""Family-wise error at which a difference counts: adjusted p-values below it."""

_CLIP = ["attack", "clip"]


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
    """A row for each attack that both runs hold, B against A, over the seconds and clips that ran in both.

    Args:
        a, b: rows of two runs (`soundsafe.eval.read_rows`), of systems of the same name or of one each.

    Raises:
        InputError: nothing in common.
    """
    out: list[ComparisonRow] = []
    a, b = (ran(refusals_counted(rows)) for rows in (a, b))
    for left, right in _one_system(a, b):
        mine, other = a[a["system"] == left], b[b["system"] == right]
        seconds = _paired(mine, other, ["attack", "clip", "eul"])
        clips = _paired(mine.drop_duplicates(_CLIP), other.drop_duplicates(_CLIP), _CLIP)
        name = left if left == right else f"{left} / {right}"
        # What no second gives by itself has no test of seconds, which would only dilute those of clips.
        alone = bool(mine["payload_ok"].any() or other["payload_ok"].any())
        for attack, part in seconds.groupby("attack", sort=False):
            if real(str(attack)):
                whole = clips[clips["attack"] == attack]
                row = _row(name, str(attack), part, whole, alone)
                out.append(replace(row, auc_a=_auc(mine, str(attack)), auc_b=_auc(other, str(attack))))
    if not out:
        raise InputError("the runs have no clip and attack in common")
    return [rounded(row) for row in _adjusted(out)]


def _paired(a: pd.DataFrame, b: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    return a.merge(b, on=by, suffixes=("_a", "_b"), validate="one_to_one")


def _change(pairs: pd.DataFrame, column: str) -> tuple[pd.Series, int, int]:
    """B minus A, pair by pair, and how many succeed in A alone and in B alone."""
    ok_a, ok_b = (pairs[f"{column}_{run}"].astype(bool) for run in "ab")
    return ok_b.astype(float) - ok_a.astype(float), int((ok_a & ~ok_b).sum()), int((ok_b & ~ok_a).sum())


def _row(system: str, attack: str, seconds: pd.DataFrame, clips: pd.DataFrame, alone: bool) -> ComparisonRow:
    """One attack: the seconds, and the clips, of both runs side by side."""
    difference, only_a, only_b = _change(seconds, "payload_ok")
    clip_difference, clips_only_a, clips_only_b = _change(clips, "clip_ok")
    enough = alone and seconds["group_a"].nunique() >= MIN_GROUPS
    return ComparisonRow(
        system=system,
        attack=attack,
        clips=len(clips),
        euls=len(seconds),
        payload_success_a=float(seconds["payload_ok_a"].mean()),
        payload_success_b=float(seconds["payload_ok_b"].mean()),
        difference=float(difference.mean()),
        difference_ci95=paired_interval(difference, seconds["group_a"]) if alone else None,
        only_a=only_a,
        only_b=only_b,
        p_mcnemar=mcnemar(only_a, only_b),
        p_clustered=sign_flip(difference, seconds["group_a"]) if enough else None,
        ber_a=float(seconds["ber_a"].mean()),
        ber_b=float(seconds["ber_b"].mean()),
        clip_success_a=float(clips["clip_ok_a"].mean()),
        clip_success_b=float(clips["clip_ok_b"].mean()),
        clip_difference=float(clip_difference.mean()),
        clips_only_a=clips_only_a,
        clips_only_b=clips_only_b,
        p_clips=sign_flip(clip_difference, clips["group_a"]),
        bit_accuracy_a=float(clips["bit_accuracy_a"].mean()),
        bit_accuracy_b=float(clips["bit_accuracy_b"].mean()),
    )


def _auc(rows: pd.DataFrame, attack: str) -> float:
    """How well a run's score tells the attacked clips from its unmarked ones, attacked alike where it has
    them; NaN where it has no scores of both."""
    clips = rows.drop_duplicates(_CLIP)
    alike = clips[clips["attack"] == f"unmarked{JOIN}{attack}"]
    unmarked = alike if len(alike) else clips[clips["attack"] == "unmarked"]
    return auc(clips[clips["attack"] == attack]["score"], unmarked["score"])


def _adjusted(rows: list[ComparisonRow]) -> list[ComparisonRow]:
    """With p-values adjusted over all tests of all rows together, and the verdict that they give."""
    tests = [p for row in rows for p in (row.p_clustered, row.p_clips) if p is not None]
    adjusted = iter(holm(tests).tolist())
    out = []
    for row in rows:
        row = replace(
            row,
            p_holm=None if row.p_clustered is None else next(adjusted),
            p_clips_holm=None if row.p_clips is None else next(adjusted),
        )
        out.append(replace(row, verdict=_verdict(row)))
    return out


def _verdict(row: ComparisonRow) -> str:
    """Of the second run against the first: by seconds, whose interval must exclude 0 too, and by clips."""
    signs = set()
    limits = row.difference_ci95
    if row.p_holm is not None and row.p_holm < LEVEL and limits and not limits[0] <= 0 <= limits[1]:
        signs.add(row.difference > 0)
    if row.p_clips_holm is not None and row.p_clips_holm < LEVEL:
        signs.add((row.clip_difference or 0.0) > 0)
    return {0: "within noise", 2: "mixed"}.get(len(signs), "better" if True in signs else "worse")
