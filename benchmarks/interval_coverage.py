"""How often the intervals of the bench hold the truth: `python benchmarks/interval_coverage.py`.

Simulated data sets, groups alike within: shares (payload success with 8 EULs a group or unequal numbers, clip
success with one, and groups that are lost altogether among others that hardly ever fail), mean error rates,
and detection at a fixed false-positive rate, its threshold found on 200 unmarked clips. Prints the lowest
coverage for each figure and number of groups as a table, and the kinds of data that are covered worst; exits
with 1 below 93 %, and fails where an interval has no width.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import stats

from soundsafe.eval.analysis.stats import mean_interval, proportion_interval
from soundsafe.eval.metrics.detection import operating_point

GROUPS = (5, 8, 12, 15, 20, 30)
SHARES = (0.5, 0.9, 0.97, 0.995)
BITS = 2040

Rng = np.random.Generator


def _labels(rng: Rng, groups: int, sizes: str) -> Any:
    count = {"one": np.ones(groups, int), "equal": np.full(groups, 8)}.get(sizes)
    return np.repeat(np.arange(groups), rng.integers(1, 16, groups) if count is None else count)


def _rates_of_groups(rng: Rng, groups: int, p: float, alike: float) -> Any:
    """Beta with mean `p`; `alike` is the correlation within a group, 1: it succeeds or fails as a whole."""
    if alike == 0:
        return np.full(groups, p)
    if alike == 1:
        return (rng.random(groups) < p).astype(float)
    return rng.beta(p * (1 / alike - 1), (1 - p) * (1 / alike - 1), groups)


def share(rng: Rng, groups: int, sizes: str, p: float, alike: float) -> bool:
    labels = _labels(rng, groups, sizes)
    success = rng.random(len(labels)) < _rates_of_groups(rng, groups, p, alike)[labels]
    low, high = proportion_interval(success, labels) or (1.0, 0.0)
    assert low < high
    return bool(low <= p <= high)


def share_with_losses(rng: Rng, groups: int, sizes: str, lost: float, rest: float) -> bool:
    """A share `lost` of groups fails altogether; of the others, a share `rest` of their members."""
    labels = _labels(rng, groups, sizes)
    rates = np.where(rng.random(groups) < lost, 0.0, 1 - rest)
    success = rng.random(len(labels)) < rates[labels]
    low, high = proportion_interval(success, labels) or (1.0, 0.0)
    assert low < high
    return bool(low <= (1 - lost) * (1 - rest) <= high)


def error_rate(rng: Rng, groups: int, sizes: str, rate: float, skew: float) -> bool:
    """Lognormal between groups (`skew`: standard deviation of the logarithm), a little so within them."""
    labels = _labels(rng, groups, sizes)
    of_group = rate * np.exp(skew * rng.normal(size=groups) - skew**2 / 2)
    of_eul = np.minimum(of_group[labels] * np.exp(0.3 * rng.normal(size=len(labels)) - 0.045), 1)
    low, high = mean_interval(rng.binomial(BITS, of_eul) / BITS, labels, trials=BITS) or (1.0, 0.0)
    assert low < high
    return bool(low <= rate <= high)


UNMARKED = 200


def detection(rng: Rng, groups: int, sizes: str, lift: float, alike: float, of_rate: bool = False) -> bool:
    """Normal scores, marked ones higher by `lift`, of which a share `alike` of the variance is the group's.

    Whether the interval of the share above the threshold of 1 % holds the share of all marked clips that
    score above it; `of_rate`: whether the interval of the threshold's false-positive rate holds that.
    """
    labels = _labels(rng, groups, sizes)
    point = operating_point(rng.normal(size=UNMARKED), 0.01)
    assert point is not None
    assert point.false_positives is not None
    if of_rate:
        low, high = point.false_positives
        return bool(low <= stats.norm.sf(point.threshold) <= high)
    own = np.sqrt(1 - alike) * rng.normal(size=len(labels))
    scores = lift + np.sqrt(alike) * rng.normal(size=groups)[labels] + own
    low, high = proportion_interval(scores > point.threshold, labels) or (1.0, 0.0)
    return bool(low <= stats.norm.sf(point.threshold - lift) <= high)


def false_positives(rng: Rng, groups: int, sizes: str, lift: float, alike: float) -> bool:
    return detection(rng, groups, sizes, lift, alike, of_rate=True)


def _cases() -> Iterator[tuple[str, Callable[..., bool], tuple[Any, ...]]]:
    for groups in GROUPS:
        for sizes in ("one", "equal", "unequal"):
            for p in SHARES:
                for alike in (0, 0.1, 0.3, 0.7, 1) if sizes != "one" else (0,):
                    name = f"share {p}, {groups} groups ({sizes}), alike {alike}"
                    yield name, share, (groups, sizes, p, alike)
        for sizes in ("one", "equal"):
            for lift in (1.0, 2.5, 4.0, 6.0):
                for alike in (0.0, 0.3, 0.9) if sizes != "one" else (0.0,):
                    name = f"detection, lift {lift}, {groups} groups ({sizes}), alike {alike}"
                    yield name, detection, (groups, sizes, lift, alike)
        yield f"false positives, {groups} groups", false_positives, (groups, "one", 1.0, 0.0)
        for sizes in ("equal", "unequal"):
            for lost in (0.005, 0.02, 0.1):
                for rest in (0.0001, 0.001, 0.01):
                    name = f"share, {lost:g} lost and {rest:g} of the rest, {groups} groups ({sizes})"
                    yield name, share_with_losses, (groups, sizes, lost, rest)
            for rate in (0.001, 0.005, 0.05):
                for skew in (0, 0.5, 1, 1.5, 2):
                    if skew < 2 or rate < 0.05:  # rates of groups end at 1
                        name = f"error rate {rate}, {groups} groups ({sizes}), skew {skew}"
                        yield name, error_rate, (groups, sizes, rate, skew)


FIGURES = {
    share: "share, groups more or less alike within",
    share_with_losses: "share, some groups lost altogether",
    error_rate: "mean error rate",
    detection: "detection at 1 % false positives",
    false_positives: "false-positive rate of its threshold",
}


def _table(found: list[tuple[float, str, Callable[..., bool], int]]) -> Iterator[str]:
    """Lowest coverage for each figure and number of groups."""
    yield f"| lowest coverage, % | {' | '.join(f'{g} groups' for g in GROUPS)} |"
    yield f"|---|{'---|' * len(GROUPS)}"
    for figure, words in FIGURES.items():
        if not any(f is figure for _, _, f, _ in found):
            continue
        lowest = [min(c for c, _, f, g in found if (f, g) == (figure, groups)) for groups in GROUPS]
        yield f"| {words} | {' | '.join(f'{100 * c:.1f}' for c in lowest)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000, help="data sets of each kind")
    parser.add_argument("--show", type=int, default=5, help="how many of the worst to print")
    parser.add_argument("--only", help="kinds of data whose name begins so")
    given = parser.parse_args()
    found = []
    for name, one, arguments in _cases():
        if not name.startswith(given.only or ""):
            continue
        rng = np.random.default_rng(list(name.encode()))
        covered = sum(one(rng, *arguments) for _ in range(given.trials)) / given.trials
        found.append((covered, name, one, arguments[0]))
    found.sort(key=lambda f: f[:2])
    for line in _table(found):
        print(line)
    for coverage, name, *_ in found[: given.show]:
        print(f"{100 * coverage:5.1f} %  {name}")
    below = sum(coverage < 0.93 for coverage, *_ in found)
    print(f"{len(found)} kinds of data, {given.trials} data sets each: {below} below 93 %")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
