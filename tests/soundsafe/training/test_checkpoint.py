import pytest
import torch
from torch.nn.utils.parametrize import is_parametrized

from soundsafe.models import INNWatermarker
from soundsafe.training import TrainConfig, apply_spectral_normalization
from soundsafe.training.checkpoint import build_model


def bounded(model):
    return sorted(name for name, layer in model.named_modules() if is_parametrized(layer, "weight"))


def test_spectral_normalization_is_what_the_configuration_says():
    model = INNWatermarker("small", bits=520)
    names = apply_spectral_normalization(model, TrainConfig(sn_target=0.25, sn_layers=["coupling_net/fc_in"]))
    assert names == bounded(model) == ["coupling_net.fc_in"]
    weight = model.eval().coupling_net.fc_in.weight
    assert float(torch.linalg.matrix_norm(weight.detach(), 2)) == pytest.approx(0.25, rel=1e-3)
    assert len(apply_spectral_normalization(model, TrainConfig(sn_layers=None))) > 10


def test_spectral_normalization_that_is_off_changes_nothing():
    model = INNWatermarker("small", bits=520)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert apply_spectral_normalization(model, TrainConfig(sn_enable=False)) == []
    assert bounded(model) == []
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_a_network_is_made_with_its_layers_bounded():
    on, off = (build_model(TrainConfig(rs_payload_bytes=1, sn_enable=enable)) for enable in (True, False))
    assert len(bounded(on)) > 10
    assert bounded(off) == []
