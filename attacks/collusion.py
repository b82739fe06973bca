"""Several holders of copies that differ in their payload alone put them together."""

from __future__ import annotations

import numpy as np

from soundsafe.attacks.access import Access, within
from soundsafe.attacks.registry import Audio, attack

SNR_DB = 20.0


@attack(
    "adversarial",
    {f"collusion_average_{n}": {"copies": n, "snr_db": SNR_DB} for n in (2, 5, 10)},
    needs_access=True,
)
def average(
    audio: Audio, rate: int, rng: np.random.Generator, *, copies: int, snr_db: float, access: Access
) -> Audio:
    """The mean of `copies` copies, this one among them. Uses `copies`."""
    every = [audio, *access.copies(copies - 1)]
    mean: Audio = np.asarray(np.mean(every, axis=0, dtype=np.float64), dtype=np.float32)
    return within(audio, mean, snr_db)


@attack(
    "adversarial",
    {f"collusion_mosaic_{n}": {"copies": n, "piece_s": 0.05, "snr_db": SNR_DB} for n in (5, 10)},
    needs_access=True,
)
def mosaic(
    audio: Audio,
    rate: int,
    rng: np.random.Generator,
    *,
    copies: int,
    piece_s: float,
    snr_db: float,
    access: Access,
) -> Audio:
    """Each piece of `piece_s` seconds from a copy drawn by lot, with hard joints. Uses `copies`."""
    every = np.stack([audio, *access.copies(copies - 1)])
    length = max(1, round(piece_s * rate))
    chosen = rng.integers(copies, size=-(-audio.shape[1] // length))
    at = np.repeat(chosen, length)[: audio.shape[1]]
    return within(audio, every[at, :, np.arange(audio.shape[1])].T, snr_db)
