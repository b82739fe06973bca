"""Mixtures of channels: every second has its own, and together they lose no channel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from soundsafe.cells.mixtures import mix_channels, mixed_by_phases, mixtures
from soundsafe.cells.profile import PHASES


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_mixtures_cover_all_channels(channels: int) -> None:
    for phase in range(PHASES):
        mixes = mixtures(channels, phase)
        assert np.sum(mixes, axis=0) == pytest.approx(np.ones(channels) * (len(mixes) / channels))
    if channels > 1:
        assert {len(mixtures(channels, phase)) for phase in range(PHASES)} == {1, channels}


def test_a_mixture_is_a_weighted_sum() -> None:
    spectrum = torch.complex(torch.randn(3, 4, 5), torch.randn(3, 4, 5))
    mix = np.array([0.5, 0.0, -2.0], np.float32)
    torch.testing.assert_close(mix_channels(spectrum, mix), 0.5 * spectrum[0] - 2.0 * spectrum[2])


@pytest.mark.parametrize("channels", [1, 3])
def test_signals_of_all_phases_are_those_mixtures(channels: int) -> None:
    audio = np.random.default_rng(0).standard_normal((channels, 50)).astype(np.float32)
    by_phase = {phase: mixes for phases, mixes in mixed_by_phases(audio) for phase in phases}
    assert sorted(by_phase) == list(range(PHASES))
    for phase, mixes in by_phase.items():
        wanted = np.stack([mix @ audio for mix in mixtures(channels, phase)])
        np.testing.assert_allclose(np.stack(mixes), wanted, rtol=1e-5, atol=1e-6)
