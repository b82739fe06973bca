"""How noisy groups that lie side by side are: each of some size, and neighbours of about the same."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from soundsafe.aliases import Floats

__all__ = ["sizes_along"]

_LEAST = 1e-300


def sizes_along(like: Floats, walk: float, pull: float = 0.0) -> tuple[Floats, float]:
    """The posterior of each group's size, from what each says of it and from its neighbours.

    The size is a random walk from group to group; by the forward-backward algorithm (Rabiner 1989).

    Args:
        like: log-likelihood ``[sizes, groups]`` of each size in each group.
        walk: standard deviation of the difference between neighbours, in sizes.
        pull: share of the way by which each draws back to the middle size.

    Returns:
        Logarithms of the posterior ``[sizes, groups]``, not normalised, and of the evidence for all groups.

    Example:
        >>> like = np.zeros((3, 4))
        >>> like[2, :2] = 9.0
        >>> sizes_along(like, 0.5)[0].argmax(axis=0).tolist()
        [2, 2, 2, 2]
    """
    size = np.arange(len(like)) - (len(like) - 1) / 2
    step = -0.5 * ((size[None] - (1.0 - pull) * size[:, None]) / walk) ** 2  # from row to column
    step = np.exp(step - logsumexp(step, axis=1, keepdims=True))
    forward, backward = like.copy(), np.zeros_like(like)
    for g in range(1, like.shape[1]):
        forward[:, g] += _through(forward[:, g - 1], step)
    for g in range(like.shape[1] - 2, -1, -1):
        backward[:, g] = _through(like[:, g + 1] + backward[:, g + 1], step.T)
    return forward + backward, float(logsumexp(forward[:, -1]))


def _through(like: Floats, step: Floats) -> Floats:
    """Logarithms ``[sizes]`` one group further, by the probability of each `step`; SciPy's `logsumexp` takes
    ten times as long for so few."""
    most = like.max()
    return np.asarray(np.log(np.maximum(np.exp(like - most) @ step, _LEAST)) + most)
