"""One step of training: the losses that it sums, the figures that it tells, the grid that it insists on."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from soundsafe.models import INNWatermarker
from soundsafe.training import step
from soundsafe.training.config import TrainConfig
from soundsafe.training.schedules import perceptual_weight, stability_weight
from soundsafe.training.step import compute_losses_and_metrics, draw_bits

CFG = TrainConfig(rs_payload_bytes=1)
KEYS = {"loss", "byte_loss", "perc", "inv", "stability", "byte_acc", "payload_ok", "w_stab", "x_wm"}
# Millionths of all bits that are one per cent of a band's mean significance.
PER_CENT = 1e6 / 24 / 100


@pytest.fixture(scope="module")
def model() -> INNWatermarker:
    torch.manual_seed(0)
    return INNWatermarker(bits=CFG.bits)


def bits(batch: int = 1) -> torch.Tensor:
    return draw_bits(batch, CFG, np.random.default_rng(1))


def learnt(found: dict[str, torch.Tensor]) -> float:
    """How far the message is read: 0 for who guesses each bit."""
    return min(1.0, max(0.0, 1.0 - float(found["byte_loss"]) / (math.log(2.0) + 255 / 256)))


@pytest.mark.parametrize(("read", "share"), [(1.75, 0.0), (0.0, 1.0), (0.8447, 0.5)])
def test_stability_counts_as_far_as_the_message_is_read(
    model: INNWatermarker,
    seconds: torch.Tensor,
    monkeypatch: pytest.MonkeyPatch,
    read: float,
    share: float,
) -> None:
    monkeypatch.setattr(step, "message_loss", lambda logits, bits: logits.mean() * 0.0 + read)
    monkeypatch.setattr(step, "compute_slot_stability_loss", lambda x, y, cfg, model: y.mean() * 0.0 + 1000.0)
    with_it, without = (
        float(
            compute_losses_and_metrics(model, seconds[:1], dataclasses.replace(CFG, w_stab=w_stab), bits())[
                "loss"
            ].detach()
        )
        for w_stab in (0.05, 0.0)
    )
    assert with_it - without == pytest.approx(share * 0.05 * 1000.0 / PER_CENT, abs=1e-4)


def test_bits_are_drawn_from_the_generator_alone() -> None:
    drawn = bits(3)
    assert drawn.shape == (3, CFG.bits)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(drawn, bits(3))


@pytest.mark.parametrize("epoch", [0.0, 0.5])
def test_the_loss_is_the_weighted_sum_of_its_terms(
    model: INNWatermarker, seconds: torch.Tensor, epoch: float
) -> None:
    cfg = dataclasses.replace(CFG, w_msg=3.0, w_perc=0.5, w_inv=2.0)
    found = compute_losses_and_metrics(model, seconds[:1], cfg, bits(), epoch)
    assert set(found) == KEYS
    terms = (
        3.0 * float(found["byte_loss"])
        + perceptual_weight(cfg, epoch) * float(found["perc"])
        + 2.0 * float(found["inv"])
        + stability_weight(cfg, epoch) * learnt(found) * float(found["stability"]) / PER_CENT
    )
    assert float(found["loss"].detach()) == pytest.approx(terms, rel=1e-5)
    assert float(found["w_stab"]) == pytest.approx(stability_weight(cfg, epoch))
    assert [name for name in KEYS if found[name].requires_grad] == ["loss"]


def test_what_is_told_of_a_batch(model: INNWatermarker, seconds: torch.Tensor) -> None:
    found = compute_losses_and_metrics(model, seconds[:2], CFG, bits(2))
    assert found["x_wm"].shape == (2, 44_100)
    assert torch.equal(found["x_wm"], model.embed(seconds[:2], bits(2)).detach())
    assert 0.0 <= float(found["byte_acc"]) <= 1.0
    assert float(found["payload_ok"]) in (0.0, 0.5, 1.0)


def test_a_network_that_came_apart_gives_a_loss_that_is_no_number(seconds: torch.Tensor) -> None:
    broken = INNWatermarker(bits=CFG.bits)
    with torch.no_grad():
        for parameter in broken.affine_coupling.parameters():
            parameter.fill_(math.nan)
    found = compute_losses_and_metrics(broken, seconds[:1], CFG, bits())
    assert math.isnan(float(found["loss"].detach()))
    assert torch.isfinite(found["x_wm"]).all()


@pytest.mark.parametrize(("name", "value"), [("n_fft", 1024), ("hop_length", 512)])
def test_another_grid_is_refused(seconds: torch.Tensor, name: str, value: int) -> None:
    other = INNWatermarker(bits=CFG.bits)
    setattr(other.stft, name, value)
    with pytest.raises(AssertionError, match=str(value)):
        compute_losses_and_metrics(other, seconds[:1], CFG, bits())
