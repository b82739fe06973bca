"""The losses and metrics of one training step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from soundsafe.models import INNWatermarker
from soundsafe.pipeline.adaptive_bit_allocation import SCALE
from soundsafe.stft import RATE
from soundsafe.training.channel import ATTACKS, attack, channel_spectral_distortion
from soundsafe.training.config import PARITY_BYTES, TrainConfig
from soundsafe.training.losses import (
    GUESSED_LOSS,
    compute_slot_stability_loss,
    invertibility_loss,
    message_loss,
    perceptual_loss,
)
from soundsafe.training.schedules import PHASES, csd_scale, perceptual_weight, stability_weight

__all__ = ["compute_losses_and_metrics", "draw_bits"]

_PER_CENT = SCALE / 24 / 100.0


def draw_bits(batch: int, cfg: TrainConfig, rng: np.random.Generator) -> torch.Tensor:
    """Random coded bits ``[batch, bits]``, 0 or 1."""
    return torch.from_numpy(rng.integers(0, 2, (batch, cfg.bits)).astype(np.float32))


def compute_losses_and_metrics(
    model: INNWatermarker,
    x_1s: torch.Tensor,
    cfg: TrainConfig,
    payload_bits: torch.Tensor,
    epoch: float = 0.0,
    rngs: Sequence[np.random.Generator] | None = None,
) -> dict[str, torch.Tensor]:
    """Losses and metrics of one step of training.

    Args:
        model: the network.
        x_1s: seconds of audio, ``[batch, 44100]``.
        cfg: weights, schedules and channel.
        payload_bits: coded bits ``[batch, bits]``, 0 or 1.
        epoch: share of training done, 0 to 1.
        rngs: one for each second, to draw its channel; None: fixed by the configuration's seed.

    Returns:
        ``loss`` (the weighted sum, with a gradient; not a number where the network came apart),
        ``byte_loss``, ``perc``, ``inv``, ``stability`` (in its own units; the sum counts it in per cent of a
        band's mean significance, as far as the message is read), ``byte_acc`` (share of right bytes),
        ``payload_ok`` (share of seconds with at most 32 wrong bytes, which RS(255,191) puts right),
        ``w_stab`` and ``x_wm`` ``[batch, 44100]``.

    Example:
        >>> cfg = TrainConfig()
        >>> model, x = INNWatermarker(), 0.1 * torch.randn(1, 44_100)
        >>> result = compute_losses_and_metrics(model, x, cfg, torch.ones(1, cfg.bits))
        >>> result["loss"].requires_grad, tuple(result["x_wm"].shape), round(float(result["w_stab"]), 2)
        (True, (1, 44100), 0.05)
    """
    assert RATE == 44_100, f"the rate must be 44100, not {RATE}"
    assert model.stft.n_fft == 882, f"n_fft must be 882, not {model.stft.n_fft}"
    assert model.stft.hop_length == 441, f"the hop must be 441, not {model.stft.hop_length}"
    rngs = rngs or [np.random.default_rng((cfg.seed, i)) for i in range(len(x_1s))]
    x_wm = model.embed(x_1s, payload_bits)
    finite = bool(torch.isfinite(x_wm).all())
    if not finite:  # codecs and the allocator take numbers alone
        x_wm = torch.nan_to_num(x_wm, 0.0, 0.0, 0.0)
    received = [_channel(model, one[None], cfg, epoch, rng) for one, rng in zip(x_wm, rngs, strict=True)]
    logits = model.read(torch.cat(received))
    byte_loss = message_loss(logits, payload_bits)
    perc = perceptual_loss(x_1s, x_wm)
    inv = invertibility_loss(model, x_1s, payload_bits)
    stability = compute_slot_stability_loss(x_1s, x_wm, cfg, model)
    w_stab = stability_weight(cfg, epoch)
    loss = (
        cfg.w_msg * byte_loss
        + perceptual_weight(cfg, epoch) * perc
        + cfg.w_inv * inv
        + w_stab * _learnt(byte_loss) * stability / _PER_CENT
    )
    wrong = ((logits > 0) != (payload_bits > 0.5)).unflatten(1, (-1, 8)).any(-1)
    return {
        "loss": loss if finite else loss * math.nan,
        "byte_loss": byte_loss.detach(),
        "perc": perc.detach(),
        "inv": inv.detach(),
        "stability": stability.detach(),
        "byte_acc": 1.0 - wrong.float().mean(),
        "payload_ok": (wrong.sum(1) <= PARITY_BYTES // 2).float().mean(),
        "w_stab": torch.tensor(w_stab),
        "x_wm": x_wm.detach(),
    }


def _learnt(byte_loss: torch.Tensor) -> torch.Tensor:
    """How far the message is read, 0 for a reader who guesses to 1; without a gradient.

    Before anything is read the least stability loss is that of no mark at all, and no gradient leads back.
    """
    return (1.0 - byte_loss.detach() / GUESSED_LOSS).clamp(0.0, 1.0)


def _channel(
    model: INNWatermarker, x: torch.Tensor, cfg: TrainConfig, epoch: float, rng: np.random.Generator
) -> torch.Tensor:
    """One second ``[1, samples]`` through an attack, from phase B on, and the random channel."""
    if epoch >= PHASES["A"][1]:
        x = attack(x, ATTACKS[int(rng.integers(len(ATTACKS)))], rng)
    return channel_spectral_distortion(
        model, x, csd_scale(cfg, epoch), cfg.csd_feature_aware, rng, cfg.profile
    )
