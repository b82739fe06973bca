"""Each loss: 0 or least where nothing differs; its gradient reaches the network and leads downhill."""

import numpy as np
import pytest
import torch

from soundsafe.datasets import load
from soundsafe.models import INNWatermarker
from soundsafe.pipeline.adaptive_bit_allocation import PerceptualSignificanceMetric
from soundsafe.pipeline.features import magnitude
from soundsafe.pipeline.moore_glasberg import MooreGlasbergAnalyzer
from soundsafe.training import losses
from soundsafe.training.config import TrainConfig

CFG = TrainConfig(rs_payload_bytes=1)


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


def test_stability_is_the_exact_distance_of_quantised_features(x):
    y = x + 0.2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    model = INNWatermarker("small", bits=CFG.bits)
    got = float(losses.compute_slot_stability_loss(x, y, CFG, model))
    significance = []
    for one in (x, y):
        thresholds = MooreGlasbergAnalyzer().band_thresholds(magnitude(one.numpy()))
        q = np.floor(thresholds / CFG.thr_step) * CFG.thr_step
        significance.append(PerceptualSignificanceMetric().compute(q))
    expected = np.abs(significance[0] - significance[1]).mean()
    assert expected > 0
    assert got == pytest.approx(expected, rel=1e-6)
    assert float(losses.compute_slot_stability_loss(x, x, CFG, model)) == 0


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
