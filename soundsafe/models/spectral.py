"""A bound on the spectral norm of chosen layers.

A convolution counts as the matrix ``[out, in x kernel]`` (Miyato and others, "Spectral normalization for
generative adversarial networks", 2018). A weight whose norm s exceeds `target` is scaled by target / s; one
below is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.utils import parametrize

__all__ = ["BoundedNorm", "bound_norms", "matched_layers"]

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)
_SETTLING = 30


class BoundedNorm(nn.Module):
    """Scales a weight so that its spectral norm, by power iteration, is at most a target.

    Args:
        weight: the weight as it is at the start, of two dimensions or more; it counts as the matrix
            ``[first, all others]``.
        target: largest norm, above 0.
        power_iter: iterations at each training step, at least 1.

    Example:
        >>> bound = BoundedNorm(torch.eye(3), target=0.5, power_iter=1)
        >>> torch.diagonal(bound(torch.eye(3))).tolist()
        [0.5, 0.5, 0.5]
    """

    u: torch.Tensor

    def __init__(self, weight: torch.Tensor, target: float, power_iter: int) -> None:
        super().__init__()
        self.target, self.power_iter = target, power_iter
        matrix = weight.detach().flatten(1)
        # The first left singular vector: power iteration starts settled and needs no random start.
        self.register_buffer("u", torch.linalg.svd(matrix, full_matrices=False).U[:, 0].clone())

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The weight, bounded.

        Args:
            weight: of the shape given at the start.

        Returns:
            The same shape; scaled by target / norm where the norm exceeds the target, else unchanged.
        """
        matrix = weight.flatten(1)
        with torch.no_grad():
            u = self.u
            for _ in range(self.power_iter if self.training else _SETTLING):
                v = nn.functional.normalize(matrix.T @ u, dim=0)
                u = nn.functional.normalize(matrix @ v, dim=0)
            if self.training:
                self.u.copy_(u)
            u, v = u.clone(), v.clone()
        norm = torch.dot(u, matrix @ v)
        return weight * (self.target / norm.clamp(min=self.target))


def bound_norms(
    module: nn.Module, patterns: Sequence[str], target: float = 1.2, power_iter: int = 1
) -> list[str]:
    """Bound the spectral norm of the linear and convolution layers whose names match.

    Args:
        module: whose layers are changed in place.
        patterns: regular expressions from the start of a layer's name, with ``/`` for the dot between levels.
        target: largest norm, above 0.
        power_iter: iterations at each training step, at least 1.

    Returns:
        Names of the layers that were bounded now, sorted.

    Raises:
        ValueError: a pattern that matches no such layer (nothing is changed then), or a target or number of
            iterations that is not positive.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> bound_norms(model, ["0", "2"], target=1.0)
        ['0', '2']
        >>> bool(torch.linalg.matrix_norm(model.eval()[0].weight, 2) <= 1.001)
        True
    """
    if not target > 0 or power_iter < 1:
        raise ValueError(f"target and power_iter must be positive, not {target} and {power_iter}")
    chosen = matched_layers(module, patterns)
    names = sorted(name for name, layer in chosen.items() if not parametrize.is_parametrized(layer))
    for name in names:
        weight = chosen[name].weight
        assert isinstance(weight, torch.Tensor)
        parametrize.register_parametrization(chosen[name], "weight", BoundedNorm(weight, target, power_iter))
    return names


def matched_layers(module: nn.Module, patterns: Sequence[str]) -> dict[str, nn.Module]:
    """Linear and convolution layers whose names match, bounded or not.

    Args:
        module: in which they lie.
        patterns: regular expressions from the start of a layer's name, with ``/`` for the dot between levels.

    Returns:
        The layers by name.

    Raises:
        ValueError: a pattern that matches none.

    Example:
        >>> list(matched_layers(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), [".*"]))
        ['0']
    """
    layers = {name: layer for name, layer in module.named_modules() if isinstance(layer, _LAYERS)}
    chosen: dict[str, nn.Module] = {}
    for pattern in patterns:
        matcher = re.compile(pattern.replace("/", r"\."))
        found = {name: layer for name, layer in layers.items() if matcher.match(name)}
        if not found:
            raise ValueError(f"the pattern {pattern!r} matches no layer")
        chosen |= found
    return chosen
