"""Stereo whose channels are each other's opposite: the difference carries the mark where the mean is silent.

Some surround matrices, vocal removers and wiring faults make the right channel the left one upside down.
Three seconds of four are marked in the mean of the channels, which is nothing then; with the right channel
turned over it is the difference. The mark lies in what can be heard, and is gone from a downmix as the sound
is.
"""

from __future__ import annotations

import numpy as np

from soundsafe.aliases import Audio

__all__ = ["OPPOSED", "opposed", "turned"]

OPPOSED, _MAY_BE = 1e-4, 0.03
"""Power of the mean of two channels, over that of half their difference, below which they are opposite; and
below which they may have been before they were coded."""


def opposed(audio: Audio, after_coding: bool = False) -> bool:
    """Whether two channels are each other's opposite.

    Args:
        audio: ``[channels, samples]``.
        after_coding: allow for what lossy codecs add to the mean.

    Example:
        >>> left = np.sin(np.arange(100, dtype=np.float32))
        >>> opposed(np.stack([left, -left])), opposed(np.stack([left, left]))
        (True, False)
    """
    if len(audio) != 2:
        return False
    together = float(np.square(audio[0] + audio[1], dtype=np.float64).sum())
    apart = float(np.square(audio[0] - audio[1], dtype=np.float64).sum())
    return together < (_MAY_BE if after_coding else OPPOSED) * apart


def turned(audio: Audio) -> Audio:
    """``[channels, samples]`` with the second channel upside down."""
    return np.concatenate([audio[:1], -audio[1:2], audio[2:]])
