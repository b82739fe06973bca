import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from soundsafe.pipeline.features import (
    cheapest_subsets,
    levels_db,
    magnitude,
    mono,
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


@given(
    costs=st.lists(st.floats(0, 10), max_size=7).map(sorted),
    count=st.integers(1, 40),
)
@settings(max_examples=50, deadline=None)
def test_the_cheapest_subsets_of_all(costs, count):
    found = list(cheapest_subsets(costs, count))
    every = [s for n in range(len(costs) + 1) for s in itertools.combinations(range(len(costs)), n)]
    assert len(set(found)) == len(found) == min(count, len(every))
    assert found[0] == ()
    total = [sum(costs[i] for i in subset) for subset in found]
    np.testing.assert_allclose(
        total, sorted(sum(costs[i] for i in s) for s in every)[: len(found)], atol=1e-9
    )


@pytest.mark.parametrize(
    "change",
    [
        {"features": "loudness"},
        {"ranking": "random"},
        {"seed": "clock"},
        {"anchors": "none"},
        {"step": 0.0},
        {"bands": (5, 5)},
    ],
)
def test_impossible_rules(change):
    with pytest.raises(ValueError, match=r"one of|needed"):
        replace(ROBUST, **change)
