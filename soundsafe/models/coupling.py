"""Affine coupling of an audio and a message branch; the inverse is exact by construction."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["AffineCoupling", "DenseSubnet"]

_LOG_SCALE = 1.0


class DenseSubnet(nn.Module):
    """Densely connected 3 x 3 convolutions that keep the shape of their input.

    Each of `layers` convolutions adds `growth` channels and sees all before it; a 1 x 1 convolution narrows
    them to `growth`, and ``proj`` comes back to `channels`.

    Args:
        channels: of the input, at least 1.
        growth: channels that each layer adds, at least 1.
        layers: number of convolutions, at least 1.
        gain: scales the first ``proj``.

    Example:
        >>> tuple(DenseSubnet(2, 8, 2, 0.3)(torch.zeros(1, 2, 16, 4)).shape)
        (1, 2, 16, 4)
    """

    def __init__(self, channels: int, growth: int, layers: int, gain: float) -> None:
        super().__init__()
        self.dense = nn.ModuleList(
            nn.Conv2d(channels + i * growth, growth, 3, padding=1) for i in range(layers)
        )
        self.mix1x1 = nn.Conv2d(channels + layers * growth, growth, 1)
        self.proj = nn.Conv2d(growth, channels, 3, padding=1)
        with torch.no_grad():
            self.proj.weight.mul_(gain)
            nn.init.zeros_(self.proj.bias)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The image of a batch.

        Args:
            x: ``[batch, channels, bins, frames]``.

        Returns:
            The same shape.
        """
        for layer in self.dense:
            x = torch.cat([x, nn.functional.leaky_relu(layer(x), 0.2)], dim=1)
        mixed: torch.Tensor = self.proj(nn.functional.leaky_relu(self.mix1x1(x), 0.2))
        return mixed


class AffineCoupling(nn.Module):
    """One invertible block: ``a' = a + phi(m)``, then ``m' = m * exp(tanh(rho(a'))) + eta(a')``.

    The sub-networks are evaluated in both directions on the same values, so that the inverse needs neither
    iteration nor approximation (Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP", 2017).
    tanh holds every scale within 1/e and e.

    Args:
        channels: of both branches.
        growth: see `DenseSubnet`.
        layers: see `DenseSubnet`.
        gain: see `DenseSubnet`.

    Example:
        >>> block = AffineCoupling(2, 8, 2, 0.3).double()
        >>> a, m = torch.randn(2, 1, 2, 16, 4, dtype=torch.float64).unbind()
        >>> back = block.inverse(*block(a, m))
        >>> bool(torch.allclose(back[0], a) and torch.allclose(back[1], m))
        True
    """

    def __init__(self, channels: int, growth: int, layers: int, gain: float) -> None:
        super().__init__()
        self.phi = DenseSubnet(channels, growth, layers, gain)
        self.rho = DenseSubnet(channels, growth, layers, gain)
        self.eta = DenseSubnet(channels, growth, layers, gain)

    def forward(self, audio: torch.Tensor, message: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Both branches after the block.

        Args:
            audio: ``[batch, channels, bins, frames]``.
            message: the same shape.

        Returns:
            Audio and message branch, of the same shape.
        """
        audio = audio + self.phi(message)
        scale = torch.exp(_LOG_SCALE * torch.tanh(self.rho(audio)))
        return audio, message * scale + self.eta(audio)

    def inverse(self, audio: torch.Tensor, message: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Both branches before the block.

        Args:
            audio: ``[batch, channels, bins, frames]`` after the block.
            message: the same shape.

        Returns:
            Audio and message branch, of the same shape.
        """
        scale = torch.exp(_LOG_SCALE * torch.tanh(self.rho(audio)))
        message = (message - self.eta(audio)) / scale
        return audio - self.phi(message), message
