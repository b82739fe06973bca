"""An invertible network that conceals a message in the pipeline's spectrum and reads it through its inverse.

Two branches of real and imaginary channels go through affine coupling blocks: the audio, companded, and the
message, spread over keyed cells. What leaves the audio branch is the marked audio; what leaves the message
branch is dropped, because a detector has the audio alone. It runs the inverse with zeros in that place and
reads each bit from its cells.

Companding is ``c = asinh(|X| / e) X / |X|``: exactly invertible, and a change of c by d changes |X| by about
the factor exp(d), so that quiet cells are changed little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from soundsafe.models.coupling import AffineCoupling
from soundsafe.stft import RATE, Stft

__all__ = ["SIZES", "INNWatermarker", "Size", "Spectrum", "compand", "expand"]

_FLOOR = 0.02  # of |X|: a sine 81 dB below full scale
_LOW_HZ, _HIGH_HZ = 500.0, 11_000.0


@dataclass(frozen=True)
class Size:
    """Size of a network.

    Args:
        blocks: coupling blocks, at least 1.
        growth: channels that each dense layer adds, at least 1.
        layers: dense layers of each sub-network, at least 1.

    Example:
        >>> SIZES["small"]
        Size(blocks=3, growth=8, layers=2)
    """

    blocks: int
    growth: int
    layers: int


SIZES = {"small": Size(3, 8, 2), "large": Size(8, 32, 4)}
"""``small`` trains on two cores, ``large`` wants a GPU."""


class Spectrum(nn.Module):
    """The short-time transform with real and imaginary channels: n_fft 882, hop 441; no parameters.

    Example:
        >>> transform = Spectrum()
        >>> x = torch.randn(1, 44_100)
        >>> spectrum = transform(x)
        >>> tuple(spectrum.shape)
        (1, 2, 442, 101)
        >>> bool(torch.allclose(transform.inverse(spectrum, 44_100), x, atol=1e-5))
        True
    """

    def __init__(self) -> None:
        super().__init__()
        self.grid = Stft()
        self.n_fft, self.hop_length = self.grid.n_fft, self.grid.hop

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The spectrum of audio.

        Args:
            x: ``[batch, samples]``.

        Returns:
            ``[batch, 2 (real, imaginary), bins, frames]``.
        """
        return torch.view_as_real(self.grid.forward(x)).movedim(-1, 1)

    def inverse(self, spectrum: torch.Tensor, length: int) -> torch.Tensor:
        """The audio of a spectrum.

        Args:
            spectrum: ``[batch, 2 (real, imaginary), bins, frames]``.
            length: of the audio, in samples.

        Returns:
            ``[batch, length]``.
        """
        pairs = spectrum.movedim(1, -1).contiguous()
        return self.grid.inverse(torch.view_as_complex(pairs), length)


def compand(spectrum: torch.Tensor) -> torch.Tensor:
    """Bring each magnitude to the scale of the arcsinh; its angle stays as it was.

    Args:
        spectrum: ``[batch, 2 (real, imaginary), bins, frames]``.

    Returns:
        The same shape: asinh(|X| / 0.02) X / |X|.

    Example:
        >>> round(float(compand(torch.tensor([[[[0.02]], [[0.0]]]]))[0, 0]), 4)
        0.8814
    """
    size = spectrum.square().sum(1, keepdim=True).clamp(min=1e-24).sqrt()
    return spectrum * (torch.asinh(size / _FLOOR) / size)


def expand(companded: torch.Tensor) -> torch.Tensor:
    """The inverse of `compand`.

    Args:
        companded: ``[batch, 2 (real, imaginary), bins, frames]``.

    Returns:
        The same shape.

    Example:
        >>> x = torch.tensor([[[[3.0]], [[4.0]]]])
        >>> bool(torch.allclose(expand(compand(x)), x))
        True
    """
    size = companded.square().sum(1, keepdim=True).clamp(min=1e-24).sqrt()
    return companded * (_FLOOR * torch.sinh(size) / size)


class CouplingNet(nn.Module):
    """Bits to cells and back: keyed positions and signs, and a weight learned for each cell's reading."""

    owner: torch.Tensor
    sign: torch.Tensor

    def __init__(self, bits: int, bins: int, frames: int, width: int, key: int) -> None:
        super().__init__()
        rng = np.random.default_rng(key)
        hz = Stft().frequencies(RATE)
        used = np.flatnonzero(((hz >= _LOW_HZ) & (hz < _HIGH_HZ))[:, None] & np.ones((1, frames), bool))
        if used.size < bits:
            raise ValueError(f"{bits} bits do not fit into {used.size} cells")
        owner = np.full(bins * frames, bits, np.int64)
        owner[rng.permutation(used)] = np.arange(used.size) % bits
        sign = rng.choice(np.array([-1.0, 1.0]), size=(1, bins, frames))
        self.bits = bits
        self.register_buffer("owner", torch.from_numpy(owner))
        self.register_buffer("sign", torch.from_numpy(sign).float())
        self.fc_in = nn.Linear(5, width)
        self.fc_out = nn.Linear(width, 1)

    def spread(self, bits: torch.Tensor) -> torch.Tensor:
        """Message branch ``[batch, 2, bins, frames]`` of `bits` ``[batch, bits]``, 0 or 1."""
        values = torch.cat([2.0 * bits - 1.0, torch.zeros_like(bits[:, :1])], dim=1)
        cells = values[:, self.owner].view(len(bits), *self.sign.shape[1:]) * self.sign.to(values.dtype)
        return torch.stack([cells, torch.zeros_like(cells)], dim=1)

    def read(self, message: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        """Logits ``[batch, bits]`` (positive: 1) from both branches before the first block."""
        size = audio.square().sum(1, keepdim=True).clamp(min=1e-12).sqrt()
        smooth = nn.functional.avg_pool2d(size, (9, 3), 1, (4, 1), count_include_pad=False)
        seen = torch.cat([message, size, smooth, (size - smooth)], dim=1).movedim(1, -1)
        value = self.fc_out(nn.functional.leaky_relu(self.fc_in(seen), 0.2))[..., 0]
        # In mixed precision the sums over cells are not left to the short format.
        value = (value.to(message.dtype) * self.sign.to(message.dtype)).flatten(1)
        sums = value.new_zeros(len(value), self.bits + 1).index_add(1, self.owner, value)
        per_bit = max(1, int((self.owner < self.bits).sum()) // self.bits)
        return sums[:, : self.bits] / math.sqrt(per_bit)


class INNWatermarker(nn.Module):
    """An invertible network that conceals bits in audio and reads them through its inverse.

    Args:
        size: ``small`` or ``large``.
        bits: concealed in each stretch, at least 1; 2040 are one second's coded bits.
        length: of a stretch in samples at 44,100 Hz.
        key: seeds positions and signs of the cells, at least 0.

    Raises:
        ValueError: an unknown size, or more bits than cells between 500 Hz and 11 kHz.

    Example:
        >>> model = INNWatermarker(bits=64)
        >>> x = 0.1 * torch.randn(1, 44_100)
        >>> marked = model.embed(x, torch.ones(1, 64))
        >>> tuple(marked.shape), tuple(model.read(marked).shape)
        ((1, 44100), (1, 64))
    """

    def __init__(self, size: str = "small", bits: int = 2040, length: int = RATE, key: int = 0) -> None:
        super().__init__()
        if size not in SIZES:
            raise ValueError(f"size must be one of {', '.join(SIZES)}, not {size!r}")
        shape = SIZES[size]
        self.length = length
        self.stft = Spectrum()
        frames = self.stft.grid.frames(length)
        self.coupling_net = CouplingNet(bits, self.stft.grid.bins, frames, 2 * shape.growth, key)
        self.affine_coupling = nn.ModuleList(
            AffineCoupling(2, shape.growth, shape.layers, gain=0.3) for _ in range(shape.blocks)
        )

    @property
    def bits(self) -> int:
        """Bits in each stretch."""
        return self.coupling_net.bits

    def forward(self, spectrum: torch.Tensor, message: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Spectrum and message branch after all blocks.

        Args:
            spectrum: ``[batch, 2 (real, imaginary), bins, frames]``.
            message: the same shape.

        Returns:
            Both, of the same shape.
        """
        audio = compand(spectrum)
        for block in self.affine_coupling:
            audio, message = block(audio, message)
        return expand(audio), message

    def inverse(self, spectrum: torch.Tensor, message: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Spectrum and message branch before all blocks: the inverse of ``forward``.

        Args:
            spectrum: ``[batch, 2 (real, imaginary), bins, frames]`` after all blocks.
            message: the same shape.

        Returns:
            Both, of the same shape.
        """
        audio, message = self._undone(compand(spectrum), message)
        return expand(audio), message

    def _undone(self, audio: torch.Tensor, message: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Companded audio and message branch before all blocks."""
        for block in reversed(self.affine_coupling):
            audio, message = block.inverse(audio, message)  # type: ignore[operator]
        return audio, message

    def embed(self, x: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
        """Conceal bits in audio.

        Args:
            x: ``[batch, length]`` at 44,100 Hz, in [-1, 1].
            bits: ``[batch, bits]``, 0 or 1.

        Returns:
            The marked audio, of the shape of `x`.
        """
        marked, _ = self(self.stft(x), self.coupling_net.spread(bits.to(x.dtype)))
        return self.stft.inverse(marked, x.shape[-1])

    def read(self, x: torch.Tensor) -> torch.Tensor:
        """Read bits from audio alone.

        Args:
            x: ``[batch, length]`` at 44,100 Hz.

        Returns:
            Logits ``[batch, bits]``, positive for 1.
        """
        spectrum = self.stft(x)
        # Companded throughout: with a message of zeros the inverse may leave the range that sinh can hold.
        audio, message = self._undone(compand(spectrum), torch.zeros_like(spectrum))
        return self.coupling_net.read(message, audio)
