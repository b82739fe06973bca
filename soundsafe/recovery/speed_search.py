"""Finding a change of speed by the cell layer's pilots alone, for audio that carries no other layer.

Speed by resampling keeps the waveform, but moves a pilot off its lattice where it is undone no better than to
some 10^-4 over a third of a second. A transform of a short stretch, undone in coarse steps, stays good for
finer ones: those only move where in it each frame is read, so they cost a slice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.aliases import Audio, Floats
from soundsafe.cells.code import CellCode
from soundsafe.cells.profile import EUL_FRAMES, PATTERNS, PHASES, PILOT_PERIOD
from soundsafe.cells.sync import (
    DECIMATION,
    GRID_SHIFTS,
    GRID_STARTS,
    decimate,
    patterns,
    signs_by_residue,
    soft_cosines,
)
from soundsafe.recovery.speed import resample_by
from soundsafe.stft import HOP, RATE

__all__ = ["STRETCHES", "SURE_Z", "SpeedLock", "fit_speeds", "pilot_scores", "search_speed"]

REACH = 0.055
"""Largest change of speed that is looked for."""

_COARSE = 1e-3
"""Wider steps lose marks: stretches undone too little by 5e-4 show a fifth less of the pilots already."""
_FINE = 1.6e-4
_LOOK_S, _CONFIRM_S = 0.36, 0.75
_KEPT = 8
_APART_S = 1.5
"""Between the stretches looked at: no two of them lie in seconds that mark each channel by itself."""

STRETCHES = 3
"""Stretches that are looked at, at most, where no other number is asked for."""

SURE_Z = 8.0
"""No further stretch is looked at, and near a known speed no other polarity."""


@dataclass(frozen=True)
class SpeedLock:
    """Audio played `factor` times as fast. `z`: how well the pilots agree in a stretch, once that is undone;
    `tried`: how many hypotheses it is the best of."""

    factor: float
    z: float
    tried: int


def _cosines(mono: Audio, code: CellCode) -> torch.Tensor:
    """Cosines ``[PATTERNS, pilots, samples]`` of the pilots, read with a frame's middle at each sample that
    decimated audio had."""
    starts = [start // DECIMATION for start in GRID_STARTS]
    length = len(mono) - starts[-1]
    rows = torch.from_numpy(np.stack([mono[start : start + length] for start in starts]))
    # [starts, frames, PATTERNS, pilots, shifts], and in memory already as it is asked for.
    every = soft_cosines(rows, GRID_SHIFTS, code, DECIMATION)
    return every.permute(2, 3, 1, 0, 4).reshape(*every.shape[2:4], -1)


def pilot_scores(
    mono: Audio, deltas: NDArray[np.floating], frames: int, code: CellCode
) -> Iterator[NDArray[np.float32]]:
    """z ``[PATTERNS, PILOT_PERIOD / PATTERNS, HOP]`` of all phases and positions, for each of `deltas`, were
    the audio still that much too fast.

    `mono`: decimated. Entry ``[residue, row, shift]``: `frames` frames, of which the first lies at sample
    ``HOP + shift`` of the audio before, and is frame ``residue + PATTERNS row`` of the period.
    """
    cosines = _cosines(mono, code)
    signs = signs_by_residue(0, frames, tuple(range(PHASES)), code).numpy()
    frame = torch.arange(frames)
    # All stretches of a frame, one after the other: rows are copied whole and already in order.
    pilots, length = cosines.shape[1:]
    row = patterns(0, frames)[:, :, None] * pilots + torch.arange(pilots)
    stretches = cosines.reshape(-1).unfold(0, HOP, 1)
    for at in HOP + (HOP * frame / (1.0 + torch.from_numpy(deltas)[:, None])).round().long():
        read = stretches.index_select(0, (row * length + at[:, None]).reshape(-1))
        # NumPy's product of such slim matrices takes two thirds of torch's time.
        yield np.matmul(signs, read.reshape(PATTERNS, -1, HOP).numpy())


def fit_speeds(mono: Audio, deltas: NDArray[np.floating], frames: int, code: CellCode) -> tuple[Floats, int]:
    """Best z ``[deltas]`` over all positions and phases, were the decimated audio still that much too
    fast."""
    best = [float(scores.max()) for scores in pilot_scores(mono, deltas, frames, code)]
    return np.array(best), len(deltas) * PILOT_PERIOD * HOP


def _stretch(mono: Audio, middle: int, seconds: float, factor: float) -> Audio:
    """`seconds` around sample `middle`, all of it decimated, as they were before they were played `factor`
    times as fast."""
    half = round((seconds / 2 + 2 / EUL_FRAMES) * RATE / DECIMATION / factor)
    low = max(0, min(middle - half, len(mono) - 2 * half))
    return resample_by(mono[None, low : low + 2 * half], factor)[0]


def search_speed(
    audio: Audio,
    code: CellCode,
    around: float = 1.0,
    reach: float = REACH,
    stretches: int = STRETCHES,
) -> SpeedLock | None:
    """The likeliest speed of some audio.

    Looks at stretches of the mean of all channels until one is sure: speech pauses.

    Args:
        audio: ``[channels, samples]`` at 44.1 kHz.
        code: key and profile.
        around: the middle of the factors that are tried.
        reach: how far from it they lie.
        stretches: how many are looked at, at most: the middle one, one near it, one in the first half where
            there are eight seconds, and all beyond these three spread over the whole.

    Returns:
        None where the audio is too short.
    """
    if audio.shape[1] < 1.1 * _CONFIRM_S * RATE:
        return None
    mono = decimate(audio.mean(axis=0))
    center = len(mono) // 2
    spots = [center, center + round(_APART_S * RATE / DECIMATION)]
    spots += [center // 3] if audio.shape[1] >= 8 * RATE else []
    spread = max(stretches - STRETCHES, 0)
    spots += [len(mono) * (2 * i + 1) // (2 * spread) for i in range(spread)]
    coarse = around + np.arange(-round(reach / _COARSE), round(reach / _COARSE) + 1) * _COARSE
    fine = np.arange(-3, 4) * _FINE
    finer = np.arange(-6, 7) * _FINE / 8
    frames, confirmed = int(_LOOK_S * EUL_FRAMES) - 3, int(_CONFIRM_S * EUL_FRAMES) - 3
    tried = 0
    best: SpeedLock | None = None
    for middle in spots[:stretches]:
        found: list[tuple[float, float]] = []
        for factor in coarse.tolist():
            z, n = fit_speeds(_stretch(mono, middle, _LOOK_S, factor), fine, frames, code)
            tried += n
            found.append((float(z.max()), factor * (1.0 + float(fine[z.argmax()]))))
        for _, factor in sorted(found, reverse=True)[:_KEPT]:
            z, n = fit_speeds(_stretch(mono, middle, _CONFIRM_S, factor), finer, confirmed, code)
            tried += n
            if best is None or z.max() > best.z:
                best = SpeedLock(factor * (1.0 + float(finer[z.argmax()])), float(z.max()), tried)
        if best is not None and best.z >= SURE_Z:
            break
    return None if best is None else replace(best, tried=tried)
