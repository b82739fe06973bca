"""The masking threshold: scale, floor, slopes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundsafe.cells.masking import ANALYZER, band_power, masked, threshold
from soundsafe.cells.profile import ROBUST
from soundsafe.pipeline.moore_glasberg import bark
from soundsafe.stft import RATE, stft

BINS = len(ANALYZER.bin_frequencies)


def spectrum(seed: int, frames: int = 5) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((2, BINS, frames)) * 10 ** rng.uniform(-2, 2, (1, BINS, 1))
    return torch.complex(torch.tensor(x[0]), torch.tensor(x[1])).to(torch.complex64)


@given(st.integers(0, 10**6), st.floats(-40, 40))
@settings(max_examples=20, deadline=None)
def test_gain_scales_the_threshold(seed: int, gain_db: float) -> None:
    x, gain = spectrum(seed), 10 ** (gain_db / 20)
    torch.testing.assert_close(
        threshold(gain * x, ROBUST),
        gain * threshold(x, ROBUST),
        rtol=1e-3,
        atol=math.sqrt(ROBUST.threshold_floor),
    )


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_more_power_never_lowers_it(seed: int) -> None:
    x = spectrum(seed)
    more = x * torch.from_numpy(np.random.default_rng(seed).uniform(1, 3, x.shape)).float()
    assert bool((threshold(more, ROBUST) >= threshold(x, ROBUST) * (1 - 1e-5)).all())


def test_never_below_the_floor() -> None:
    silent = threshold(torch.zeros(BINS, 3, dtype=torch.complex64), ROBUST)
    torch.testing.assert_close(silent, torch.full((BINS, 3), math.sqrt(ROBUST.threshold_floor)))


def test_chosen_bins_are_rows_of_the_whole() -> None:
    x = spectrum(1)
    bins = torch.tensor([40, 7, 300])
    torch.testing.assert_close(masked(x, ROBUST, bins), masked(x, ROBUST)[bins])


def test_band_power_of_a_constant() -> None:
    power = band_power(torch.full((BINS, 2), 3.0), ROBUST)
    filled = ANALYZER.bins_per_band > 0
    torch.testing.assert_close(power[torch.from_numpy(filled)], torch.full((int(filled.sum()), 2), 3.0))


def test_a_frame_depends_on_itself_alone() -> None:
    x = spectrum(2)
    torch.testing.assert_close(threshold(x, ROBUST)[:, 3], threshold(x[:, 3:4], ROBUST)[:, 0])


@pytest.mark.parametrize("hz", [700.0, 2500.0])
def test_slopes_of_a_tone(hz: float) -> None:
    """Upwards the threshold falls by `spread_high_db` for each Bark, downwards faster."""
    tone = torch.sin(2 * math.pi * hz * torch.arange(RATE) / RATE).double()
    level = 20 * torch.log10(threshold(stft(tone).to(torch.complex64)[:, 40:41], ROBUST))[:, 0].numpy()
    z = bark(ANALYZER.bin_frequencies)
    here = bark(np.array([hz]))[0]

    def slope(low: float, high: float) -> float:
        part = (z > here + low) & (z < here + high)
        return float(np.polyfit(z[part], level[part], 1)[0])

    assert slope(1.5, 5.0) == pytest.approx(-ROBUST.spread_high_db, rel=0.1)
    assert slope(-4.0, -1.5) == pytest.approx(ROBUST.spread_low_db, rel=0.15)
