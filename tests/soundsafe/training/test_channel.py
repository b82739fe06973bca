"""What training puts between embedder and reader: the random channel and attacks with a gradient."""

import numpy as np
import pytest
import torch

from soundsafe.models import INNWatermarker
from soundsafe.training.channel import ATTACKS, attack, channel_spectral_distortion
from soundsafe.training.config import TrainConfig
from soundsafe.training.losses import compute_slot_stability_loss

CFG = TrainConfig(rs_payload_bytes=1)


def test_the_channel_keeps_features_where_it_is_to_and_moves_them_where_not(seconds):
    model = INNWatermarker(bits=CFG.bits)
    x = seconds[:1]
    moved = []
    for aware in (True, False):
        rng = np.random.default_rng(3)
        y = channel_spectral_distortion(model, x, 0.7, aware, rng)
        assert not torch.equal(x, y)
        moved.append(float(compute_slot_stability_loss(x, y, CFG, model)))
    assert moved[0] <= 0.1 * moved[1]
    assert channel_spectral_distortion(model, x, 0.0, True, np.random.default_rng(3)) is x


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_change_the_value_and_pass_the_gradient(name, seconds):
    x = seconds[:1].clone().requires_grad_()
    y = attack(x, name, np.random.default_rng(0))
    assert y.shape == x.shape
    assert torch.equal(y, x) == (name == "none")
    y.sum().backward()
    assert x.grad is not None
    assert float(x.grad.min()) > 0.7
