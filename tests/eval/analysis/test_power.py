"""What a gate sees: falls that it was told to see are seen as often, by another simulation of its test."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from soundsafe.eval.analysis import power
from soundsafe.eval.analysis.gate import Baseline, ClipCounts
from soundsafe.eval.analysis.stats import stratified_shift

LEVEL = 1e-3 / 30
EULS = np.full(12, 8)
OK = np.array([8, 8, 8, 8, 8, 8, 8, 7, 8, 6, 8, 1])


def _fails(fall: float, clips: int, whole: bool, rng: np.random.Generator) -> bool:
    """Whether the gate's test fails one run of a codec that lost `fall`."""
    old = np.resize(OK, clips)
    rate = old.sum() / (8 * clips)
    new = np.zeros(clips)
    for i, k in enumerate(old):
        gone = rng.random() < fall / rate if whole else None
        for _ in range(8):
            reads = rng.random() < k / 8
            new[i] += reads and (not gone if whole else rng.random() >= fall / rate)
    difference, p = stratified_shift(old, np.full(clips, 8), new, np.full(clips, 8))
    return p < LEVEL and -difference > 0.02


@pytest.mark.parametrize("kind", ["evenly", "whole_clips"])
def test_a_fall_is_seen_as_often_as_told(kind: Any) -> None:
    fall = power.smallest_fall(OK, EULS, level=LEVEL, kind=kind)
    assert fall is not None
    rng = np.random.default_rng(7)
    seen = np.mean([_fails(fall, 12, kind == "whole_clips", rng) for _ in range(300)])
    assert 0.7 < seen < 0.99
    less = np.mean([_fails(fall / 2, 12, kind == "whole_clips", rng) for _ in range(300)])
    assert less < 0.5


@pytest.mark.parametrize("kind", ["evenly", "whole_clips"])
def test_enough_clips_see_a_fall_and_a_third_of_them_do_not(kind: Any) -> None:
    clips = power.clips_needed(OK, EULS, 0.2, level=LEVEL, kind=kind)
    assert clips is not None
    rng = np.random.default_rng(8)
    whole = kind == "whole_clips"
    assert np.mean([_fails(0.2, clips, whole, rng) for _ in range(200)]) > 0.7
    assert np.mean([_fails(0.2, clips // 3, whole, rng) for _ in range(200)]) < 0.6


def test_more_is_seen_of_more() -> None:
    falls = np.arange(0.1, 0.9, 0.05)
    seen = [power.power(OK, EULS, fall, level=LEVEL, kind="evenly", clips=12) for fall in falls]
    assert seen[0] < 0.05
    assert seen[-1] == 1.0
    assert all(b >= a - 0.05 for a, b in pairwise(seen))


def test_whole_clips_need_more_of_them() -> None:
    evenly = power.clips_needed(OK, EULS, 0.1, level=LEVEL, kind="evenly")
    whole = power.clips_needed(OK, EULS, 0.1, level=LEVEL, kind="whole_clips")
    assert evenly is not None
    assert whole is not None
    assert evenly < whole


def test_what_cannot_fall_or_is_too_little_to_tell() -> None:
    nothing = np.zeros(12, int)
    assert power.smallest_fall(nothing, EULS, level=LEVEL, kind="evenly") is None
    assert power.smallest_fall(np.array([1]), np.array([1]), level=LEVEL, kind="evenly") is None
    assert power.clips_needed(OK, EULS, 0.002, level=LEVEL, kind="evenly") is None
    clip = ClipCounts(
        euls=8, payload_success=1, clip_success=1, ber=0.2, parity_frames=None, parity_slots=None,
        seed_parity=None,
    )  # fmt: skip
    baseline = Baseline({"s": {"a": {f"c{i}": clip for i in range(8)}}}, {})
    (row,) = power.power_rows(baseline, 0.5)
    assert (row.clips, row.euls, row.payload_success) == (8, 64, 0.125)
    assert row.clips_evenly is None
