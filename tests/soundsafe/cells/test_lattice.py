"""Bits on the lattice and the soft values that come of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from soundsafe.cells.code import CellCode
from soundsafe.cells.lattice import cell_index, displacement, fits, project, soft_values
from soundsafe.cells.layout import Features, choose_layout
from soundsafe.cells.profile import EUL_FRAMES
from soundsafe.message.coding import N
from soundsafe.message.words import ERASED

CODE = CellCode()

GEO = CODE.geometry
LAYOUT = choose_layout(Features(np.linspace(0.0, -40.0, 24)), CODE, 0)


def sent(sigma: float, seed: int) -> tuple[NDArray[np.uint8], torch.Tensor]:
    """Random bits, and their lattice points behind Gaussian noise of `sigma` steps."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, N).astype(np.uint8)
    position = bits + 2.0 * rng.integers(-3, 4, N) + sigma * rng.standard_normal(N)
    return bits, torch.from_numpy(position).float()


@given(st.floats(-50, 50), st.integers(0, 1))
def test_displacement_leads_to_the_nearest_right_point(position: float, bit: int) -> None:
    d = float(displacement(torch.tensor(position), torch.tensor(float(bit))))
    point = (position - d - bit) / 2.0
    assert point == pytest.approx(round(point), abs=1e-5)
    assert abs(d) <= 1.0 + 1e-6


def test_projections_are_sums_over_cells() -> None:
    rng = np.random.default_rng(0)
    frames = EUL_FRAMES + 7
    ratio = rng.standard_normal((442, frames)) + 1j * rng.standard_normal((442, frames))
    index = cell_index(GEO, torch.tensor([0, 7]), frames)
    for eul, start in enumerate((0, 7)):
        p = project(torch.from_numpy(ratio).to(torch.complex64), index[eul], GEO).numpy()
        for carrier in (0, 5, len(p) // 2, len(p) - 1):
            cells = ratio[GEO.bins[carrier], start + GEO.frame[carrier]]
            expected = float((cells * GEO.weight[carrier].numpy().conj()).real.sum())
            assert p[carrier] == pytest.approx(expected, abs=1e-4)


def test_fit_is_standard_normal_by_chance_and_large_on_the_lattice() -> None:
    rng = np.random.default_rng(1)
    by_chance = [float(fits(torch.from_numpy(rng.uniform(-4, 4, N)))) for _ in range(400)]
    assert abs(np.mean(by_chance)) < 4 / math.sqrt(400)
    assert np.std(by_chance) == pytest.approx(1.0, abs=0.15)
    assert float(fits(sent(0.0, 0)[1])) == pytest.approx(math.sqrt(2 * N), rel=1e-4)
    assert fits(torch.zeros(0)) == 0.0


@pytest.mark.parametrize("sigma", [0.05, 0.15, 0.25, 0.35])
def test_soft_values_know_how_wrong_they_are(sigma: float) -> None:
    """The share of wrong bits is what the soft values themselves expect, within a factor."""
    wrong, expected = [], []
    for seed in range(5):
        bits, position = sent(sigma, seed)
        llr = soft_values(position, LAYOUT, GEO)
        assert np.isfinite(llr).all()
        wrong.append(np.mean((llr < 0) != bits))
        expected.append(np.mean(1.0 / (1.0 + np.exp(np.minimum(np.abs(llr), 60.0)))))
    assert np.mean(wrong) <= 1.2 * np.mean(expected) + 1e-3
    if sigma < 0.3:  # beyond, caution makes erasures of them
        assert np.mean(expected) <= 2.0 * np.mean(wrong) + 0.02


def test_chance_says_little() -> None:
    position = torch.from_numpy(np.random.default_rng(2).uniform(-4, 4, N)).float()
    llr = soft_values(position, LAYOUT, GEO)
    assert np.mean(np.abs(llr)) < 0.6
    assert np.mean(np.abs(llr) < ERASED) > 0.5


def test_a_spoilt_stretch_is_not_trusted() -> None:
    """Slots in the second half of the EUL carry noise: their soft values shrink, the others' stay."""
    bits, position = sent(0.1, 3)
    late = GEO.frame[LAYOUT.slots] >= 60
    noise = torch.from_numpy(np.random.default_rng(4).uniform(-4, 4, N)).float()
    llr = soft_values(torch.where(torch.from_numpy(late), noise, position), LAYOUT, GEO)
    early = GEO.frame[LAYOUT.slots] < 50
    assert np.median(np.abs(llr[late])) < 0.2 * np.median(np.abs(llr[early]))
    assert np.mean((llr < 0)[early] != bits[early]) < 0.02


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_one_step_further_means_the_other_bit(seed: int) -> None:
    _, position = sent(0.2, seed)
    np.testing.assert_allclose(
        soft_values(position + 1.0, LAYOUT, GEO), -soft_values(position, LAYOUT, GEO), rtol=2e-2, atol=2e-2
    )
