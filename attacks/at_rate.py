"""Attacks that are defined at one sample rate and in mono, applied to clips of any rate."""

from __future__ import annotations

from collections.abc import Callable

from soundsafe import codecs
from soundsafe.attacks.registry import Audio

__all__ = ["in_mono_at"]


def in_mono_at(
    audio: Audio, rate: int, own_rate: int, core: Callable[[Audio], Audio], *, keep_length: bool = True
) -> Audio:
    """`core` applied to the mean of the channels at `own_rate`, and back at `rate`.

    Args:
        audio: float32 `[channels, samples]`.
        rate: of `audio` and of the result, in samples per second.
        own_rate: what `core` is defined at.
        core: takes float32 `[1, samples]` at `own_rate`, returns the same with any number of samples.
        keep_length: the result is cut or padded at its end to the samples of `audio`.

    Returns:
        float32 `[1, samples]`. What lies above half of `own_rate` is gone; nothing is delayed but by `core`.
    """
    mixed = codecs.resample(audio.mean(axis=0, keepdims=True), rate, own_rate)
    back = codecs.resample(core(mixed), own_rate, rate)
    return codecs.fit_length(back, audio.shape[1]) if keep_length else back
