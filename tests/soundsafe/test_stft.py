import numpy as np
import pytest
import torch

from soundsafe.stft import RATE, Stft, istft, stft


@pytest.fixture
def noise():
    return np.random.default_rng(0).standard_normal((2, RATE)).astype(np.float32) * 0.1


def test_the_pipelines_grid():
    grid = Stft()
    assert (grid.n_fft, grid.hop, grid.bins, grid.frames(RATE)) == (882, 441, 442, 101)
    assert grid.frequencies()[1] == pytest.approx(50.0)


def test_equals_the_definition(noise):
    """Frame t is the windowed signal around sample t * hop, ends reflected."""
    x = noise[0].astype(np.float64)
    padded = np.pad(x, 441, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(882) / 882)
    spectrum = stft(x).numpy()
    for t in (0, 1, 57, 100):
        np.testing.assert_allclose(spectrum[:, t], np.fft.rfft(window * padded[441 * t :][:882]), atol=1e-10)


def test_a_full_scale_sine_measures_a_quarter_of_n_fft():
    x = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)
    assert np.abs(stft(x).numpy())[20, 10:90] == pytest.approx(882 / 4)


@pytest.mark.parametrize(("n_fft", "hop"), [(882, 441), (1024, 256), (512, 128), (300, 100)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-6), (np.float64, 1e-13)])
def test_round_trip(noise, n_fft, hop, dtype, tolerance):
    x = noise[:, : 40 * hop].astype(dtype)
    spectrum = stft(x, n_fft, hop)
    assert spectrum.shape == (2, n_fft // 2 + 1, 41)
    assert spectrum.dtype == (torch.complex64 if dtype is np.float32 else torch.complex128)
    np.testing.assert_allclose(istft(spectrum, x.shape[-1], n_fft, hop).numpy(), x, atol=tolerance)


@pytest.mark.parametrize("length", [442, 661, 881, 883, 5000])
def test_any_length_round_trips_in_float64(noise, length):
    x = noise[0, :length].astype(np.float64)
    np.testing.assert_allclose(istft(stft(x), length).numpy(), x, atol=1e-6)


@pytest.mark.parametrize(
    ("length", "centred", "frames"), [(1, False, 1), (441, False, 1), (442, True, 2), (661, True, 2)]
)
def test_short_input_rule(noise, length, centred, frames):
    """n_fft // 2 >= length: not centred, zeros at the end; the first length above it is centred."""
    grid, x = Stft(), noise[0, :length].astype(np.float64)
    assert grid.centred(length) is centred
    assert grid.frames(length) == frames
    spectrum = grid.forward(x)
    assert spectrum.shape == (442, frames)
    if not centred:
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(882) / 882)
        np.testing.assert_allclose(spectrum[:, 0].numpy(), np.fft.rfft(window[:length] * x, 882), atol=1e-12)
        back = grid.inverse(spectrum, length).numpy()
        assert back[0] == 0
        np.testing.assert_allclose(back[1:], x[1:], atol=1e-9)


def test_leading_axes_numpy_and_torch_agree(noise):
    x = noise[:, :8820].reshape(2, 1, 8820)
    spectrum = stft(x)
    assert spectrum.shape == (2, 1, 442, 21)
    assert torch.equal(spectrum, stft(torch.from_numpy(x)))
    assert istft(spectrum, 8820).shape == x.shape
    assert stft(x[0, 0]).shape == (442, 21)


def test_read_only_reversed_and_integer_arrays(noise):
    x = noise[0, :8820].copy()
    x.flags.writeable = False
    assert torch.equal(stft(x), stft(x.copy()))
    assert torch.equal(stft(x[::-1]), stft(x[::-1].copy()))
    assert stft(np.arange(8820, dtype=np.int16)).dtype == torch.complex64


def test_gradients_reach_the_signal():
    x = torch.randn(1, 4410, generator=torch.Generator().manual_seed(0), requires_grad=True)
    istft(stft(x), 4410).square().sum().backward()
    torch.testing.assert_close(x.grad, 2 * x.detach(), atol=1e-4, rtol=0)


def test_errors():
    with pytest.raises(ValueError, match="no samples"):
        stft(np.zeros((1, 0), np.float32))
    with pytest.raises(ValueError, match="real"):
        stft(torch.zeros(1000, dtype=torch.complex64))
    with pytest.raises(ValueError, match="bins"):
        istft(torch.zeros(442, 3, dtype=torch.complex64), 4410)
    with pytest.raises(ValueError, match="hop"):
        Stft(882, 883)
    with pytest.raises(ValueError, match="even"):
        Stft(881, 441)


def test_rows_are_frames_of_the_same_transform(noise):
    grid, x = Stft(1024, 256), torch.from_numpy(noise)
    pieces = grid.pieces(x.shape[1])
    assert [piece.start for piece in pieces[1:]] == [piece.stop for piece in pieces[:-1]]
    assert pieces[-1].stop == grid.frames(x.shape[1])
    rows = torch.cat([grid.rows(grid.padded(x), here) for here in pieces], dim=1)
    torch.testing.assert_close(rows.transpose(1, 2), grid.forward(x), atol=1e-5, rtol=1e-5)
    rows[..., 200:] = 0.0
    shorter = grid.inverse_rows(rows[..., :200].contiguous(), x.shape[1])
    torch.testing.assert_close(shorter, grid.inverse(rows.transpose(1, 2), x.shape[1]), atol=1e-6, rtol=0)
