import dataclasses

import numpy as np
import pytest

from soundsafe.cells.profile import ROBUST
from soundsafe.datasets import load
from soundsafe.training.carrier import _scaled, _true_information, trial


@pytest.fixture(scope="module")
def clip():
    audio, _ = load("bundled").clips[0].read()
    return audio[:, 2 * 44_100 : 3 * 44_100]


def test_larger_steps_carry_more_and_are_heard_sooner(clip):
    plain = dataclasses.replace(ROBUST, scales=(1.0,))
    small = trial([clip], _scaled(plain, np.full(plain.regions, 0.6)), seed=0)
    large = trial([clip], _scaled(plain, np.full(plain.regions, 1.6)), seed=0)
    assert large.log_distance > small.log_distance + 0.3
    assert large.value > small.value + 0.1
    assert set(large.information) == {"mp3_192", "mp3_128", "aac_128", "opus_96"}


def test_information_of_right_wrong_and_empty_soft_values():
    bits = np.array([0, 1] * 50, np.uint8)
    right = np.where(bits == 0, 9.0, -9.0)
    assert _true_information(right, bits) > 0.99
    assert _true_information(-right, bits) == 0.0
    assert _true_information(np.zeros(100), bits) == 0.0


def test_scaling_is_by_region():
    factors = np.ones(ROBUST.regions)
    factors[0] = 2.0
    step = _scaled(ROBUST, factors).step
    for hz, before, after in zip(ROBUST.step_hz, ROBUST.step, step, strict=True):
        assert after == pytest.approx(2 * before if hz <= ROBUST.region_hz[0] else before)
