"""Training of the learned map: where made-up codecs spoil one band, it learns larger steps there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from soundsafe.models.steps import StepMap
from soundsafe.training.config import TrainConfig
from soundsafe.training.map_fit import Static, figures_of, fit_map
from soundsafe.training.map_hearing import Hearing
from soundsafe.training.map_observations import CHANNELS, Observations

CONFIG = TrainConfig(steps=80, batch=8, learning_rate=0.01)
SPOILT = 4


@pytest.fixture(scope="module")
def seen() -> Observations:
    rng = np.random.default_rng(0)
    n, slots = 24, 1200
    band = torch.from_numpy(rng.integers(0, 24, (n, slots)))
    frame = torch.from_numpy(rng.integers(0, 100, (n, slots)))
    marked = torch.from_numpy(rng.normal(0, 4.0, (n, slots))).float()
    size = torch.where(band == SPOILT, 0.6, 0.2)[:, None]
    noise = torch.from_numpy(rng.normal(size=(n, len(CHANNELS), slots))).float()
    level = torch.from_numpy(rng.normal(0, 10.0, (n, 24, 100))).float()
    return Observations(
        band=band,
        frame=frame,
        marked=marked,
        heard=marked[:, None] + size * noise,
        level=level,
        heard_level=level[:, None].repeat(1, len(CHANNELS), 1, 1),
    )


@pytest.fixture(scope="module")
def hearing() -> Hearing:
    """Hears all bands alike."""
    model = Hearing()
    with torch.no_grad():
        model.net[-1].weight.zero_()
        model.net[-1].bias.zero_()
    return model.eval().requires_grad_(False)


def test_without_a_map_nothing_is_scaled(seen: Observations, hearing: Hearing) -> None:
    figures = figures_of(Static(()), seen, hearing)
    assert abs(figures.shift) < 1e-5
    assert figures.moved == 0.0
    assert 0.02 < figures.mean < 0.05


@pytest.mark.parametrize("model", [Static((9, 13)), StepMap("small", (9, 13))], ids=["static", "map"])
def test_what_codecs_spoil_gets_larger_steps(
    model: torch.nn.Module, seen: Observations, hearing: Hearing
) -> None:
    before = figures_of(Static(()), seen, hearing).mean
    trained, rows = fit_map(seen, hearing, CONFIG, model)
    with torch.no_grad():
        by_band = trained(seen.level).mean((0, 2))
    assert by_band[SPOILT] > by_band.mean() + 0.1
    assert not by_band[[9, 13]].any()
    assert figures_of(trained, seen, hearing).mean < 0.95 * before
    assert {row["phase"] for row in rows} == {"A", "B", "C"}
    assert [rows[0]["w_stab"], round(float(rows[-1]["w_stab"]), 1)] == [0.05, 0.5]


def test_training_repeats(seen: Observations, hearing: Hearing) -> None:
    short = dataclasses.replace(CONFIG, steps=12)

    def trained() -> torch.Tensor:
        torch.manual_seed(0)
        made: torch.Tensor = fit_map(seen, hearing, short, StepMap())[0](seen.level[:2])
        return made

    assert torch.equal(trained(), trained())


def test_factors_that_channels_change_cost(seen: Observations, hearing: Hearing) -> None:
    torch.manual_seed(0)
    shaken = dataclasses.replace(
        seen, heard_level=seen.heard_level + 6.0 * torch.randn_like(seen.heard_level)
    )
    model, _ = fit_map(shaken, hearing, CONFIG, StepMap())
    assert figures_of(model, shaken, hearing).moved < 0.1
