"""What a network does on audio it was not trained on: one row for each attack."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch

from soundsafe.models import INNWatermarker
from soundsafe.pipeline.features import magnitude, quantized_thresholds
from soundsafe.pipeline.moore_glasberg import MooreGlasbergAnalyzer
from soundsafe.pipeline.parity import parity_frames
from soundsafe.training.channel import ATTACKS, attack
from soundsafe.training.config import PARITY_BYTES, TrainConfig
from soundsafe.training.losses import compute_slot_stability_loss

__all__ = ["evaluate"]


def evaluate(model: INNWatermarker, seconds: torch.Tensor, cfg: TrainConfig) -> list[dict[str, Any]]:
    """Rows of `seconds` ``[n, 44100]`` marked with fixed random bits and read after each attack.

    Each has ``attack``, ``ber``, ``payload_ok`` (share of seconds that RS(255,191) would correct), and, of
    original against marked audio and so alike in all rows, ``snr_db`` (mean), ``stability`` and
    ``parity_frames``. Computes where the model is; reads in ``cfg.decode_precision``.
    """
    rng = np.random.default_rng(cfg.seed + 1)
    bits = torch.from_numpy(rng.integers(0, 2, (len(seconds), cfg.bits)).astype(np.float32))
    model = copy.deepcopy(model).eval()
    device = next(model.parameters()).device
    seconds, bits = seconds.to(device), bits.to(device)
    with torch.no_grad():
        marked = torch.cat([model.embed(x[None], b[None]) for x, b in zip(seconds, bits, strict=True)])
        stability = float(compute_slot_stability_loss(seconds, marked, cfg, model))
        parities = [
            parity_frames(_features(a, cfg), _features(b, cfg)) for a, b in zip(seconds, marked, strict=True)
        ]
        noise = (marked - seconds).square().sum(1) + 1e-12
        shared = {
            "snr_db": float((10 * torch.log10(seconds.square().sum(1) / noise)).mean()),
            "stability": stability,
            "parity_frames": float(np.mean(parities)),
        }
        if cfg.decode_precision == "fp64":
            model = model.double()
        rows = []
        for name in ATTACKS:
            received = attack(marked, name, rng)
            if cfg.decode_precision == "fp64":
                received = received.double()
            logits = torch.cat([model.read(x[None]) for x in received])
            wrong = (logits > 0) != (bits > 0.5)
            ok = wrong.unflatten(1, (-1, 8)).any(-1).sum(1) <= PARITY_BYTES // 2
            ber = float(wrong.float().mean())
            rows.append({"attack": name, "ber": ber, "payload_ok": float(ok.float().mean()), **shared})
    return rows


def _features(x: torch.Tensor, cfg: TrainConfig) -> Any:
    return quantized_thresholds(MooreGlasbergAnalyzer().band_thresholds(magnitude(x)), cfg.thr_step)
