"""What an attack left of the sound: the audio before it against the audio after it.

A watermark may well be gone where nothing is left to listen to: these figures tell a useless attack from a
useful one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundsafe.aliases import Audio
from soundsafe.distance.zimtohrli import distances
from soundsafe.eval.metrics.registry import metric
from soundsafe.eval.rows import NAN

__all__ = ["attacked_zimtohrli", "both_have", "si_snr_db"]


def both_have(before: Audio, after: Audio, delay: int) -> tuple[Audio, Audio]:
    """The samples that audio before and after an attack have in common.

    Args:
        before: ``[channels, samples]``.
        after: likewise; where it has another number of channels, the mean of both is taken.
        delay: samples by which `after` is later, negative where the beginning was cut.

    Returns:
        Two arrays of one shape, without samples where nothing is common.

    Example:
        >>> a, b = both_have(np.array([[1.0, 2.0, 3.0]]), np.array([[0.0, 1.0, 2.0]]), 1)
        >>> a.tolist(), b.tolist()
        ([[1.0, 2.0]], [[1.0, 2.0]])
    """
    if len(before) != len(after):
        before, after = (x.mean(axis=0, keepdims=True) for x in (before, after))
    a, b = before[:, max(0, -delay) :], after[:, max(0, delay) :]
    length = min(a.shape[1], b.shape[1])
    return a[:, :length], b[:, :length]


@metric("attacked_si_snr_db", unit="dB", better="as stated", level="attack")
def si_snr_db(before: Audio, after: Audio) -> float:
    """Scale-invariant ratio of the audio before an attack to what the attack changed, all channels together.

    Le Roux et al. (2019), "SDR: half-baked or well done?", without taking the mean off. NaN for audio that
    changed in level alone, and for silence.

    Args:
        before: ``[channels, samples]``.
        after: likewise, of the same shape and in step.
    """
    a, b = (np.asarray(x, np.float64) for x in (before, after))
    power = float((a**2).sum())
    if not power:
        return NAN
    kept = float((a * b).sum()) / power * a
    signal, noise = float((kept**2).sum()), float(((b - kept) ** 2).sum())
    return float(10 * np.log10(signal / noise)) if signal > 0 and noise > 0 else NAN


@metric(
    "attacked_zimtohrli",
    unit="distance, of the mean of the channels",
    better="as stated",
    level="attack",
    costly=True,
)
def attacked_zimtohrli(before: Audio, after: Audio, rate: int) -> float:
    """Zimtohrli's distance between the audio before an attack and after it, of the mean of the channels.

    NaN below half a second.

    Args:
        before: ``[channels, samples]``.
        after: likewise, of the same shape and in step.
        rate: samples per second.
    """

    def mean(x: Audio) -> NDArray[np.float32]:
        return np.ascontiguousarray(x.mean(axis=0), np.float32)

    return float(distances([(mean(before), mean(after))], rate)[0])
