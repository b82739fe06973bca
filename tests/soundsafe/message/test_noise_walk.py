from __future__ import annotations

import itertools

import numpy as np
from scipy.special import logsumexp

from soundsafe.message.noise_walk import sizes_along


def test_it_is_the_sum_over_all_walks() -> None:
    sizes, groups, walk = 3, 4, 0.8
    like = np.random.default_rng(0).standard_normal((sizes, groups))
    step = -0.5 * ((np.arange(sizes)[:, None] - np.arange(sizes)) / walk) ** 2
    step -= logsumexp(step, axis=1, keepdims=True)
    total = np.full((sizes, groups), -np.inf)
    for path in itertools.product(range(sizes), repeat=groups):
        log = sum(like[s, g] for g, s in enumerate(path)) + sum(
            step[a, b] for a, b in itertools.pairwise(path)
        )
        for g, s in enumerate(path):
            total[s, g] = np.logaddexp(total[s, g], log)
    posterior, evidence = sizes_along(like, walk)
    assert np.allclose(posterior, total)
    assert np.isclose(evidence, logsumexp(total[:, 0]))


def test_a_pull_leads_back_to_the_middle() -> None:
    like = np.zeros((5, 9))
    like[4, 0] = 20.0
    middle = np.arange(5) @ (lambda p: np.exp(p - logsumexp(p, axis=0)))(sizes_along(like, 0.5, 0.5)[0])
    assert middle[0] > 3.9
    assert abs(middle[-1] - 2.0) < 0.2
