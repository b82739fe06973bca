"""Echoes, found in the audio alone and undone.

An echo of gain g after d samples multiplies the spectrum by 1 + g exp(-i w d), whose logarithm adds g to the
cepstrum at quefrency d (Bogert, Healy and Tukey, Symp. Time Series Analysis 1963). Averaged over some seconds
that stands far above what music has of its own there. Its inverse is exact: x[n] = y[n] - g x[n - d].
Several echoes are undone one after the other, the loudest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from soundsafe.aliases import Audio
from soundsafe.cells.code import CellCode
from soundsafe.cells.detector import Detection, detect
from soundsafe.cells.settings import REPEATED
from soundsafe.message.container import Tally
from soundsafe.stft import RATE

__all__ = ["Echo", "find_echoes", "read_echoed", "undo_echo", "undo_echoes"]

_WINDOW = 1 << 17
_LEAST_WINDOW = 1 << 15
_BAND_HZ = (200.0, 16_000.0)
_SMOOTH_HZ = 400.0
"""The spectrum's own shape, taken out first."""

_DELAYS_S = (0.003, 1.2)
"""Shorter ones are equalisers: `soundsafe.cells.equaliser`. Longer ones do not fit the window."""

_FLOOR_SAMPLES = 2001
_LEAST = ((12.0, 0.04), (6.5, 0.12))
"""Height in the cepstrum over the mean round it, and height itself: one pair of both makes a candidate."""

_NOTHING = 1e-15
"""Power of a window's strongest bin (full scale: some 1e9) under which it holds rounding alone."""

_MOST_GAIN = 0.95
_CANDIDATES, _MOST_ECHOES, _REFINED = 3, 4, 8
_LOOK_S = 16.0
_HELPED = 1.5
"""By how much the pilots must agree better for another echo to be looked for after one that was undone."""


@dataclass(frozen=True)
class Echo:
    """The audio once more, `delay` samples later at 44.1 kHz, times `gain`."""

    delay: int
    gain: float


def _cepstrum(audio: Audio) -> tuple[NDArray[np.complex128], int] | None:
    """The mean cepstrum of `audio`, whose real part is signed, and the size of its windows."""
    samples = audio.shape[1]
    size = _WINDOW
    while size > samples and size > _LEAST_WINDOW:
        size //= 2
    if size > samples:
        return None
    window = np.hanning(size).astype(np.float32)
    low, high = (round(hz * size / RATE) for hz in _BAND_HZ)
    total, count = np.zeros(high - low), 0
    for start in range(0, samples - size + 1, size // 2):
        for channel in audio[:, start : start + size]:
            power = np.abs(scipy.fft.rfft(channel * window)[low:high]) ** 2
            if power.max() < _NOTHING:
                continue
            total += np.log(power + 1e-9 * power.max())
            count += 1
    if not count:
        return None
    total /= count
    total -= uniform_filter1d(total, max(3, round(_SMOOTH_HZ * size / RATE)))
    taper = np.hanning(len(total))
    quefrency = np.arange(size // 2 + 1)
    turned = scipy.fft.rfft(total * taper, n=size) * np.exp(-2j * np.pi * low * quefrency / size)
    return turned / taper.sum(), size


def find_echoes(audio: Audio) -> list[Echo]:
    """The echoes that stand out in ``[channels, samples]`` at 44.1 kHz, loudest first.

    Music that repeats exactly has some of its own.
    """
    found = _cepstrum(audio)
    if found is None:
        return []
    cepstrum, size = found
    height = np.abs(cepstrum)
    z = height / np.maximum(uniform_filter1d(height, _FLOOR_SAMPLES), 1e-12)
    z[: round(_DELAYS_S[0] * RATE)] = 0.0
    z[min(round(_DELAYS_S[1] * RATE), round(0.4 * size)) :] = 0.0
    plain = [(z >= least_z) & (height >= least) for least_z, least in _LEAST]
    height[~np.any(plain, axis=0)] = 0.0
    out: list[Echo] = []
    while len(out) < _CANDIDATES:
        at = int(height.argmax())
        if not height[at]:
            break
        out.append(Echo(at, _gain(cepstrum, size, at)))
        height[max(0, at - 20) : at + 21] = 0.0
    return out


def _gain(cepstrum: NDArray[np.complex128], size: int, delay: int) -> float:
    """The gain at `delay`: windows see less of what came long before."""
    gain = float(cepstrum[delay].real) / (1.0 - delay / size)
    return float(np.clip(gain, -_MOST_GAIN, _MOST_GAIN))


def undo_echo(audio: Audio, echo: Echo) -> Audio:
    """`audio` ``[channels, samples]`` without the echo."""
    return np.concatenate(list(undo_echoes([audio], [echo])), axis=1)


def _refined(audio: Audio, echo: Echo) -> Echo:
    """`echo` with the gain that leaves nothing of it."""
    for _ in range(_REFINED):
        found = _cepstrum(undo_echo(audio, echo))
        if found is None:
            break
        rest = _gain(*found, echo.delay)
        echo = replace(echo, gain=float(np.clip(echo.gain + rest, -_MOST_GAIN, _MOST_GAIN)))
        if abs(rest) < 2e-3:
            break
    return echo


def undo_echoes(blocks: Iterable[Audio], echoes: Sequence[Echo]) -> Iterator[Audio]:
    """A stream of blocks without the echoes, which are undone in the order given."""
    for echo in echoes:
        blocks = _without(blocks, echo)
    yield from blocks


def _without(blocks: Iterable[Audio], echo: Echo) -> Iterator[Audio]:
    before: Audio | None = None
    for block in blocks:
        if before is None:
            before = np.zeros((len(block), echo.delay), np.float32)
        out = np.concatenate([before, block], axis=1)
        for start in range(echo.delay, out.shape[1], echo.delay):
            end = min(start + echo.delay, out.shape[1])
            out[:, start:end] -= np.float32(echo.gain) * out[:, start - echo.delay : end - echo.delay]
        before = out[:, out.shape[1] - echo.delay :]
        yield out[:, echo.delay :]


def read_echoed(
    audio: Audio, score: float, code: CellCode, tally: Tally
) -> tuple[Detection, list[Echo]] | None:
    """The mark in audio from which echoes are taken.

    Args:
        audio: ``[channels, samples]`` at 44.1 kHz.
        score: how well pilots agree in the audio as it is.
        code: key and profile.
        tally: to which all attempts are added.

    Returns:
        What was read, and the echoes undone for it; None where nothing is read.
    """
    echoes: list[Echo] = []
    while len(echoes) < _MOST_ECHOES:
        best: tuple[float, Echo] | None = None
        for candidate in find_echoes(audio):
            echo = _refined(audio[:, : round(_LOOK_S * RATE)], candidate)
            found = detect([undo_echo(audio, echo)], code, REPEATED)
            tally.add(found.bound)
            if found.payload is not None:
                return found, [*echoes, echo]
            if best is None or found.score > best[0]:
                best = found.score, echo
        if best is None or best[0] < score + _HELPED:
            return None
        score = best[0]
        echoes.append(best[1])
        audio = undo_echo(audio, best[1])
    return None
