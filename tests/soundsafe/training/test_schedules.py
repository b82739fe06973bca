"""Weights and phases over the course of a training."""

from __future__ import annotations

import pytest

from soundsafe.training.config import TrainConfig
from soundsafe.training.schedules import (
    csd_scale,
    learning_rate,
    perceptual_weight,
    phase_at,
    stability_weight,
)


def test_the_weight_of_stability_passes_through_the_rollouts_points() -> None:
    cfg = TrainConfig()
    points = [(0, 0.05), (0.33, 0.05), (0.465, 0.175), (0.6, 0.3), (0.8, 0.4), (1.0, 0.5)]
    assert [stability_weight(cfg, e) for e, _ in points] == pytest.approx([w for _, w in points])
    plain = TrainConfig(stability_ramp="linear")
    assert stability_weight(plain, 0.665) == pytest.approx(0.275)
    assert stability_weight(plain, 1.0) == 0.5


def test_phases_channel_and_curriculum() -> None:
    cfg = TrainConfig()
    assert "".join(phase_at(e) for e in (0, 0.3, 0.34, 0.59, 0.6, 1.0)) == "AABBCC"
    assert [csd_scale(cfg, e) for e in (0.5, 0.6, 0.8, 1.0)] == pytest.approx([0, 0, 0.35, 0.7])
    assert csd_scale(TrainConfig(csd_schedule="linear"), 0.7) == pytest.approx(0.175)
    assert [perceptual_weight(cfg, e) for e in (0, 0.15, 0.3, 1)] == pytest.approx([0, 0.5, 1, 1])


def test_the_learning_rate_falls_by_half_a_cosine() -> None:
    cfg = TrainConfig(learning_rate=1e-2)
    rates = [learning_rate(cfg, epoch) for epoch in (0.0, 0.25, 0.5, 1.0)]
    assert rates == pytest.approx([1e-2, 8.565e-3, 5.1e-3, 2e-4], rel=1e-3)
