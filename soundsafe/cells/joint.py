"""Reading seconds together: what one says of the bits shows how another was marked and what it suffered.

A second that a codec has bruised no longer shows, by its fit alone, with which scales it was marked or where
it can be trusted. But seconds that carry the same word help each other: given soft bits from the others, the
likelihood of each scale and the local noise s follow from the lattice's first harmonic, exp(-pi^2 s^2 / 2),
where without bits only the second is left, its fourth power. So soft bits and what they were read with are
estimated in turn (expectation maximisation: Dempster, Laird and Rubin, J. R. Stat. Soc. B 39, 1977).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from soundsafe.aliases import Floats, Ints
from soundsafe.cells.code import CellCode, Geometry
from soundsafe.cells.lattice import concentration
from soundsafe.cells.layout import Layout

__all__ = ["ROUNDS", "Positions", "read_jointly"]

ROUNDS = 4
"""Turns between soft bits and scales."""

_SURE = 12.0
"""Largest soft value from elsewhere that counts."""

_CAUTION = 0.8
"""Factor of soft values: what they were read with was estimated from the same audio."""

_NOISES = (0.12, 0.2, 0.3, 0.42, 0.6)
"""Standard deviations in steps among which the likelihood of a scale may choose."""

_CELLS = 4096
"""Positions that the table of densities tells apart."""

_LEAST = 0.02
"""Scales less likely than this are left out."""


@dataclass(frozen=True)
class Positions:
    """One mixture of channels in one second: projections `p` ``[2040]`` in steps at scale 1, its `layout`."""

    p: NDArray[np.float32]
    layout: Layout


def _density(u: Floats, variance: Floats | float) -> tuple[Floats, Floats]:
    """Logarithms of the densities of positions `u` (period 2) round the points of bit 0 and of bit 1."""
    wrapped = np.mod(u + 1.0, 2.0) - 1.0
    shift = 2.0 * np.arange(-1, 2)
    base = -0.5 * np.log(variance)
    even = np.logaddexp.reduce([-((wrapped - s) ** 2) / (2.0 * variance) for s in shift], axis=0)
    odd = np.logaddexp.reduce([-((wrapped - s - 1.0) ** 2) / (2.0 * variance) for s in shift], axis=0)
    return base + even, base + odd


@lru_cache(maxsize=1)
def _table() -> Floats:
    """Densities ``[_CELLS, noises, 2]`` of positions -1 ... 1 round the points of bits 0 and 1."""
    u = (np.arange(_CELLS) + 0.5) * 2.0 / _CELLS - 1.0
    return np.exp(np.stack([np.stack(_density(u, noise**2), axis=-1) for noise in _NOISES], axis=1))


def _likelihoods(u: Floats, even_bits: Floats, region: Ints, regions: int) -> Floats:
    """Logarithms ``[scales, regions]`` of the chance of positions `u` ``[scales, 2040]``, each at the noise
    that suits it best, the bits being 0 with chance `even_bits`."""
    cell = (np.mod(u + 1.0, 2.0) * (_CELLS / 2)).astype(np.intp) % _CELLS
    both = _table()[cell]
    log = np.log(even_bits[:, None] * both[..., 0] + (1.0 - even_bits)[:, None] * both[..., 1])
    of = (region[:, None] == np.arange(regions)).astype(np.float64)
    return (log.transpose(0, 2, 1) @ of).max(axis=1)


def _soft(one: Positions, weights: Floats, scales: Floats, mean: Floats, region: Ints) -> Floats:
    """Log-likelihood ratios ``[2040]`` where the scale is known by its `weights` ``[regions, scales]`` alone.

    `mean` ``[2040]``: expected cosine of the first harmonic at each slot.
    """
    variance = np.maximum(-2.0 * np.log(np.clip(mean, 1e-3, 0.999)) / math.pi**2, 2e-3)
    dither = one.layout.dither.double().numpy()
    even, odd = np.full(len(mean), -np.inf), np.full(len(mean), -np.inf)
    for s, scale in enumerate(scales):
        w = weights[region, s]
        used = w > _LEAST
        if not used.any():
            continue
        e, o = _density(one.p[used] / scale + dither[used], variance[used])
        even[used] = np.logaddexp(even[used], np.log(w[used]) + e)
        odd[used] = np.logaddexp(odd[used], np.log(w[used]) + o)
    return even - odd


def read_jointly(
    seconds: Sequence[Sequence[Positions]],
    llrs: Sequence[Floats],
    code: CellCode,
    beliefs: Callable[[Floats], Floats] | None = None,
    rounds: int = ROUNDS,
) -> list[Floats]:
    """Soft values of seconds that carry the same word, each read with the help of the others.

    Args:
        seconds: the mixtures of channels of each.
        llrs: the soft values ``[2040]`` that each has by itself, in the order of the coded bits.
        code: key and profile.
        beliefs: what an error-correcting code makes of the sum of all soft values; each second then learns
            from that (one alone learns from its code). None: each learns from the others' soft values.
        rounds: turns between soft bits and scales.

    Returns:
        Soft values ``[2040]`` of each, in the same order.
    """
    geo, profile = code.geometry, code.profile
    scramble = 1.0 - 2.0 * geo.scramble
    known = np.array(profile.scales, np.float64)
    prior = np.full((profile.regions, len(known)), 1.0 / len(known))
    for _ in range(rounds):
        total = np.sum(llrs, axis=0)
        believed = beliefs(total) if beliefs else None
        fresh, posteriors = [], []
        for mixtures, own in zip(seconds, llrs, strict=True):
            others = np.clip(total - own if believed is None else believed, -_SURE, _SURE) * scramble
            llr, posterior = _read(mixtures, others, prior, known, geo)
            fresh.append(_CAUTION * llr * scramble)
            posteriors.append(posterior)
        llrs = fresh
        prior = np.mean(posteriors, axis=0) + _LEAST
        prior /= prior.sum(axis=1, keepdims=True)
    return list(llrs)


def _read(
    mixtures: Sequence[Positions], bits: Floats, prior: Floats, known: Floats, geo: Geometry
) -> tuple[Floats, Floats]:
    """Soft values of one second given those of its `bits` from elsewhere, and the posterior of its scales."""
    even_bits = 1.0 / (1.0 + np.exp(-bits))
    trust = np.tanh(bits / 2.0)
    log = np.log(prior)
    for one in mixtures:
        region, dither = geo.region[one.layout.slots], one.layout.dither.double().numpy()
        log = log + _likelihoods(one.p / known[:, None] + dither, even_bits, region, len(prior)).T
    weights = np.exp(log - log.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    llr = np.zeros(len(bits))
    for one in mixtures:
        region, dither = geo.region[one.layout.slots], one.layout.dither.double().numpy()
        scale = known[weights.argmax(axis=1)][region]
        cosine = trust * np.cos(math.pi * (one.p / scale + dither))
        mean = concentration(cosine, trust**2, one.layout, geo)
        llr += _soft(one, weights, known, np.clip(mean, 0.0, 0.98), region)
    return llr, weights
