"""The share of stability's start: a ratio of means, its interval over groups."""

import numpy as np
import pytest

from soundsafe.training.evaluation import share_of_start


def test_the_share_is_a_ratio_of_means_and_its_interval_counts_groups():
    rng = np.random.default_rng(0)
    start = rng.uniform(500, 1500, 100)
    now = 0.05 * start * rng.uniform(0, 2, 20)[np.arange(100) // 5]
    share, low, high = share_of_start(now, start, list(np.arange(100) // 5))
    assert share == pytest.approx(now.mean() / start.mean())
    assert low < share < high
    alone = share_of_start(now, start, list(range(100)))
    assert alone[2] - alone[1] < high - low  # five seconds of one clip are not five clips


def test_a_start_of_nothing_has_no_share():
    assert np.isnan(share_of_start(np.zeros(3), np.zeros(3), [0, 1, 2])).all()
