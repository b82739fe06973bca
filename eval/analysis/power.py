"""How small a fall of payload success a gate sees, and how many clips it takes to see a given one.

By simulation with the gate's own test: the baseline's clips are read anew by a codec that lost a share of
what it read before. A fall is either spread evenly over all EULs or takes whole clips, as a lost
synchronisation does; what a change does lies between, and the second needs more clips.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from soundsafe.eval.analysis.gate import FAMILY_ERROR, MARGINS, Baseline, Clips
from soundsafe.eval.analysis.stats import stratified_shifts
from soundsafe.eval.rows import PowerRow

__all__ = ["MOST_CLIPS", "POWER", "Kind", "clips_needed", "power", "power_rows", "smallest_fall"]

Kind = Literal["evenly", "whole_clips"]

POWER = 0.8
"""Share of worse codecs that a gate is to fail."""

MOST_CLIPS = 2000
"""No larger number of clips is looked at."""

_RUNS = 500
_METRIC = "payload_success"

Counts = NDArray[np.int64]


def power(ok: Counts, euls: Counts, fall: float, *, level: float, kind: Kind, clips: int) -> float:
    """Share of runs that the gate's test of payload success fails.

    Args:
        ok, euls: [n] EULs that decoded, and all, of each clip of the baseline.
        fall: of the share of EULs that decode, absolute, at most that share.
        level: of the single test.
        kind: how the fall is spread.
        clips: of the run; those of the baseline, from the first on, again and again.
    """
    k, n = np.resize(ok, clips), np.resize(euls, clips)
    rng = np.random.default_rng(0)
    lost = min(1.0, fall * n.sum() / max(1, k.sum()))
    kept = 1 - lost if kind == "evenly" else rng.random((_RUNS, clips)) >= lost
    difference, p = stratified_shifts(k, n, rng.binomial(n, k / n * kept, (_RUNS, clips)), n)
    return float(np.mean((p < level) & (-difference > MARGINS[_METRIC])))


def _first(low: int, high: int, enough: Callable[[int], bool]) -> int | None:
    """The smallest number from `low` to `high` that is `enough`, where all above it are; None: none is."""
    if not enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def smallest_fall(ok: Counts, euls: Counts, *, level: float, kind: Kind) -> float | None:
    """Smallest fall, in steps of 0.01, that the gate sees in `POWER` of runs over the baseline's own clips;
    None where it would miss even the loss of everything. Arguments as of `power`."""

    def enough(percent: int) -> bool:
        return power(ok, euls, percent / 100, level=level, kind=kind, clips=len(ok)) >= POWER

    percent = _first(1, max(1, int(100 * np.sum(ok) / np.sum(euls))), enough)
    return None if percent is None else percent / 100


def clips_needed(ok: Counts, euls: Counts, fall: float, *, level: float, kind: Kind) -> int | None:
    """Clips like the baseline's that it takes to see `fall` in `POWER` of runs; None above `MOST_CLIPS`.
    Arguments as of `power`."""

    def enough(clips: int) -> bool:
        return power(ok, euls, fall, level=level, kind=kind, clips=clips) >= POWER

    high = 2
    while high < MOST_CLIPS and not enough(high):
        high *= 2
    return _first(max(2, high // 2), min(high, MOST_CLIPS), enough)


def _level(systems: Mapping[str, Mapping[str, Clips]]) -> float:
    """Of each single test of a gate with this baseline."""
    tests = 0
    for attacks in systems.values():
        for clips in attacks.values():
            tests += sum(any(c.figure(m) is not None for c in clips.values()) for m in MARGINS)
    return FAMILY_ERROR / max(1, tests)


def power_rows(baseline: Baseline, fall: float) -> list[PowerRow]:
    """A row for each system and attack of a baseline, as `read_baseline` gives it.

    Args:
        baseline: whose clips a run is taken to hold.
        fall: of payload success, as a difference of shares.
    """
    level = _level(baseline.systems)
    rows = []
    for system, attacks in baseline.systems.items():
        for attack, clips in attacks.items():
            euls: Counts = np.array([c.euls for c in clips.values()])
            ok: Counts = np.array([c.payload_success for c in clips.values()])
            success = float(ok.sum() / euls.sum())

            def falls(kind: Kind, ok: Counts = ok, euls: Counts = euls) -> float | None:
                return smallest_fall(ok, euls, level=level, kind=kind)

            def needed(
                kind: Kind, ok: Counts = ok, euls: Counts = euls, success: float = success
            ) -> int | None:
                return clips_needed(ok, euls, fall, level=level, kind=kind) if fall <= success else None

            rows.append(
                PowerRow(
                    system=system,
                    attack=attack,
                    clips=len(ok),
                    euls=int(euls.sum()),
                    payload_success=success,
                    smallest_fall_evenly=falls("evenly"),
                    clips_evenly=needed("evenly"),
                    smallest_fall_whole_clips=falls("whole_clips"),
                    clips_whole_clips=needed("whole_clips"),
                )
            )
    return rows
