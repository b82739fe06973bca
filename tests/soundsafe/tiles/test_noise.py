"""Soft values of the tile layer: what they claim is what they hold, whatever makes the noise."""

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe.tiles.noise import noise_of

Array = NDArray[np.float64]

BLOCKS = 40
GROUP = np.repeat(np.arange(20), 15)
PILOT = np.arange(0, len(GROUP), 8)
ZERO = np.where(np.isin(np.arange(len(GROUP)), PILOT), 1.0, np.full((BLOCKS, 1), 0.5))


def received(
    seed: int, per_depth: float, per_flutter: float, size: float
) -> tuple[NDArray[np.int64], Array, Array, Array]:
    """Bits, what was received of them, and how deep and how unsteady the symbols are."""
    rng = np.random.default_rng(seed)
    shape = BLOCKS, len(GROUP)
    depth, flutter = rng.uniform(-5, 8, shape), rng.uniform(1, 8, shape)
    bits = rng.integers(0, 2, shape)
    bits[:, PILOT] = 0
    noise = size * np.exp(per_depth * depth + per_flutter * (flutter - 3)) * rng.standard_normal(shape)
    return bits, 0.5 * bits + noise, depth, flutter


def held_and_claimed(llr: Array, bits: Array) -> tuple[float, float]:
    """Bits of information a symbol, by what was sent and by the soft values themselves."""
    p = 1 / (1 + np.exp(np.abs(llr)))
    claimed = np.mean(1 + p * np.log2(np.maximum(p, 1e-300)) + (1 - p) * np.log2(1 - p))
    return float(np.mean(1 - np.logaddexp(0, -llr * (1 - 2 * bits)) / np.log(2))), float(claimed)


@pytest.mark.parametrize(("per_depth", "per_flutter"), [(0.05, 0.0), (0.0, 0.15), (0.1, 0.3), (0.0, 0.0)])
def test_soft_values_claim_what_they_hold(per_depth: float, per_flutter: float) -> None:
    bits, position, depth, flutter = received(0, per_depth, per_flutter, 0.13)
    llr = noise_of(position, depth, flutter, GROUP, ZERO).soft_values(position, depth, flutter)
    held, claimed = held_and_claimed(llr, bits)
    assert held > 0.25
    assert -0.01 < held - claimed < 0.1  # cautious: no outliers here, and blocks are alike
    deep = np.abs(llr[depth > 5]).mean() / np.abs(llr[depth < -2]).mean()
    unsteady = np.abs(llr[flutter > 6]).mean() / np.abs(llr[flutter < 3]).mean()
    assert deep < 0.75 if per_depth else 0.9 < deep < 1.1
    assert unsteady < 0.65 if per_flutter else 0.9 < unsteady < 1.1


def test_groups_have_noise_of_their_own() -> None:
    _, position, depth, flutter = received(1, 0.0, 0.0, 0.1)
    loud = GROUP >= 10
    position[:, loud] += 0.3 * np.random.default_rng(2).standard_normal((BLOCKS, int(loud.sum())))
    llr = np.abs(noise_of(position, depth, flutter, GROUP, ZERO).soft_values(position, depth, flutter))
    assert llr[:, loud].mean() < 0.2 * llr[:, ~loud].mean()


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_says_next_to_nothing(seed: int) -> None:
    bits, position, depth, flutter = received(seed, 0.0, 0.0, 0.1)
    position = np.random.default_rng(seed + 100).uniform(0, 1, position.shape)
    held, claimed = held_and_claimed(
        noise_of(position, depth, flutter, GROUP, ZERO).soft_values(position, depth, flutter), bits
    )
    assert held > -0.01
    assert claimed < 0.02


def test_blocks_have_noise_of_their_own() -> None:
    _, position, depth, flutter = received(3, 0.0, 0.0, 0.08)
    position[:10] += 0.3 * np.random.default_rng(4).standard_normal((10, len(GROUP)))
    llr = np.abs(noise_of(position, depth, flutter, GROUP, ZERO).soft_values(position, depth, flutter))
    assert llr[:9].mean() < 0.3 * llr[11:].mean()


def test_what_is_believed_of_bits_shows_strong_noise_better() -> None:
    gains = []
    for seed in range(5):
        bits, position, depth, flutter = received(seed, 0.0, 0.0, 0.35)
        noisier = np.random.default_rng(seed + 50).standard_normal((BLOCKS, 150))
        position[:, GROUP < 10] += 0.4 * noisier
        believed = np.where(ZERO == 1.0, 1.0, np.where(bits == 0, 0.9, 0.1))
        held = [
            held_and_claimed(
                noise_of(position, depth, flutter, GROUP, zero).soft_values(position, depth, flutter), bits
            )[0]
            for zero in (ZERO, believed)
        ]
        gains.append(held[1] / held[0])
    assert np.mean(gains) > 1.05, gains
