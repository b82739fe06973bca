"""Figures of two streams are those of the whole, whatever their blocks."""

from __future__ import annotations

import numpy as np
import pytest

from soundsafe.distance.difference import compare
from soundsafe.distance.zimtohrli import worst_channel

RATE = 44_100


def test_blocks_do_not_matter_for_what_is_summed() -> None:
    rng = np.random.default_rng(0)
    audio = (0.1 * rng.standard_normal((2, 4 * RATE))).astype(np.float32)
    audio[:, RATE : 2 * RATE] = 0
    marked = audio + (0.001 * rng.standard_normal(audio.shape)).astype(np.float32)
    found = [
        compare(
            (audio[:, s : s + size * RATE] for s in range(0, audio.shape[1], size * RATE)),
            (marked[:, s : s + size * RATE] for s in range(0, audio.shape[1], size * RATE)),
            RATE,
        )
        for size in (1, 2, 4)
    ]
    assert [f.silent for f in found] == [[1]] * 3
    assert [f.samples for f in found] == [4 * RATE] * 3
    assert found[0].snr_db == pytest.approx(found[2].snr_db)
    assert found[0].snr_db == pytest.approx(20 * np.log10(100 * np.sqrt(3 / 4)), abs=0.1)


def test_a_rest_too_short_for_a_distance_does_not_thin_it() -> None:
    rng = np.random.default_rng(1)
    audio = (0.1 * rng.standard_normal((1, 2 * RATE + RATE // 3))).astype(np.float32)
    marked = audio + (0.01 * rng.standard_normal(audio.shape)).astype(np.float32)
    cuts = [slice(0, 2 * RATE), slice(2 * RATE, None)]
    found = compare((audio[:, c] for c in cuts), (marked[:, c] for c in cuts), RATE)
    assert found.zimtohrli == pytest.approx(worst_channel(audio[:, cuts[0]], marked[:, cuts[0]], RATE))
    assert compare([audio], [audio], RATE).snr_db == float("inf")


def test_half_a_second_at_an_odd_rate_is_too_short_or_measured() -> None:
    rate = 11_025
    rng = np.random.default_rng(2)
    for rest in (rate // 2, rate // 2 + 1):
        audio = (0.1 * rng.standard_normal((1, rate + rest))).astype(np.float32)
        marked = audio + (0.01 * rng.standard_normal(audio.shape)).astype(np.float32)
        cuts = [slice(0, rate), slice(rate, None)]
        assert compare((audio[:, c] for c in cuts), (marked[:, c] for c in cuts), rate).zimtohrli > 0
