"""What training puts between embedder and reader: the random channel and attacks with a gradient."""

import numpy as np
import pytest
import torch

from soundsafe.cells.code import CellCode
from soundsafe.cells.layout import choose_layout, features
from soundsafe.cells.profile import EUL_FRAMES, ROBUST
from soundsafe.models import INNWatermarker
from soundsafe.stft import stft
from soundsafe.training.channel import ATTACKS, attack, channel_spectral_distortion
from soundsafe.training.config import TrainConfig
from soundsafe.training.losses import compute_slot_stability_loss

CFG = TrainConfig(rs_payload_bytes=1)


def _slots(x):
    return choose_layout(features(stft(x)[..., :EUL_FRAMES], ROBUST), CellCode(), 0).digest


def test_the_channel_keeps_the_allocators_slots_where_it_is_to_and_moves_them_where_not(seconds):
    model, seeds = INNWatermarker(bits=CFG.bits), range(12)
    kept, change = {}, {}
    for aware in (True, False):
        drawn = [
            channel_spectral_distortion(model, seconds[:1], 0.7, aware, np.random.default_rng(seed))[0]
            for seed in seeds
        ]
        kept[aware] = sum(_slots(y) == _slots(seconds[0]) for y in drawn)
        change[aware] = float(np.mean([(y - seconds[0]).norm() / seconds[0].norm() for y in drawn]))
    assert kept[True] >= len(seeds) - 1
    assert kept[False] < kept[True]
    assert change[True] > 0.05  # a quarter of a dB in all bands changes no more than .03
    x = seconds[:1]
    assert channel_spectral_distortion(model, x, 0.0, True, np.random.default_rng(3)) is x


def test_the_original_channel_keeps_thresholds_in_their_cells(seconds):
    model, x = INNWatermarker(bits=CFG.bits), seconds[:1]
    seed = TrainConfig(rs_payload_bytes=1, profile="seed")
    moved = []
    for aware in (True, False):
        y = channel_spectral_distortion(model, x, 0.7, aware, np.random.default_rng(3), "seed")
        assert not torch.equal(x, y)
        moved.append(float(compute_slot_stability_loss(x, y, seed, model)))
    assert moved[0] <= 0.1 * moved[1]


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_change_the_value_and_pass_the_gradient(name, seconds):
    x = seconds[:1].clone().requires_grad_()
    y = attack(x, name, np.random.default_rng(0))
    assert y.shape == x.shape
    assert torch.equal(y, x) == (name == "none")
    y.sum().backward()
    assert x.grad is not None
    assert float(x.grad.min()) > 0.7
