"""AAC-LC by FFmpeg, with the real delay of the encoder."""

from __future__ import annotations

import numpy as np

from soundsafe import codecs
from soundsafe.attacks.registry import Audio, attack


def aac_delay(rate: int, channels: int, *, kbps: int) -> int:
    return codecs.coded_delay(rate, codecs.MPEG1_RATES, codecs.AAC_DELAY)


@attack(
    "aac",
    {f"aac_{kbps}": {"kbps": kbps} for kbps in (256, 192, 128, 96, 64, 48, 32)},
    changes_length=True,
    engine="FFmpeg aac (PyAV)",
    delay=aac_delay,
)
def aac(audio: Audio, rate: int, rng: np.random.Generator, *, kbps: int) -> Audio:
    """Mean bit rate in kbit/s."""
    return codecs.aac_roundtrip(audio, rate, kbps=kbps)
