"""What an adversary has beside the audio, and the budget that attacks of an adversary keep to.

The bench hands an `Access` to attacks that say that they need one. Each lists in its docstring what of it it
uses; the key itself is never among it, except inside `gradient`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from soundsafe.aliases import Audio

__all__ = ["Access", "at_snr", "within"]


@dataclass(frozen=True)
class Access:
    """What an adversary has besides the audio under attack.

    All audio is float32 `[channels, samples]` at the rate of the audio under attack.

    Attributes:
        copies: the first n further copies of the audio, same key, each with a payload of its own.
        others: n other pieces of audio marked with the same key, of any length, as many channels.
        mark: marks audio with a key and payload of the adversary's own.
        ask: the detector with the right key, as an oracle: (whether it accepts, its score; NaN where the
            system has none).
        gradient: of a smooth measure of how well the detector reads the mark, by the audio's samples, which
            takes the key to compute; None where the system offers none.

    Example:
        >>> deaf = Access(
        ...     copies=lambda n: [],
        ...     others=lambda n: [],
        ...     mark=lambda audio: audio,
        ...     ask=lambda audio: (False, float("nan")),
        ... )
        >>> deaf.gradient is None
        True
    """

    copies: Callable[[int], list[Audio]]
    others: Callable[[int], list[Audio]]
    mark: Callable[[Audio], Audio]
    ask: Callable[[Audio], tuple[bool, float]]
    gradient: Callable[[Audio], Audio] | None = None


def at_snr(audio: Audio, change: Audio, snr_db: float) -> Audio:
    """Audio plus a change, the change scaled to an exact signal-to-noise ratio.

    Args:
        audio: float32 `[channels, samples]`.
        change: the same shape.
        snr_db: of the result, in dB.

    Returns:
        float32, the same shape; a copy of `audio` where the change is nothing.

    Example:
        >>> at_snr(np.ones((1, 3), np.float32), np.full((1, 3), 7.0, np.float32), 20.0)
        array([[1.1, 1.1, 1.1]], dtype=float32)
    """
    power = float(np.sum(change.astype(np.float64) ** 2))
    if power == 0:
        return audio.copy()
    wanted = float(np.sum(audio.astype(np.float64) ** 2)) * 10 ** (-snr_db / 10)
    return (audio + np.sqrt(wanted / power) * change).astype(np.float32)


def within(audio: Audio, candidate: Audio, snr_db: float) -> Audio:
    """A candidate, drawn towards the audio where it is further away than a signal-to-noise ratio allows.

    Args:
        audio: float32 `[channels, samples]`.
        candidate: the same shape.
        snr_db: the lowest allowed, in dB.

    Returns:
        float32, the same shape.

    Example:
        >>> within(np.ones((1, 2), np.float32), np.full((1, 2), 1.05, np.float32), 20.0)
        array([[1.05, 1.05]], dtype=float32)
        >>> within(np.ones((1, 2), np.float32), np.full((1, 2), 3.0, np.float32), 20.0)
        array([[1.1, 1.1]], dtype=float32)
    """
    change = candidate - audio
    power = float(np.sum(change.astype(np.float64) ** 2))
    allowed = float(np.sum(audio.astype(np.float64) ** 2)) * 10 ** (-snr_db / 10)
    return candidate.astype(np.float32) if power <= allowed else at_snr(audio, change, snr_db)
