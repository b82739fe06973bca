"""Undoing a change of speed so exactly that the cell layer reads as if nothing had happened.

A search names the factor to some 10^-4. The cell layer's pilots then say where short stretches of the
audio, resampled by that factor, lie to a fraction of a sample; the slope of these places over time is what
remains of the factor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import soxr
import torch

from soundsafe.aliases import Audio
from soundsafe.cells.code import CellCode
from soundsafe.cells.mixtures import mixtures
from soundsafe.cells.profile import EUL_FRAMES, PHASES, PILOT_PERIOD
from soundsafe.cells.sync import LOCK_Z, pilot_cells, scan, soft_cosines
from soundsafe.stft import HOP, RATE

__all__ = ["local_shift", "resample_by", "undo_speed"]

_LOOK_S = 0.75
_CHUNK = 60


@dataclass(frozen=True)
class _Place:
    """Audio at sample `at` is `shift` samples off where frame `frame` of the pilots' period should lie."""

    at: float
    shift: float
    z: float


def resample_by(audio: Audio, factor: float) -> Audio:
    """`audio` ``[channels, samples]`` made `factor` times as long: what was played that much faster,
    undone."""
    out = soxr.resample(np.ascontiguousarray(audio.T), 1.0, factor, quality="VHQ")
    return np.ascontiguousarray(out.T, dtype=np.float32)


def local_shift(
    audio: Audio, at: int, frame: int, frames: int, shifts: torch.Tensor, code: CellCode
) -> tuple[float, float]:
    """The shift of `shifts` (samples, ascending) at which pilots agree best, parabola between, and its z.

    Frame `frame` of the pilots' period has its middle near sample `at`; `frames` frames are looked at.
    """
    pilots = pilot_cells(code)
    first = at - HOP
    x = audio[:, max(0, first) : at + frames * HOP]
    x = np.pad(x, ((0, 0), (max(0, -first), max(0, frames * HOP + HOP - max(0, -first) - x.shape[1]))))
    index = (frame + np.arange(frames)) % PILOT_PERIOD
    phase = torch.from_numpy(index // EUL_FRAMES)
    template = pilots.template[torch.from_numpy(index)]
    total = torch.zeros(len(shifts))
    for p in range(PHASES):
        here = phase == p
        if not bool(here.any()):
            continue
        mixes = mixtures(len(x), p)
        for mix in mixes:
            soft = soft_cosines(torch.from_numpy(mix @ x), shifts, code)[1 : frames + 1]
            total += torch.einsum("tmp,tmps->s", template[here], soft[here]) / len(mixes)
    n = frames * pilots.template.shape[2]
    z = total / math.sqrt(n / 2.0)
    best = int(z.argmax())
    shift = float(shifts[best])
    if 0 < best < len(shifts) - 1:
        a, b, c = (float(v) for v in z[best - 1 : best + 2])
        shift += 0.5 * (a - c) / (a - 2 * b + c) * float(shifts[1] - shifts[0]) if a - 2 * b + c < 0 else 0.0
    return shift, float(z[best])


def _places(audio: Audio, code: CellCode) -> list[_Place]:
    """Where short stretches lie relative to a lock found in one of them."""
    samples = audio.shape[1]
    look = int(_LOOK_S * RATE)
    middle = (samples - look) // 2
    spots = [middle + int(s * samples) for s in (0.0, -0.15, 0.15, -0.3, 0.3, -0.42, 0.4)]
    for spot in spots:
        if not 0 <= spot <= samples - look:
            continue
        lock = scan(audio[:, spot : spot + look], code)
        if lock.z >= LOCK_Z:
            break
    else:
        return []
    origin, period = spot + lock.start, lock.phase * EUL_FRAMES
    out: list[_Place] = []
    fine = torch.arange(-96, 97) / 4.0
    for direction in (1, -1):
        shift = slope = 0.0
        seen: list[_Place] = []
        frame = 0 if direction > 0 else -_CHUNK
        while True:
            expected = origin + frame * HOP
            at = round(expected + shift)
            if at < HOP or at + (_CHUNK + 1) * HOP > samples:
                break
            moved, z = local_shift(audio, at, (period + frame) % PILOT_PERIOD, _CHUNK, fine, code)
            if z > 4.5:
                seen.append(_Place(expected, at + moved - expected, z))
                recent = [p for p in seen[-6:]]
                if len(recent) > 1:
                    t = np.array([p.at for p in recent])
                    slope = float(np.polyfit(t, [p.shift for p in recent], 1)[0])
                shift = seen[-1].shift
            shift += slope * direction * _CHUNK * HOP
            frame += direction * _CHUNK
        out += seen
    return out


def _slope(places: list[_Place]) -> float | None:
    """Samples of shift for each sample of audio, by least squares without outliers."""
    if len(places) < 3:
        return None
    t = np.array([p.at for p in places])
    d = np.array([p.shift for p in places])
    use = np.ones(len(t), bool)
    for _ in range(4):
        if use.sum() < 3:
            return None
        line = np.polyfit(t[use], d[use], 1)
        away = np.abs(d - np.polyval(line, t))
        use = away < max(0.3, 3.0 * float(np.median(away)))
    return float(line[0])


def undo_speed(audio: Audio, factor: float, code: CellCode) -> tuple[Audio, float] | None:
    """The audio as it was before its speed was changed.

    Args:
        audio: ``[channels, samples]`` at 44.1 kHz.
        factor: by which it was made faster, known to some 10^-4.
        code: key and profile.

    Returns:
        The audio, and the factor exactly; None where the cell layer's pilots do not confirm it.
    """
    for _ in range(2):
        restored = resample_by(audio, factor)
        slope = _slope(_places(restored, code))
        if slope is None:
            return None
        # Where content comes later and later, the audio is still too long: it was slowed down by the slope.
        factor /= 1.0 + slope
        if abs(slope) * restored.shape[1] < 0.2:
            break
    return resample_by(audio, factor), factor
