"""A high-pass, found by what it has done to the pilots' phases, and undone.

A filter that runs forward in time turns phases: a Butterworth high-pass of fourth order at 500 Hz those of
1.2 kHz by 67 degrees, those of 2.8 kHz by 27. That leaves hardly a bit of a lattice. Pilots lie in cells that
the key alone names. Of some forty high-passes the one whose undoing brings them back is about the one that
was there. Its order hardly shows in their phases, but in the levels of what it took.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from soundsafe.aliases import Audio, Floats
from soundsafe.cells.code import CellCode
from soundsafe.cells.sync import pilots_near
from soundsafe.stft import RATE

__all__ = ["ORDERS", "FoundFilter", "HighPass", "find_high_pass", "without_high_pass"]

ORDERS = (4, 2, 1, 6, 8)
"""Orders of filters that are tried, the commonest first."""

_ORDER = ORDERS[0]
_LOWEST_HZ, _MOST_LOSS = 45.0, 20_000.0
"""Below this frequency nothing is made louder than at it, and nothing by more than this factor: what
rounding to 16 bit and the ends of a stretch leave there would become the loudest."""

_HZ = tuple(60.0 * 1.12**step for step in range(34))
_WIDTHS = (0.08, 0.04, 0.02, 0.01)
"""Frequencies that are tried, first at order 4, and by how much lower or higher ones after other orders."""

_CLEARLY, _HARDLY = 0.5, 0.3
"""By how much pilots must agree better without any filter, and without one of another order."""

_PAD = RATE // 10
"""Samples by which audio is continued on either side before its phases are turned."""

_SHIFTS = torch.arange(-24, 25) / 8.0
"""By how many samples the pilots may lie elsewhere once phases are undone."""


@dataclass(frozen=True)
class HighPass:
    """A Butterworth high-pass: its cut-off in Hz (0: none) and order."""

    hz: float = 0.0
    order: int = _ORDER

    def phases(self, hz: Floats) -> Floats:
        """By how many radians it turns frequencies ``[n]`` in Hz: the sum over its poles."""
        ratio = self.hz / np.maximum(hz, 1.0)
        out: Floats = np.arctan(ratio) if self.order % 2 else np.zeros(len(ratio))
        for damping in _dampings(self.order):
            out += np.arctan2(damping * ratio, 1.0 - ratio**2)
        return out

    def losses(self, hz: Floats) -> Floats:
        """By which factor it makes frequencies ``[n]`` in Hz quieter, as far as that may be undone."""
        ratio = self.hz / np.maximum(hz, _LOWEST_HZ)
        return np.minimum(np.sqrt(1.0 + ratio ** (2 * self.order)), _MOST_LOSS)

    def like(self, order: int) -> HighPass:
        """The filter of another order that turns phases far above its cut-off as much."""
        return HighPass(self.lead / HighPass(1.0, order).lead, order)

    @property
    def lead(self) -> float:
        """What `phases` are far above the cut-off, in radians times Hz."""
        return self.hz * (sum(_dampings(self.order)) + self.order % 2)


def _dampings(order: int) -> list[float]:
    """Of each pair of poles of a Butterworth filter: twice the real part, for a cut-off of 1."""
    return [2.0 * math.sin(math.pi * (2 * pair + 1) / (2 * order)) for pair in range(order // 2)]


@dataclass(frozen=True)
class _Transformed:
    """Audio ``[channels, samples]``, continued on either side by `pad` samples, and its transform."""

    audio: Audio
    pad: int
    wide: int
    transform: NDArray[np.complex64]

    @classmethod
    def of(cls, audio: Audio) -> _Transformed:
        """The transform of `audio`."""
        pad = min(_PAD, audio.shape[1] - 1)
        wide = next_fast_len(audio.shape[1] + 2 * pad, real=True)
        padded = np.pad(audio, ((0, 0), (pad, wide - audio.shape[1] - pad)), mode="reflect")
        return cls(audio, pad, wide, rfft(padded))

    def without(self, which: HighPass, levels: bool) -> Audio:
        """The audio with the phases of a filter undone, and what it did to levels too."""
        if not which.hz:
            return self.audio
        turned = irfft(self.transform * _inverse(which, self.wide, levels), self.wide)
        return np.ascontiguousarray(turned[:, self.pad : self.pad + self.audio.shape[1]])


@lru_cache(maxsize=64)
def _inverse(which: HighPass, samples: int, levels: bool) -> NDArray[np.complex64]:
    """What undoes a filter in the transform of so many samples."""
    hz = np.asarray(np.arange(samples // 2 + 1) * (RATE / samples), np.float64)
    turn = np.exp(-1j * which.phases(hz))
    return (turn * which.losses(hz) if levels else turn).astype(np.complex64)


def without_high_pass(audio: Audio, which: HighPass, levels: bool = True) -> Audio:
    """`audio` ``[channels, samples]`` as it was before a high-pass, as far as it has left anything; without
    `levels` its phases alone."""
    return _Transformed.of(audio).without(which, levels)


@dataclass(frozen=True)
class FoundFilter:
    """A filter `which`; `z` of the pilots once its phases are undone, and by how many samples they then lie
    later."""

    z: float
    shift: float
    which: HighPass


def find_high_pass(
    audio: Audio, start: int, phase: int, code: CellCode, before: HighPass | None = None
) -> FoundFilter:
    """The high-pass that a second has gone through, by what it did to phases.

    Args:
        audio: ``[channels, samples]`` at 44.1 kHz.
        start: sample of it at which the second begins, give or take three.
        phase: the second's number modulo `PHASES`.
        code: key and profile.
        before: that of a second before it.

    Returns:
        The one without whose phases pilots agree best.
    """

    transformed = _Transformed.of(audio)

    def tried(filters: Iterable[HighPass]) -> list[FoundFilter]:
        out = []
        for which in filters:
            sums = pilots_near(transformed.without(which, levels=False), start, phase, _SHIFTS, code)
            best = int(sums.argmax())
            out.append(FoundFilter(float(sums[best]), float(_SHIFTS[best]), which))
        return out

    def best(found: FoundFilter, filters: Iterable[HighPass], least: float = 0.0) -> FoundFilter:
        other = max(tried(filters), key=lambda each: each.z, default=found)
        return other if other.z > found.z + least else found

    first = tried([HighPass()])[0]
    if before is not None:
        return best(first, [before])
    found = best(first, (HighPass(hz) for hz in _HZ), _CLEARLY)
    if not found.which.hz:
        return found
    found = best(found, (found.which.like(order) for order in ORDERS[1:]), _HARDLY)
    for width in _WIDTHS:
        hz, order = found.which.hz, found.which.order
        found = best(found, (HighPass(hz * factor, order) for factor in (1.0 - width, 1.0 + width)))
    return found
