"""To another sample rate and back (soxr): what lies above half the lower rate is lost."""

from __future__ import annotations

import numpy as np

from soundsafe import codecs
from soundsafe.attacks.registry import Audio, attack


@attack(
    "resample",
    {f"resample_{r}": {"through": r} for r in (96000, 48000, 32000, 24000, 22050, 16000, 11025, 8000)},
    differentiable=True,
    engine="soxr",
)
def resample(audio: Audio, rate: int, rng: np.random.Generator, *, through: int) -> Audio:
    """Through `through` samples per second; length and place are kept."""
    there = codecs.resample(audio, rate, through)
    return codecs.fit_length(codecs.resample(there, through, rate), audio.shape[1])
