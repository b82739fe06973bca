"""Size and power of the comparison of two runs: `python benchmarks/comparison_power.py`.

Simulated pairs of systems that read the same clips. A clip is read by both, by neither, or by one alone;
clips of one group (one, or four) are more or less alike in that. For each number of groups and each true
difference the table gives how often `compare` finds one among clips: alone, and as the one difference among
the 60 attacks of a suite, adjusted by Holm's method. A difference of 0 is the test's size, which must not
exceed 5 %; exits with 1 where it does by more than chance allows.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from soundsafe.eval.analysis.compare import LEVEL
from soundsafe.eval.analysis.stats import sign_flip

GROUPS = (5, 8, 15, 30)
DIFFERENCES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.8)
ALIKE = (0.0, 0.5, 1.0)
CLIPS = (1, 4)
BASE = 0.05
ATTACKS = 60

Rng = np.random.Generator


def differences(rng: Rng, groups: int, clips: int, fall: float, alike: float) -> NDArray[np.int64]:
    """B's success minus A's of each clip ``[groups * clips]``: -1, 0 or 1.

    A share `BASE` + `fall` of clips is read by A alone, a share `BASE` by B alone; a group's clips do as its
    first one does with chance `alike`.
    """
    chance = (BASE + fall, 1 - 2 * BASE - fall, BASE)
    each = rng.choice([-1, 0, 1], (groups, clips), p=chance)
    together = rng.random((groups, clips)) < alike
    return np.where(together, each[:, :1], each).reshape(-1)


def found(rng: Rng, groups: int, clips: int, fall: float, alike: float, trials: int) -> tuple[float, float]:
    """Shares of trials in which the test finds a difference alone, and beside 59 others that are none."""
    labels = np.repeat(np.arange(groups), clips)
    p = np.array([sign_flip(differences(rng, groups, clips, fall, alike), labels) for _ in range(trials)])
    return float(np.mean(p < LEVEL)), float(np.mean(p < LEVEL / ATTACKS))


def cases() -> Iterator[tuple[int, float, int]]:
    for clips in CLIPS:
        for alike in ALIKE if clips > 1 else (0.0,):
            for groups in GROUPS:
                yield clips, alike, groups


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000, help="pairs of systems of each kind")
    trials = parser.parse_args().trials
    heads = [f"fall {d:g}" if d else "size" for d in DIFFERENCES]
    print(f"| clips a group | alike | groups | {' | '.join(heads)} |")
    print(f"|---|---|---|{'---|' * len(heads)}")
    largest = 0.0
    for clips, alike, groups in cases():
        rng = np.random.default_rng([clips, round(10 * alike), groups])
        shares = [found(rng, groups, clips, fall, alike, trials) for fall in DIFFERENCES]
        largest = max(largest, shares[0][0])
        cells = (f"{100 * alone:.1f} / {100 * among:.1f}" for alone, among in shares)
        print(f"| {clips} | {alike:g} | {groups} | {' | '.join(cells)} |", flush=True)
    limit = LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / trials)
    print(f"{trials} pairs of each kind, % found alone / among {ATTACKS} attacks")
    print(f"largest size {100 * largest:.1f} %")
    return 1 if largest > limit else 0


if __name__ == "__main__":
    sys.exit(main())
