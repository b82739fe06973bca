import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from soundsafe.pipeline.features import (
    candidate_levels,
    levels_db,
    magnitude,
    mono,
    nudges_db,
    quantized_levels,
    quantized_thresholds,
)
from soundsafe.pipeline.moore_glasberg import MooreGlasbergAnalyzer
from soundsafe.pipeline.rules import ROBUST, SEED
from soundsafe.stft import RATE

ANALYZER = MooreGlasbergAnalyzer()
LOW, HIGH = ROBUST.bands
levels = arrays(np.float64, 24, elements=st.floats(-29.9, 29.9))


def noise(seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(RATE)).astype(np.float32)


def test_the_same_samples_give_the_same_magnitudes():
    x = noise()
    expected = magnitude(x)
    assert expected.dtype == np.float64
    assert expected.shape == (442, 101)
    for form in (
        x[None],
        np.stack([x, x]),
        x.astype(np.float64),
        torch.from_numpy(x),
        torch.from_numpy(x).double(),
    ):
        assert np.array_equal(magnitude(form), expected)
    assert np.array_equal(magnitude(x.astype(np.float64) * (1 + 1e-10)), expected)


def test_mono_is_the_mean():
    x = np.array([[0.5, -0.5], [0.25, 0.5]], np.float32)
    assert mono(x).tolist() == [0.375, 0.0]
    with pytest.raises(ValueError, match="finite"):
        mono(np.array([np.inf], np.float32))
    with pytest.raises(ValueError, match="channels"):
        mono(np.zeros((0,), np.float32))


def test_thresholds_are_rounded_down_to_steps():
    q = quantized_thresholds(np.array([[0.0, 1.7e-6, 0.123456789]]), 1e-6)
    np.testing.assert_allclose(q, [[0, 1e-6, 0.123456]], atol=1e-12)


def test_bands_that_carry_nothing_have_no_level():
    q = quantized_levels(levels_db(magnitude(noise()), ANALYZER), ROBUST)
    assert q.shape == (24,)
    assert (q[:LOW] == 0).all()
    assert (q[HIGH:] == 0).all()


@pytest.mark.parametrize("gain_db", [-40, -20, -6, -3, 3, 6])
def test_gain_moves_thresholds_but_not_levels(gain_db):
    mag = magnitude(noise())
    louder = mag * 10 ** (gain_db / 20)
    np.testing.assert_allclose(levels_db(louder, ANALYZER), levels_db(mag, ANALYZER), atol=1e-9)
    before, after = (quantized_thresholds(ANALYZER.band_thresholds(m), SEED.step) for m in (mag, louder))
    assert not np.array_equal(before, after)


def test_levels_by_hand():
    level = np.zeros(24)
    level[4:9] = [-40, -30, -27.01, -0.01, 45]
    q = quantized_levels(level, ROBUST)
    assert q[4:9].tolist() == [0, 0, 0, 9, 20]
    assert q[9] == 10
    assert q[3] == q[19] == 0


class TestGuard:
    @given(level=levels)
    @settings(max_examples=100, deadline=None)
    def test_nudged_levels_stay_in_their_step_and_off_its_edges(self, level):
        nudge = nudges_db(level, ROBUST)
        assert np.abs(nudge).max() <= ROBUST.guard_db
        assert (nudge[:LOW] == 0).all()
        assert (nudge[HIGH:] == 0).all()
        moved = level + nudge
        assert np.array_equal(quantized_levels(moved, ROBUST), quantized_levels(level, ROBUST))
        assert np.abs(nudges_db(moved, ROBUST)).max() < 1e-9

    @given(level=levels, error=arrays(np.float64, 24, elements=st.floats(-0.49, 0.49)))
    @settings(max_examples=100, deadline=None)
    def test_errors_below_the_guard_change_nothing_then(self, level, error):
        moved = level + nudges_db(level, ROBUST)
        assert np.array_equal(quantized_levels(moved + error, ROBUST), quantized_levels(level, ROBUST))

    def test_a_wider_guard(self):
        level = np.full(24, 1.0)
        assert (nudges_db(level, ROBUST) == 0).all()
        np.testing.assert_allclose(nudges_db(level, ROBUST, guard_db=1.25)[LOW:HIGH], 0.25)


class TestCandidates:
    @given(level=levels)
    @settings(max_examples=50, deadline=None)
    def test_plain_quantisation_first_all_different(self, level):
        found = candidate_levels(level, ROBUST)
        assert 1 <= len(found) <= ROBUST.candidates
        assert np.array_equal(found[0], quantized_levels(level, ROBUST))
        assert len({c.tobytes() for c in found}) == len(found)
        assert all(np.abs(c - found[0]).max() <= 1 for c in found)

    @given(distance=st.lists(st.floats(0.01, 1.4), min_size=4, max_size=4, unique=True))
    @settings(max_examples=50, deadline=None)
    def test_the_cheapest_crossings_first(self, distance):
        rules = replace(ROBUST, bands=(4, 8), candidates=16)
        level = np.full(24, 1.5)
        level[4:8] = distance  # above the edge at 0
        best = sorted(
            itertools.chain.from_iterable(itertools.combinations(range(4), n) for n in range(5)),
            key=lambda subset: sum(distance[i] ** 2 for i in subset),
        )
        found = candidate_levels(level, rules)
        costs = [sum(distance[i] ** 2 for i in range(4) if c[4 + i] == 9) for c in found]
        expected = [sum(distance[i] ** 2 for i in subset) for subset in best]
        np.testing.assert_allclose(costs, expected, rtol=1e-9)

    def test_one_crossing_is_second(self):
        level = np.full(24, 1.5)
        level[7] = 2.9
        second = candidate_levels(level, ROBUST)[1]
        assert second[7] == 11
        assert np.array_equal(np.delete(second, 7), np.delete(quantized_levels(level, ROBUST), 7))

    def test_no_candidates_beyond_the_ends(self):
        rules = replace(ROBUST, bands=(4, 5), candidates=4)
        assert len(candidate_levels(np.full(24, -29.9), rules)) == 1
        assert len(candidate_levels(np.full(24, 0.1), rules)) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"features": "loudness"},
        {"ranking": "random"},
        {"seed": "clock"},
        {"anchors": "none"},
        {"step": 0.0},
        {"bands": (5, 5)},
        {"candidates": 0},
        {"guard_db": 1.5},
    ],
)
def test_impossible_rules(change):
    with pytest.raises(ValueError, match=r"one of|needed|guard"):
        replace(ROBUST, **change)
