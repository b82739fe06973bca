"""What happens to channels: mixed to one, or one of them alone."""

from __future__ import annotations

import numpy as np

from soundsafe.attacks.registry import Audio, attack


@attack("channels", {"downmix_mono": {}}, differentiable=True)
def downmix_mono(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """One channel: the mean of all."""
    return audio.mean(axis=0, keepdims=True)


@attack("channels", {"left_only": {"channel": 0}, "right_only": {"channel": 1}}, differentiable=True)
def one_channel(audio: Audio, rate: int, rng: np.random.Generator, *, channel: int) -> Audio:
    """One channel alone, as a mono file; mono audio stays as it is."""
    index = min(channel, len(audio) - 1)
    return audio[index : index + 1]
