"""Opus by libopus, in Ogg, through 48 kHz."""

from __future__ import annotations

import numpy as np

from soundsafe import codecs
from soundsafe.attacks.registry import Audio, attack


@attack(
    "opus",
    {f"opus_{kbps}": {"kbps": kbps} for kbps in (192, 128, 96, 64, 48, 32, 16)},
    changes_length=True,
    engine="libopus (PyAV)",
)
def opus(audio: Audio, rate: int, rng: np.random.Generator, *, kbps: int) -> Audio:
    """Target bit rate in kbit/s."""
    return codecs.opus_roundtrip(audio, rate, kbps=kbps)


@attack(
    "opus_low",
    {f"opus_{kbps}": {"kbps": kbps} for kbps in (12, 8, 6)},
    changes_length=True,
    engine="libopus (PyAV)",
)
def opus_low(audio: Audio, rate: int, rng: np.random.Generator, *, kbps: int) -> Audio:
    """Target bit rates that are meant for speech, where Opus predicts and narrows the band: some samples of
    delay come with it."""
    return codecs.opus_roundtrip(audio, rate, kbps=kbps)
