"""What a network does on audio it was not trained on, and how far its mark's instability has fallen.

*Start.* The stability loss's start is what the untrained network has, step 0, on these same seconds and bits.
`stability_share` is the ratio of both means; its interval resamples whole groups of seconds (clips).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.aliases import Floats
from soundsafe.models import INNWatermarker
from soundsafe.pipeline.features import magnitude, quantized_levels, quantized_thresholds
from soundsafe.pipeline.moore_glasberg import MooreGlasbergAnalyzer
from soundsafe.pipeline.parity import parity_frames
from soundsafe.pipeline.rules import ROBUST
from soundsafe.stft import Array
from soundsafe.training.config import PARITY_BYTES, TrainConfig
from soundsafe.training.losses import compute_slot_stability_loss

__all__ = ["STABLE", "evaluate", "frame_features", "share_of_start", "stabilities"]

STABLE = 0.05
"""The stability loss should fall to this share of its start."""

_RESAMPLES = 2000


def _marked(
    model: INNWatermarker, seconds: torch.Tensor, cfg: TrainConfig
) -> tuple[torch.Tensor, torch.Tensor]:
    """`seconds` with fixed random bits, and the bits."""
    rng = np.random.default_rng(cfg.seed + 1)
    bits = torch.from_numpy(rng.integers(0, 2, (len(seconds), cfg.bits)).astype(np.float32)).to(
        seconds.device
    )
    marked = torch.cat([model.embed(x[None], b[None]) for x, b in zip(seconds, bits, strict=True)])
    return marked, bits


def stabilities(
    model: INNWatermarker, seconds: torch.Tensor, cfg: TrainConfig, marked: torch.Tensor | None = None
) -> Floats:
    """The stability loss of each of `seconds` ``[n, 44100]``, ``[n]``; they are marked where they are not."""
    device = next(model.parameters()).device
    seconds = seconds.to(device)
    with torch.no_grad():
        if marked is None:
            marked, _ = _marked(copy.deepcopy(model).eval(), seconds, cfg)
        pairs = zip(seconds, marked, strict=True)
        return np.array([float(compute_slot_stability_loss(a[None], b[None], cfg, model)) for a, b in pairs])


def share_of_start(now: Floats, start: Floats, groups: Sequence[int]) -> tuple[float, float, float]:
    """The ratio of two means of the same seconds, and its 95 % interval.

    Args:
        now: stability losses, ``[n]``.
        start: those of step 0, ``[n]``.
        groups: of each second, ``[n]``: seconds of one group are drawn together.

    Returns:
        Share, lower and upper end; not a number where the start is 0.

    Example:
        >>> share_of_start(np.array([1.0, 1.0]), np.array([10.0, 10.0]), [0, 1])
        (0.1, 0.1, 0.1)
    """
    if not start.sum() > 0:
        return (float("nan"),) * 3
    labels, index = np.unique(np.asarray(groups), return_inverse=True)
    above, below = (np.bincount(index, x, len(labels)) for x in (now, start))
    drawn = np.random.default_rng(0).integers(0, len(labels), (_RESAMPLES, len(labels)))
    ratios = above[drawn].sum(1) / np.maximum(below[drawn].sum(1), 1e-12)
    low, high = np.quantile(ratios, (0.025, 0.975))
    return float(now.sum() / start.sum()), float(low), float(high)


def evaluate(
    model: INNWatermarker,
    seconds: torch.Tensor,
    cfg: TrainConfig,
    start: Floats,
    groups: Sequence[int] | None = None,
) -> list[dict[str, Any]]:
    """The row of seconds that are marked with fixed random bits and read as they are.

    Attacks are the bench's matter (``soundsafe-eval phases``). Computes where the model is; reads in
    ``cfg.decode_precision``.

    Args:
        model: the network.
        seconds: ``[n, 44100]``, float32.
        cfg: the run's configuration.
        start: the `stabilities` of the same seconds at step 0, ``[n]``.
        groups: of each second, for the interval; None: each by itself.

    Returns:
        One row: ``attack`` (none), ``seconds``, ``ber``, ``payload_ok`` (share of seconds that RS(255,191)
        would correct), ``snr_db`` (mean), ``stability``, ``stability_start``, ``stability_share`` with
        ``stability_share_low`` and ``_high``, and ``parity_frames`` (share of frames whose features are
        equal in all bands).
    """
    groups = range(len(seconds)) if groups is None else groups
    model = copy.deepcopy(model).eval()
    seconds = seconds.to(next(model.parameters()).device)
    with torch.no_grad():
        marked, bits = _marked(model, seconds, cfg)
        now = stabilities(model, seconds, cfg, marked)
        pairs = zip(seconds, marked, strict=True)
        parities = [parity_frames(frame_features(a, cfg), frame_features(b, cfg)) for a, b in pairs]
        noise = (marked - seconds).square().sum(1) + 1e-12
        snr = (10 * torch.log10(seconds.square().sum(1) / noise)).mean()
        received = marked
        if cfg.decode_precision == "fp64":
            model, received = model.double(), marked.double()
        wrong = torch.cat([model.read(x[None]) for x in received]) > 0
        wrong = wrong != (bits > 0.5)
    ok = wrong.unflatten(1, (-1, 8)).any(-1).sum(1) <= PARITY_BYTES // 2
    share, low, high = share_of_start(now, start, list(groups))
    return [
        {
            "attack": "none", "seconds": len(seconds), "ber": float(wrong.float().mean()),
            "payload_ok": float(ok.float().mean()), "snr_db": float(snr), "stability": float(now.mean()),
            "stability_start": float(start.mean()), "stability_share": share, "stability_share_low": low,
            "stability_share_high": high, "parity_frames": float(np.mean(parities)),
        }
    ]  # fmt: skip


def frame_features(x: Array, cfg: TrainConfig) -> NDArray[Any]:
    """The profile's features of every frame of a second ``[samples]``, ``[bands, frames]``.

    ``robust``: levels in whole steps of 3 dB; ``seed``: thresholds in steps of ``cfg.thr_step``.
    """
    analyzer, mag = MooreGlasbergAnalyzer(), magnitude(x)
    if cfg.profile == "seed":
        return quantized_thresholds(analyzer.band_thresholds(mag), cfg.thr_step)
    return quantized_levels(analyzer.band_levels_db(mag), ROBUST)
