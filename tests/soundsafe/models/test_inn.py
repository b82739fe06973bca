import numpy as np
import pytest
import torch

from soundsafe.datasets import load
from soundsafe.models import INNWatermarker


@pytest.fixture(scope="module")
def seconds():
    audio, _ = load("bundled").clips[0].read()
    return torch.from_numpy(audio[0, : 2 * 44_100].reshape(2, 44_100).copy())


def relative(a, b):
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-4), (torch.float64, 1e-9)])
def test_the_inverse_is_exact_on_music(seconds, dtype, limit):
    torch.manual_seed(3)
    model = INNWatermarker("small").to(dtype).eval()
    bits = torch.randint(0, 2, (2, model.bits)).to(dtype)
    with torch.no_grad():
        spectrum = model.stft(seconds.to(dtype))
        message = model.coupling_net.spread(bits)
        marked, rest = model(spectrum, message)
        audio, back = model.inverse(marked, rest)
    assert relative(marked, spectrum) > 1e-3  # something was changed
    assert relative(audio, spectrum) < limit
    assert relative(back, message) < limit


def test_every_bit_owns_cells_and_spread_is_read_back_by_sign(seconds):
    net = INNWatermarker("small").coupling_net
    counts = np.bincount(net.owner.numpy(), minlength=net.bits + 1)[: net.bits]
    assert counts.min() >= 9
    assert counts.max() - counts.min() <= 1
    bits = torch.randint(0, 2, (1, net.bits), generator=torch.Generator().manual_seed(0)).float()
    cells = net.spread(bits)[:, 0] * net.sign
    sums = torch.zeros(1, net.bits + 1).index_add(1, net.owner, cells.flatten(1))[:, : net.bits]
    assert torch.equal(sums > 0, bits > 0.5)


def test_reading_depends_on_the_audio_alone_and_reaches_every_parameter(seconds):
    model = INNWatermarker("small", bits=520)
    logits = model.read(model.embed(seconds[:1], torch.ones(1, 520)))
    assert logits.shape == (1, 520)
    logits.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters() if p.ndim > 1)


def test_what_makes_no_network():
    with pytest.raises(ValueError, match="small, large"):
        INNWatermarker("tiny")
    with pytest.raises(ValueError, match="do not fit"):
        INNWatermarker("small", bits=100_000)
