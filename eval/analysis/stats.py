"""Intervals for shares and means whose samples come in groups.

EULs cut from one source file fail and succeed together, so a plain binomial interval is too narrow, and
the plain cluster bootstrap collapses to zero width as soon as every group succeeds. Both intervals here
are clustered by group, keep their coverage at rates near 1, and never have zero width. Below
``MIN_GROUPS`` groups there is no interval: too little is known about how groups differ.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

MIN_GROUPS = 5
"""Fewer groups than this give no interval (None)."""

# Weight, in groups, of the assumption that a group succeeds or fails as a whole. Only data with observed
# failures can argue against that assumption. It is there for data in which a group in ten fails altogether
# and the others hardly ever: a weight of 1 covers 89 % of them, 3 and more at least 94 %.
_WHOLE_GROUP_WEIGHT = 6.0

# Degrees of freedom of the assumption that EULs of a clip fail independently. In simulations of unchanged
# codecs that lose one clip in ten by chance, 12 keep a level of 3e-5 with 8 to 31 clips, 16 do not.
_PRIOR_FREEDOM = 12


def _sums(values: ArrayLike, groups: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and count of ``values`` in each group; NaN values are left out."""
    v = np.asarray(values, dtype=np.float64)
    keep = np.isfinite(v)
    labels = np.asarray(groups)
    if labels.dtype.kind != "i":
        labels = np.asarray(groups, dtype=object).astype(str)
    _, index = np.unique(labels[keep], return_inverse=True)
    if index.size == 0:
        return np.zeros(0), np.zeros(0)
    total: NDArray[np.float64] = np.bincount(index, weights=v[keep]).astype(np.float64)
    count: NDArray[np.float64] = np.bincount(index).astype(np.float64)
    return total, count


def proportion_interval(
    successes: ArrayLike, groups: ArrayLike, *, level: float = 0.95
) -> tuple[float, float] | None:
    """Interval for a share, clustered by group.

    Args:
        successes: [n] booleans or numbers in [0, 1]; NaN is left out.
        groups: [n] names or numbers of the groups.
        level: nominal coverage.

    Returns:
        (low, high) in [0, 1] with low < high, or None below ``MIN_GROUPS`` groups.

    Clopper and Pearson's interval at an effective sample size, as Korn and Graubard (1998, "Confidence
    intervals for proportions with small expected number of positive counts estimated from survey data"),
    with one change. The clustered (Taylor) variance is measured in units of that of groups that succeed
    or fail as a whole, and this ratio is shrunk towards 1. So at a rate of 1, where the data say
    nothing about how groups differ, the effective size is the number of groups, not of EULs.
    """
    total, count = _sums(successes, groups)
    g = len(count)
    if g < MIN_GROUPS:
        return None
    n = count.sum()
    p = total.sum() / n
    n_groups = n**2 / np.sum(count**2)  # Kish: equals g where groups have equal sizes
    variance = g / (g - 1) * np.sum((total - count * p) ** 2) / n**2
    prior_p = (p * n_groups + 1) / (n_groups + 2)
    prior = _WHOLE_GROUP_WEIGHT * prior_p * (1 - prior_p)
    ratio = (n_groups**2 * variance + prior) / (n_groups * p * (1 - p) + prior)
    size = n_groups / ratio
    alpha = 1 - level
    if size > n_groups:
        # The variance is itself estimated from g groups (Korn and Graubard's t correction).
        shrink = (stats.norm.ppf(1 - alpha / 2) / stats.t.ppf(1 - alpha / 2, g - 1)) ** 2
        size = max(n_groups, size * shrink)
    size = min(size, n)
    x = p * size
    low = 0.0 if x <= 0 else float(stats.beta.ppf(alpha / 2, x, size - x + 1))
    high = 1.0 if x >= size else float(stats.beta.ppf(1 - alpha / 2, x + 1, size - x))
    return low, high


def _mean_limits(
    total: NDArray[np.float64], count: NDArray[np.float64], trials: float, level: float
) -> tuple[float, float]:
    """Union of the t limits of a mean of rates and those of its logarithm; ``trials`` bits a value."""
    g, n = len(count), count.sum()
    mean = total.sum() / n
    bits = n * trials
    floor_rate = (mean * bits + 1) / (bits + 2)
    variance = max(
        g / (g - 1) * np.sum((total - count * mean) ** 2) / n**2, floor_rate * (1 - floor_rate) / bits
    )
    reach = stats.t.ppf(1 - (1 - level) / 2, g - 1) * math.sqrt(variance)
    scale = max(mean, 1 / bits)
    factor = math.exp(min(reach / scale, 50.0))
    low = max(0.0, min(mean - reach, mean / factor))
    return low, min(1.0, max(mean + reach, scale * factor))


def _lognormal_upper(
    total: NDArray[np.float64], count: NDArray[np.float64], trials: float, level: float
) -> float:
    """Upper limit of the mean of groups' rates, were these lognormal.

    For few groups the t limits know nothing of the long tail that the groups' scatter tells of.

    Zou, Taleban and Huo (2009, "Confidence interval estimation for lognormal data with application to health
    economics"): limits of the mean and of the variance of the logarithms, put together. A quarter of
    an error is added to each group's, for those that have none: more would hide their scatter.
    """
    g, alpha = len(count), 1 - level
    logs = np.log((total * trials + 0.25) / (count * trials + 0.5))
    variance = float(logs.var(ddof=1))
    of_mean = stats.t.ppf(1 - alpha / 2, g - 1) ** 2 * variance / g
    of_variance = (variance / 2 * ((g - 1) / stats.chi2.ppf(alpha / 2, g - 1) - 1)) ** 2
    return math.exp(min(0.0, float(logs.mean()) + variance / 2 + math.sqrt(of_mean + of_variance)))


def mean_interval(
    rates: ArrayLike, groups: ArrayLike, *, trials: float, level: float = 0.95
) -> tuple[float, float] | None:
    """Interval for the mean of error rates, clustered by group.

    Args:
        rates: [n] rates in [0, 1], one for each EUL; NaN is left out.
        groups: [n] labels of the groups.
        trials: bits counted for each rate (2040 for an EUL): the variance is never taken to be below that
            of so many independent bits.
        level: nominal coverage.

    Returns:
        (low, high) in [0, 1] with low < high, or None below ``MIN_GROUPS`` groups.

    Error rates of groups are skewed. So the limits are the furthest of three: Student's t on the ratio
    estimator over groups, the same on its logarithm (delta method), and, above, those of a lognormal
    mean. A rare group far worse than any seen (a lost lock, say) is beyond what so few groups can tell:
    the interval of the share of successes allows for it, this one does not.
    """
    total, count = _sums(rates, groups)
    if len(count) < MIN_GROUPS:
        return None
    low, high = _mean_limits(total, count, trials, level)
    return low, max(high, _lognormal_upper(total, count, trials, level))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down adjusted p-values (Holm 1979), in the order given; [m] in, [m] out."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    out = np.empty_like(p)
    out[order] = np.minimum(adjusted, 1.0)
    return out


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p-value of McNemar's test from the two discordant counts; 1.0 where there are none."""
    n = only_a + only_b
    return 1.0 if n == 0 else float(stats.binomtest(only_a, n, 0.5).pvalue)


def stratified_shift(
    old_ok: ArrayLike, old_n: ArrayLike, new_ok: ArrayLike, new_n: ArrayLike
) -> tuple[float, float]:
    """Is the share in ``new`` below that in ``old``, clip by clip?

    Args:
        old_ok, old_n, new_ok, new_n: [clips] successes and trials of each clip in two runs.

    Returns:
        (difference of the pooled shares, new minus old; one-sided p-value of a fall).

    Mantel and Haenszel's test with clips as strata, so that easy and hard clips do not blur each
    other. Its hypergeometric variance takes the EULs of one clip as independent. Where the clips' shifts
    scatter more than that (a lost lock takes a whole clip), both variances are pooled by their degrees of
    freedom, the first with ``_PRIOR_FREEDOM``, as in the moderated t of Smyth (2004, "Linear models and
    empirical Bayes methods for assessing differential expression in microarray experiments"). By the
    scatter alone eight clips, one of them unreadable from the start, could lose nearly all and pass.
    """
    difference, p = stratified_shifts(old_ok, old_n, np.atleast_2d(new_ok), new_n)
    return float(difference[0]), float(p[0])


def stratified_shifts(
    old_ok: ArrayLike, old_n: ArrayLike, new_ok: ArrayLike, new_n: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """`stratified_shift` of many new runs: ``new_ok [runs, clips]``; both results are ``[runs]``."""
    a, n, b, m = (np.asarray(v, dtype=np.float64) for v in (old_ok, old_n, new_ok, new_n))
    keep = (n > 0) & (m > 0)
    a, n, b, m = a[keep], n[keep], b[:, keep], m[keep]
    clips = len(n)
    if clips == 0:
        return np.zeros(len(b)), np.ones(len(b))
    both, hits = n + m, a + b
    shift = b - m * hits / both
    variance = (n * m * hits * (both - hits) / (both**2 * np.maximum(both - 1, 1))).sum(axis=1)
    scatter = clips / max(1, clips - 1) * ((shift - shift.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    freedom = _PRIOR_FREEDOM + clips - 1
    pooled = np.maximum(variance, (_PRIOR_FREEDOM * variance + (clips - 1) * scatter) / freedom)
    z = shift.sum(axis=1) / np.sqrt(np.where(pooled > 0, pooled, 1.0))
    p = np.where(scatter > variance, stats.t.cdf(z, freedom), stats.norm.cdf(z))
    return b.sum(axis=1) / m.sum() - a.sum() / n.sum(), np.where(pooled > 0, p, 1.0)


def paired_rise(old: ArrayLike, new: ArrayLike, *, noise: float) -> float:
    """One-sided p-value that paired values rose: Student's t on [clips] differences new − old.

    ``noise`` is the least standard deviation of one difference that counting alone explains; 1.0 with fewer
    than two pairs.
    """
    d = np.asarray(new, dtype=np.float64) - np.asarray(old, dtype=np.float64)
    d = d[np.isfinite(d)]
    if len(d) < 2:
        return 1.0
    spread = max(float(np.std(d, ddof=1)), noise)
    return float(stats.t.sf(d.mean() / (spread / math.sqrt(len(d))), len(d) - 1))


def paired_interval(
    difference: ArrayLike, groups: ArrayLike, *, level: float = 0.95
) -> tuple[float, float] | None:
    """Clustered t interval of a mean difference of paired values; None below ``MIN_GROUPS`` groups.

    The variance has one pseudo-observation of the largest possible kind (a difference of 1 in one trial of
    all), so that two identical runs do not give zero width.
    """
    total, count = _sums(difference, groups)
    g = len(count)
    if g < MIN_GROUPS:
        return None
    n = count.sum()
    mean = total.sum() / n
    variance = g / (g - 1) * (np.sum((total - count * mean) ** 2) + 1.0) / n**2
    reach = float(stats.t.ppf(1 - (1 - level) / 2, g - 1)) * math.sqrt(variance)
    return max(-1.0, mean - reach), min(1.0, mean + reach)


def sign_flip(difference: ArrayLike, groups: ArrayLike) -> float:
    """Exact two-sided p-value of paired differences, by flipping the signs of whole groups.

    Args:
        difference: [n] of -1, 0 or 1, one for each pair; NaN is left out.
        groups: [n] labels of the groups.

    Returns:
        The share of all 2^g ways to give each group's sum a sign of its own whose total is as far from 0 as
        the one that was found. With one pair a group that is McNemar's exact test; 1 where nothing differs.

    Where neither of two systems is better, each group is as likely to speak for one as for the other,
    whatever happens inside it: no assumption on how groups scatter is needed.

    Example:
        >>> sign_flip([1, 1, 1, 1, 1, 0], ["a", "b", "c", "d", "e", "f"])
        0.0625
    """
    sums = np.abs(np.round(_sums(difference, groups)[0])).astype(np.int64)
    sums = sums[sums > 0]
    found = abs(int(np.round(np.nansum(np.asarray(difference, dtype=np.float64)))))
    chance = np.ones(1)  # of each total, from -reach to reach
    for size in sums:
        step = np.zeros(2 * size + 1)
        step[[0, -1]] = 0.5
        chance = np.convolve(chance, step)
    totals = np.abs(np.arange(len(chance)) - len(chance) // 2)
    return float(min(1.0, chance[totals >= found].sum()))


def fall_of_clips(only_before: int, only_after: int) -> float:
    """Exact one-sided p-value that fewer clips succeed, from those that succeed in one run alone
    (McNemar)."""
    n = only_before + only_after
    return float(stats.binom.sf(only_before - 1, n, 0.5)) if n else 1.0
