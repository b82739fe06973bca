"""A learned invertible map of the spectrum, in whose image the lattice of the cell layer lies.

Each critical band of each frame is divided by a factor that the levels around it decide. Odd frames decide
the factors of even ones; the even ones, as they are then, decide those of the odd ones. So the map is
inverted exactly, band by band, by the same factors (Dinh, Sohl-Dickstein and Bengio, "Density estimation
using Real NVP", 2017)::

    z_even = x_even exp(-g(levels of x_odd))        z_odd = x_odd exp(-h(levels of z_even))

The networks g and h begin at 0, so that an untrained map is the identity, and tanh holds every factor within
a bound; `shift`, the same for all, is set after training, so that marks are as far from the original as
without the map. A lattice of the same step in z is a larger or a smaller one in x: the map learns where a
step may be larger unheard, and where a codec leaves little.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

__all__ = ["BANDS", "MAP_SIZES", "StepMap", "read_map", "write_map"]

BANDS = 24
"""Critical bands of a frame."""

MAP_SIZES = {"small": (8, 2), "medium": (16, 3), "large": (24, 3)}
"""Channels and layers of each of both networks."""

_BOUND = 0.4
"""Largest logarithm of a factor: 3.5 dB."""

_AROUND = 17
"""Frames whose loudest band a level is relative to, so that gain does not count."""

_QUIETEST_DB, _DB = 80.0, 20.0
_PER_LOG = 20.0 / np.log(10.0)


class StepMap(nn.Module):
    """Factors of all bands and frames, and the map that they make.

    Args:
        size: of `MAP_SIZES`.
        fixed: bands whose factor is 1, because what lies in them is looked for before anything else is known.

    Raises:
        ValueError: an unknown size.

    Example:
        >>> level = 20.0 * torch.randn(1, 24, 100)
        >>> untrained = StepMap()
        >>> bool((untrained(level) == 0.0).all())
        True
    """

    free: torch.Tensor
    shift: torch.Tensor

    def __init__(self, size: str = "small", fixed: tuple[int, ...] = ()) -> None:
        super().__init__()
        if size not in MAP_SIZES:
            raise ValueError(f"size must be one of {', '.join(MAP_SIZES)}, not {size!r}")
        self.size, self.fixed = size, tuple(fixed)
        self.halves = nn.ModuleList(_half(*MAP_SIZES[size]) for _ in range(2))
        self.bias = nn.Parameter(torch.zeros(BANDS))
        free = torch.ones(BANDS)
        free[list(fixed)] = 0.0
        self.register_buffer("free", free)
        self.register_buffer("shift", torch.zeros(()))

    def forward(self, level: torch.Tensor) -> torch.Tensor:
        """Logarithms of the factors by which the map divides.

        Args:
            level: mean power of each band in dB ``[batch, 24, frames]``, up to a constant.

        Returns:
            ``[batch, 24, frames]``, within ±0.4, and the shift.
        """
        odd = (torch.arange(level.shape[-1], device=level.device) % 2).to(level.dtype)[None, None]
        of_even = self._factors(0, level, odd)
        return of_even + self._factors(1, level - _PER_LOG * of_even, 1.0 - odd)

    def inverse(self, level: torch.Tensor) -> torch.Tensor:
        """The same factors, of the levels of the map's image.

        Args:
            level: of what the map made, in dB ``[batch, 24, frames]``.

        Returns:
            Logarithms ``[batch, 24, frames]`` of the factors by which the inverse multiplies.

        Example:
            >>> level, trained = 20.0 * torch.randn(1, 24, 100), StepMap()
            >>> _ = torch.nn.init.normal_(trained.halves[0][-1].weight, std=0.1)
            >>> factors = trained(level)
            >>> bool(torch.allclose(trained.inverse(level - 20 / np.log(10) * factors), factors, atol=1e-3))
            True
        """
        odd = (torch.arange(level.shape[-1], device=level.device) % 2).to(level.dtype)[None, None]
        of_odd = self._factors(1, level, 1.0 - odd)
        return of_odd + self._factors(0, level + _PER_LOG * of_odd, odd)

    def _factors(self, which: int, level: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """Logarithms for the frames that are not `seen` ``[1, 1, frames]``, from those that are; else 0."""
        loudest = (level + (seen - 1.0) * 1e6).amax(1, keepdim=True)
        loudest = nn.functional.max_pool1d(loudest, _AROUND, 1, _AROUND // 2)
        near = ((level - loudest).clamp(min=-_QUIETEST_DB) / _DB + 2.0) * seen
        band = torch.linspace(-1.0, 1.0, BANDS, dtype=level.dtype, device=level.device)
        inputs = torch.stack([near, seen.expand_as(near), band[None, :, None].expand_as(near)], dim=1)
        raw = self.halves[which](inputs)[:, 0] + self.bias[None, :, None]
        factors = _BOUND * torch.tanh(raw / _BOUND) + self.shift
        return factors * self.free[None, :, None] * (1.0 - seen)


def _half(channels: int, layers: int) -> nn.Sequential:
    """Convolutions over bands and frames, whose last begins at 0."""
    parts: list[nn.Module] = []
    for i in range(layers - 1):
        parts += [nn.Conv2d(channels if i else 3, channels, 5, padding=2), nn.LeakyReLU(0.2)]
    last = nn.Conv2d(channels, 1, 3, padding=1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    return nn.Sequential(*parts, last)


def write_map(path: Path, model: StepMap, card: dict[str, object]) -> None:
    """Write weights and what is to be known of them.

    Args:
        path: ending in ``.npz``.
        model: without parametrizations.
        card: what JSON can hold: data, command, figures.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_map(Path(folder) / "map.npz", StepMap(), {"name": "untrained"})
        ...     read_map(Path(folder) / "map.npz")[1]["name"]
        'untrained'
    """
    about = {**card, "size": model.size, "fixed": list(model.fixed)}
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    np.savez_compressed(path, card=np.array(json.dumps(about)), **weights)


def read_map(path: Path) -> tuple[StepMap, dict[str, object]]:
    """The map in a file of `write_map`, and its card.

    Args:
        path: of the file.

    Returns:
        The map, ready to be used, and its card.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds something else.

    Example:
        >>> from importlib.resources import files
        >>> model, card = read_map(Path(str(files("soundsafe.models") / "steps.npz")))
        >>> model.size == card["size"]
        True
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            card = json.loads(str(file["card"]))
            model = StepMap(str(card["size"]), tuple(int(band) for band in card["fixed"]))
            model.load_state_dict({name: torch.from_numpy(file[name]) for name in model.state_dict()})
    except OSError:
        raise
    except Exception as error:  # whatever a damaged archive makes of zipfile, NumPy, JSON and torch
        raise ValueError(f"{path} is no model of `soundsafe train steps`: {error}") from None
    if not all(bool(torch.isfinite(value).all()) for value in model.state_dict().values()):
        raise ValueError(f"{path} holds weights that are not finite")
    return model.eval(), card
