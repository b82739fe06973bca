"""How far marked audio is from the original, block by block."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from soundsafe.aliases import Audio
from soundsafe.distance.nmr import MaskedNoise, masked_noise
from soundsafe.distance.zimtohrli import changed_most, distances

__all__ = ["Difference", "compare"]

_STRETCH_S = 4
"""Seconds that are compared at a time: Zimtohrli's work grows with the square of that."""

_SILENCE = 1e-6
"""RMS (full scale 1) under which a second counts as silent."""


class Difference:
    """Running comparison of original and marked audio; the audio itself is not kept."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.power = self.noise = self.distance = 0.0
        self.samples = self.compared = 0
        self.masked = MaskedNoise()
        self.silent: list[int] = []

    def add(self, original: Audio, marked: Audio) -> None:
        """Two stretches of equal length, a whole number of seconds but for the last."""
        difference = marked - original
        self.power += float(np.sum(original.astype(np.float64) ** 2))
        self.noise += float(np.sum(difference.astype(np.float64) ** 2))
        first = self.samples // self.rate
        for i in range(original.shape[1] // self.rate):
            second = original[:, i * self.rate : (i + 1) * self.rate]
            if float(np.sqrt(np.mean(second.astype(np.float64) ** 2))) < _SILENCE:
                self.silent.append(first + i)
        stretches = []
        for at in range(0, original.shape[1], _STRETCH_S * self.rate):
            a, b = original[:, at : at + _STRETCH_S * self.rate], marked[:, at : at + _STRETCH_S * self.rate]
            if 2 * a.shape[1] >= self.rate:
                channel = changed_most(a, b)
                stretches.append((a[channel], b[channel]))
        for (a, b), distance in zip(stretches, distances(stretches, self.rate), strict=True):
            self.masked += masked_noise(a, b, self.rate)
            self.distance += len(a) * float(distance)
            self.compared += len(a)
        self.samples += original.shape[1]

    @property
    def zimtohrli(self) -> float:
        """Mean distance of the stretches that are long enough for one, each of the channel of whose sound the
        largest share was changed."""
        return self.distance / max(self.compared, 1)

    @property
    def nmr_db(self) -> float:
        """Noise-to-mask ratio of the same stretches; NaN where nothing differs."""
        return self.masked.db

    @property
    def snr_db(self) -> float:
        return (
            10.0 * float(np.log10(self.power / self.noise))
            if self.noise > 0 and self.power > 0
            else float("inf")
        )


def compare(originals: Iterable[Audio], marked: Iterable[Audio], rate: int) -> Difference:
    """The comparison of two streams of blocks ``[channels, samples]`` of equal shapes at `rate` Hz."""
    differ = Difference(rate)
    for a, b in zip(originals, marked, strict=True):
        differ.add(a, b)
    return differ
