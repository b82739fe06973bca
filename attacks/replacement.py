"""Replacing what repeats itself: each block from the blocks that are most like it. Needs the audio alone."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from soundsafe.attacks.registry import Audio, attack

if TYPE_CHECKING:
    import torch

    from soundsafe.stft import Stft

_BINS = 8
_ATOMS = 3


@cache
def _grid() -> Stft:
    from soundsafe.stft import Stft

    return Stft(2048, 1024)


@attack(
    "adversarial",
    {f"replace_{db}dB": {"snr_db": float(db)} for db in (20, 15, 10, 5)},
)
def replace(audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float) -> Audio:
    """Every block of 8 bins of a frame becomes the best mixture of the 3 blocks elsewhere in the clip that
    are most like it, or goes towards it as far as `snr_db` of that block allows.

    After Kirovski and Petitcolas, "Blind pattern matching attack on watermarking systems", IEEE Trans. Signal
    Process. 51(4), 2003. A mark that differs from block to block does not come along.
    """
    import torch

    whole = _grid().whole_hops(audio)
    spectrum = _grid().forward(whole)
    channels, bins, frames = spectrum.shape
    if frames < _ATOMS + 4:
        return audio.copy()
    bands = bins // _BINS
    body = spectrum[:, : bands * _BINS].reshape(channels * bands, _BINS, frames).transpose(1, 2)
    body = body.to(torch.complex128)  # [bands, frames, bins of a block]
    # One band at a time: all pairs of frames of all bands would be as much as a minute's audio squared.
    new = torch.stack([_replaced(band, snr_db) for band in body])
    out = spectrum.clone()
    out[:, : bands * _BINS] = new.transpose(1, 2).reshape(channels, bands * _BINS, frames).to(spectrum.dtype)
    return _grid().inverse(out, whole.shape[1]).numpy()[:, : audio.shape[1]]


def _replaced(body: torch.Tensor, snr_db: float) -> torch.Tensor:
    """The blocks ``[frames, bins of a block]`` of one band, each replaced."""
    import torch

    frames = len(body)
    unit = body / body.abs().square().sum(-1, keepdim=True).sqrt().clamp_min(1e-12)
    alike = (unit @ unit.mH).abs()
    apart = torch.arange(frames)
    alike[(apart[:, None] - apart[None]).abs() < 2] = -1.0  # overlapping frames share samples
    best = alike.topk(_ATOMS, dim=-1).indices
    atoms = unit[best]
    gram = atoms.conj() @ atoms.mT + 1e-9 * torch.eye(_ATOMS, dtype=atoms.dtype)
    weights = torch.linalg.solve(gram, (atoms.conj() @ body[..., None]))
    change = (atoms.mT @ weights)[..., 0] - body
    power = body.abs().square().sum(-1, keepdim=True)
    moved = change.abs().square().sum(-1, keepdim=True).clamp_min(1e-24)
    share = (10 ** (-snr_db / 10) * power / moved).sqrt()
    return body + change * share.clamp(max=1.0)
