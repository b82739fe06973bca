"""Each loss: 0 or least where nothing differs; its gradient reaches the network and leads downhill."""

import numpy as np
import pytest
import torch

from soundsafe.codecs import resample
from soundsafe.datasets import load
from soundsafe.models import INNWatermarker
from soundsafe.pipeline.adaptive_bit_allocation import PerceptualSignificanceMetric
from soundsafe.pipeline.features import levels_db, magnitude, quantized_levels
from soundsafe.pipeline.moore_glasberg import MooreGlasbergAnalyzer
from soundsafe.pipeline.rules import ROBUST
from soundsafe.training import losses
from soundsafe.training.config import TrainConfig

CFG = TrainConfig(rs_payload_bytes=1)
SEED = TrainConfig(rs_payload_bytes=1, profile="seed")


@pytest.fixture(scope="module")
def x():
    audio, _ = load("bundled").clips[4].read()
    return torch.from_numpy(audio[:1, :44_100].copy())


def bits():
    return torch.randint(0, 2, (1, CFG.bits), generator=torch.Generator().manual_seed(1)).float()


LOSSES = {
    "message": lambda m, x: losses.message_loss(m.read(m.embed(x, bits())), bits()),
    "multi_resolution": lambda m, x: losses.multi_resolution_loss(x, m.embed(x, bits())),
    "mfcc": lambda m, x: losses.mfcc_loss(x, m.embed(x, bits())),
    "snr": lambda m, x: losses.snr_loss(x, m.embed(x, bits())),
    "noise_to_mask": lambda m, x: losses.noise_to_mask_loss(x, m.embed(x, bits())),
    "invertibility": lambda m, x: losses.invertibility_loss(m, x, bits()),
    "stability": lambda m, x: losses.compute_slot_stability_loss(x, m.embed(x, bits()), CFG, m),
    "stability, original": lambda m, x: losses.compute_slot_stability_loss(x, m.embed(x, bits()), SEED, m),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_gradient_reaches_the_network_and_a_step_along_it_lowers_the_loss(name, x):
    torch.manual_seed(0)
    model = INNWatermarker("small", bits=CFG.bits)
    with torch.no_grad():
        for block in model.affine_coupling:  # an edit large enough to move the allocator's integers
            block.phi.proj.weight *= 15.0
    before = LOSSES[name](model, x)
    before.backward()
    grads = [p.grad for p in model.affine_coupling.parameters()]
    assert any(g is not None and g.abs().max() > 0 for g in grads)
    parameters = [p for p in model.parameters() if p.grad is not None]
    norm = torch.stack([p.grad.norm() for p in parameters]).norm()
    assert torch.isfinite(norm)
    with torch.no_grad():
        for p in parameters:
            p.sub_(0.02 * p.grad / norm)
        assert float(LOSSES[name](model, x)) < float(before.detach())


def _thresholds(mag):
    return np.floor(MooreGlasbergAnalyzer().band_thresholds(mag) / SEED.thr_step) * SEED.thr_step


def _levels(mag):
    return quantized_levels(levels_db(mag, MooreGlasbergAnalyzer()), ROBUST)[4:19, None]


@pytest.mark.parametrize(("cfg", "features"), [(CFG, _levels), (SEED, _thresholds)])
def test_stability_is_the_exact_distance_of_the_profiles_quantised_features(x, cfg, features):
    y = x + 0.2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    model = INNWatermarker("small", bits=CFG.bits)
    got = float(losses.compute_slot_stability_loss(x, y, cfg, model))
    a, b = (PerceptualSignificanceMetric().compute(features(magnitude(one.numpy()))) for one in (x, y))
    expected = np.abs(a - b).mean()
    assert expected > 0
    assert got == pytest.approx(expected, rel=1e-6)
    assert float(losses.compute_slot_stability_loss(x, x, cfg, model)) == 0


@pytest.mark.parametrize("gain", [0.7, 1.4])
def test_gain_alone_costs_nothing_by_levels_and_much_by_thresholds(x, gain):
    model = INNWatermarker("small", bits=CFG.bits)
    assert float(losses.compute_slot_stability_loss(x, gain * x, CFG, model)) == 0
    assert float(losses.compute_slot_stability_loss(x, gain * x, SEED, model)) > 1000


@pytest.mark.parametrize("cfg", [CFG, SEED])
@pytest.mark.parametrize("rate", [22_050, 48_000])
def test_a_second_at_another_rate_is_the_same_second_and_has_a_gradient(x, cfg, rate):
    model = INNWatermarker("small", bits=CFG.bits)
    other = torch.from_numpy(resample(x.numpy(), 44_100, rate)).requires_grad_()
    assert other.shape[1] == rate
    assert float(losses.compute_slot_stability_loss(x, other, cfg, model).detach()) < 10
    noisy = other + 0.05 * torch.randn(other.shape, generator=torch.Generator().manual_seed(0))
    loss = losses.compute_slot_stability_loss(x, noisy, cfg, model)
    assert float(loss.detach()) > 10
    loss.backward()
    assert float(other.grad.abs().max()) > 0


def test_perceptual_terms_are_least_where_nothing_differs_and_grow_with_noise(x):
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    for name in ("multi_resolution_loss", "mfcc_loss", "snr_loss", "noise_to_mask_loss"):
        loss = getattr(losses, name)
        same, little, much = (float(loss(x, x + a * noise)) for a in (0.0, 1e-3, 1e-1))
        assert same < little < much, name
        assert same < 0.01, name


def test_message_loss_of_guessing_and_of_knowing():
    b = bits()
    assert float(losses.message_loss(torch.zeros_like(b), b)) == pytest.approx(np.log(2) + 1 - 2**-8)
    assert float(losses.message_loss(20 * (2 * b - 1), b)) < 1e-6
