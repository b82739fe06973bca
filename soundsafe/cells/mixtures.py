"""Which mixtures of channels carry a second, for embedder and detector alike.

In mono the one channel carries all. Otherwise three seconds of four mark the mean of all channels, and the
fourth each channel by itself::

    phase      0      1      2      3      0 ...
    marked   mean   mean   mean   each   mean ...

so that a downmix reads the first three and any single channel the last.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.aliases import Audio
from soundsafe.cells.profile import PHASES

__all__ = ["mix_channels", "mixed_by_phases", "mixtures"]


def mixtures(channels: int, phase: int) -> list[NDArray[np.float32]]:
    """The mixtures of channels that carry a second.

    Args:
        channels: how many the audio has, at least 1.
        phase: the second's number modulo `PHASES`.

    Returns:
        For each mixture the weights of the channels, ``[channels]``.

    Example:
        >>> [mix.tolist() for mix in mixtures(2, 0)], [mix.tolist() for mix in mixtures(2, 3)]
        ([[0.5, 0.5]], [[1.0, 0.0], [0.0, 1.0]])
    """
    if channels == 1 or phase < PHASES - 1:
        return [np.full(channels, 1.0 / channels, np.float32)]
    return list(np.eye(channels, dtype=np.float32))


def mix_channels(spectrum: torch.Tensor, mix: NDArray[np.float32]) -> torch.Tensor:
    """The mixture ``[bins, frames]`` of the channels of `spectrum` ``[channels, bins, frames]``.

    Args:
        spectrum: of all channels.
        mix: the weight of each, ``[channels]``, at least one not 0.
    """
    first, *others = np.flatnonzero(mix).tolist()
    mixed = spectrum[first] * float(mix[first])
    for channel in others:
        mixed.add_(spectrum[channel], alpha=float(mix[channel]))
    return mixed


def mixed_by_phases(audio: Audio) -> list[tuple[tuple[int, ...], list[Audio]]]:
    """All mixtures of `audio` ``[channels, samples]``, with the phases that they carry.

    Returns:
        Pairs of phases and of the signals ``[samples]`` that carry seconds of these phases.
    """
    together, apart = tuple(range(PHASES - 1)), (PHASES - 1,)
    if len(audio) == 1:
        return [(together + apart, [audio[0]])]
    return [(together, [audio.mean(axis=0)]), (apart, list(audio))]
