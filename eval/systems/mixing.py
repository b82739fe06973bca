"""Adding a mark to audio of another rate."""

from __future__ import annotations

import numpy as np

from soundsafe.aliases import Audio
from soundsafe.codecs import resample
from soundsafe.eval.systems.interface import Marked

__all__ = ["mixed_in"]


def mixed_in(audio: Audio, rate: int, mark: Audio, mark_rate: int) -> Marked:
    """`audio` with `mark` (one channel, or as many as the audio) added: its rate, length and band stay."""
    mark = resample(mark, mark_rate, rate)[:, : audio.shape[1]]
    out = audio.copy()
    out[:, : mark.shape[1]] += mark
    return Marked(np.clip(out, -1.0, 1.0))
