"""The coupling block alone: exact inverse, bounded scale, and each branch reached by the other."""

from __future__ import annotations

import math

import pytest
import torch

from soundsafe.models.coupling import AffineCoupling, DenseSubnet

SHAPE = (2, 2, 20, 5)


@pytest.fixture
def branches() -> tuple[torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(1)
    audio, message = (torch.randn(SHAPE, generator=draws, dtype=torch.float64) for _ in range(2))
    return audio, message


def block(gain: float = 0.3) -> AffineCoupling:
    torch.manual_seed(2)
    return AffineCoupling(2, 8, 2, gain).double()


@torch.no_grad()
def test_the_inverse_gives_both_branches_back(branches: tuple[torch.Tensor, torch.Tensor]) -> None:
    for gain in (0.3, 30.0):
        net = block(gain)
        after = net(*branches)
        assert not torch.allclose(after[0], branches[0])
        for back, before in zip(net.inverse(*after), branches, strict=True):
            torch.testing.assert_close(back, before, rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_no_message_is_scaled_by_more_than_e(branches: tuple[torch.Tensor, torch.Tensor]) -> None:
    net = block(1e4)
    for parameter in net.eta.parameters():
        parameter.zero_()
    ratio = (net(*branches)[1] / branches[1]).abs()
    assert ratio.max() <= math.e * (1 + 1e-9)
    assert ratio.min() >= 1 / math.e * (1 - 1e-9)
    assert ratio.max() > 2.7  # the bound is reached


def test_each_branch_hears_of_the_other(branches: tuple[torch.Tensor, torch.Tensor]) -> None:
    audio, message = (branch.requires_grad_() for branch in branches)
    new_audio, new_message = block()(audio, message)
    assert torch.autograd.grad(new_audio.sum(), message, retain_graph=True)[0].abs().max() > 0
    assert torch.autograd.grad(new_message.square().sum(), audio)[0].abs().max() > 0


def test_a_subnet_keeps_the_shape_and_its_gain_scales_what_comes_out() -> None:
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(3))
    outputs = []
    for gain in (1.0, 0.25):
        torch.manual_seed(4)
        outputs.append(DenseSubnet(2, 8, 3, gain)(x))
    assert outputs[0].shape == SHAPE
    torch.testing.assert_close(outputs[1], 0.25 * outputs[0])
