"""Where a change is heard, learned from the Zimtohrli distance.

Zimtohrli has no gradient. So the mark of single seconds is made larger and smaller at random in 60 blocks of
band and time, the distance is measured each time, and a small network learns which share of it each band and
frame has, from levels alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from soundsafe.aliases import Audio
from soundsafe.cells.code import CellCode
from soundsafe.cells.embedder import mark_block
from soundsafe.cells.masking import ANALYZER
from soundsafe.cells.profile import EUL_FRAMES
from soundsafe.cells.settings import QUALITIES
from soundsafe.distance.zimtohrli import distances
from soundsafe.message.coding import N
from soundsafe.models.steps import BANDS
from soundsafe.stft import RATE, istft, stft
from soundsafe.training.map_observations import level_db

__all__ = ["Hearing", "Trials", "fit_hearing", "listen"]

_EDGES = (0, 6, 9, 12, 15, 18, BANDS)
"""Bands at which the blocks begin."""

_PARTS = 10
"""Parts of a second."""

_SPREAD = 0.35
"""Standard deviation of the logarithm by which the mark of a block is scaled."""

_LEAST = 1e-7
"""Smallest distance that is learned from."""

_QUIETEST_DB, _DB = 80.0, 20.0


@dataclass(frozen=True)
class Trials:
    """Seconds and what changes of their mark did.

    `level` ``[n, 24, 100]`` in dB; `moves` ``[n, trials, 60]``, logarithms by which blocks were scaled;
    `distance` ``[n, trials]``, the logarithm of the distance.
    """

    level: torch.Tensor
    moves: torch.Tensor
    distance: torch.Tensor


def listen(clips: Sequence[Audio], trials: int = 100, seed: int = 0) -> Trials:
    """Measure how the distance follows changes of the mark.

    Args:
        clips: ``[channels, samples]`` at 44.1 kHz, at least three seconds each; two of them are used, of the
            mean of the channels.
        trials: for each second.
        seed: of bits and changes.
    """
    rng, code = np.random.default_rng(seed), CellCode()
    block_of_bin = np.searchsorted(_EDGES, ANALYZER.band_indices, "right") - 1
    levels, moves, found = [], [], []
    for clip in clips:
        mono = clip.mean(axis=0, keepdims=True)
        coded = rng.integers(0, 2, (mono.shape[1] // RATE, N)).astype(np.uint8)
        change = mark_block(mono, 0, coded, 0, code, QUALITIES["fast"]) - mono
        for second in (1, 2):
            x, d = (np.ascontiguousarray(a[0, second * RATE : (second + 1) * RATE]) for a in (mono, change))
            if len(x) < RATE or not d.any():
                continue
            spectrum = stft(torch.from_numpy(d))
            part = np.minimum(np.arange(spectrum.shape[-1]) * _PARTS // EUL_FRAMES, _PARTS - 1)
            log = rng.normal(0.0, _SPREAD, (trials, len(_EDGES) - 1, _PARTS))
            factors = torch.from_numpy(np.exp(log)[:, block_of_bin][:, :, part]).float()
            pairs = [(x, x + istft(spectrum * f, RATE).numpy()) for f in factors]
            far = distances(pairs, RATE)
            if not (np.isfinite(far).all() and far.min() > _LEAST):
                continue  # next to silence nothing is heard, and no distance is known
            levels.append(level_db(stft(torch.from_numpy(x))[:, :EUL_FRAMES], code))
            moves.append(torch.from_numpy(log.reshape(trials, -1)).float())
            found.append(torch.from_numpy(np.log(far)).float())
    return Trials(torch.stack(levels), torch.stack(moves), torch.stack(found))


class Hearing(nn.Module):
    """The share that each band and frame has of a second's distance.

    Args:
        channels: of both hidden layers.

    Example:
        >>> shares = Hearing()(20.0 * torch.randn(1, 24, 100)).exp()
        >>> round(float(shares.sum().detach()), 4)
        1.0
    """

    def __init__(self, channels: int = 8) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(2, channels, 5, padding=2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, channels, 5, padding=2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, 1, 3, padding=1),
        )
        self.bias = nn.Parameter(torch.zeros(BANDS))
        self.power = nn.Parameter(torch.tensor(1.7))

    def forward(self, level: torch.Tensor) -> torch.Tensor:
        """Logarithms of the shares ``[batch, 24, frames]``, of levels of that shape in dB."""
        near = (level - level.amax((1, 2), keepdim=True)).clamp(min=-_QUIETEST_DB) / _DB + 2.0
        band = torch.linspace(-1.0, 1.0, BANDS)[None, :, None].expand_as(near)
        log = self.net(torch.stack([near, band], dim=1))[:, 0] + self.bias[None, :, None]
        return log.flatten(1).log_softmax(1).view_as(log)

    def log_distance(self, level: torch.Tensor, moves: torch.Tensor) -> torch.Tensor:
        """Logarithm of the distance ``[n, trials]``, up to a constant, after `moves` ``[n, trials, 60]``."""
        share = self(level).exp().unflatten(-1, (_PARTS, -1)).sum(-1)
        blocks = torch.stack([share[:, a:b].sum(1) for a, b in itertools.pairwise(_EDGES)], dim=1)
        return (blocks.flatten(1)[:, None] * torch.exp(self.power * moves)).sum(-1).log()


def fit_hearing(trials: Trials, steps: int = 120, seed: int = 0) -> Hearing:
    """Fit shares to trials; few steps, since more learn the seconds by heart.

    Args:
        trials: of seconds to learn from.
        steps: of sixteen seconds each.
        seed: of weights and order.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Hearing()
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-4)
    for _ in range(steps):
        some = torch.from_numpy(rng.integers(0, len(trials.level), 16))
        missed = trials.distance[some] - model.log_distance(trials.level[some], trials.moves[some])
        loss = (missed - missed.mean(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval().requires_grad_(False)
