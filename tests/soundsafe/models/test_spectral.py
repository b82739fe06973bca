import pytest
import torch
from torch.nn.utils.parametrize import is_parametrized

from soundsafe.models import INNWatermarker, bound_norms

PATTERNS = ("affine_coupling.*/proj.*", "coupling_net.*/fc.*", ".*1x1.*")


def spectral(weight):
    return float(torch.linalg.matrix_norm(weight.detach().flatten(1), 2))


def norm(layer):
    return spectral(layer.weight)


def test_matched_layers_are_listed_and_bounded_and_others_left_alone():
    model = INNWatermarker("small", bits=520)
    names = bound_norms(model, PATTERNS, target=1.2)
    assert "affine_coupling.0.phi.proj" in names
    assert "coupling_net.fc_in" in names
    assert "affine_coupling.2.eta.mix1x1" in names
    assert names == sorted(name for name, layer in model.named_modules() if is_parametrized(layer, "weight"))
    loud = dict(model.named_modules())["affine_coupling.0.phi.proj"]
    free = dict(model.named_modules())["affine_coupling.0.phi.dense.0"]
    with torch.no_grad():
        loud.parametrizations.weight.original.normal_()
        free.weight.mul_(100.0)
    model.eval()
    assert spectral(loud.parametrizations.weight.original) > 2
    assert norm(loud) == pytest.approx(1.2, rel=0.02)
    assert norm(free) > 10


def test_one_iteration_a_step_follows_a_growing_weight():
    layer = torch.nn.Sequential(torch.nn.Linear(12, 8))
    bound_norms(layer, ["0"], target=1.2, power_iter=1)
    original = layer[0].parametrizations.weight.original
    for _ in range(60):
        with torch.no_grad():
            original.mul_(1.05)
        layer(torch.zeros(1, 12))
    assert norm(layer[0]) == pytest.approx(1.2, rel=1e-3)


def test_a_small_weight_stays_as_it_is():
    layer = torch.nn.Sequential(torch.nn.Linear(6, 6))
    with torch.no_grad():
        layer[0].weight.copy_(torch.eye(6) * 0.5)
    bound_norms(layer, ["0"])
    assert torch.equal(layer[0].weight, torch.eye(6) * 0.5)


def test_a_pattern_without_a_match_is_refused_and_nothing_changed():
    model = INNWatermarker("small", bits=520)
    with pytest.raises(ValueError, match="no_such"):
        bound_norms(model, [*PATTERNS, "no_such/layer"])
    assert not any(is_parametrized(layer) for layer in model.modules())
