"""Finding the second: blind alignment to the sample, by keyed pilots alone.

Pilots sit in the same cells in every EUL and their signs repeat after `PHASES` EULs, so a position is a
pilot's frame modulo that period. A transform every 63 samples and rotations of its cells by up to 32
samples together test every sample position. The statistic z is a normalised sum of cosines: about standard
normal where there is no mark (`false_alarm` bounds the chance over all that was tried).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from scipy.special import ndtr

from soundsafe.cells.layout import PHASES, geometry
from soundsafe.cells.masking import threshold
from soundsafe.cells.profile import EUL_FRAMES, EUL_SAMPLES, PATTERNS, Profile
from soundsafe.stft import RATE, Stft

__all__ = [
    "DECIMATION",
    "GRID_SHIFTS",
    "GRID_STARTS",
    "LOCK_Z",
    "Lock",
    "Pilots",
    "decimate",
    "false_alarm",
    "nudge",
    "patterns",
    "pilot_cells",
    "scan",
    "signs_by_residue",
    "soft_cosines",
    "try_offsets",
]

LOCK_Z = 6.8
"""Smallest z that counts as found: one false lock in some 10^5 full scans of unmarked audio."""

DECIMATION = 3
"""Pilots lie below 3.2 kHz: every third sample shows them as well, for a third of the work."""

_PERIOD = PHASES * EUL_FRAMES
_HOP = RATE // EUL_FRAMES

GRID_STARTS = range(30, 30 + _HOP, 63)
GRID_SHIFTS = torch.arange(-30, 33).float()
"""Samples at which transforms begin, all multiples of `DECIMATION`, and what each reads round its own:
together every position of a hop."""

_FFT = Stft().n_fft

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Lock:
    """An EUL of `phase` starts at sample `start` of the audio (fractions are kept); `z` says how surely."""

    start: float
    phase: int
    z: float


def false_alarm(z: float, hypotheses: int) -> float:
    """Bound on the chance that the largest of `hypotheses` statistics of unmarked audio reaches `z`."""
    return float(min(1.0, hypotheses * ndtr(-z)))


@dataclass(frozen=True)
class Pilots:
    """Pilot cells by pattern: `bins [PATTERNS, pilots, cells]`, `weight` likewise, `step [pilots]`,
    `dither [PATTERNS, pilots]`, `template [_PERIOD, PATTERNS, pilots]`: the signs at each frame."""

    bins: torch.Tensor
    weight: torch.Tensor
    step: torch.Tensor
    dither: torch.Tensor
    template: torch.Tensor


@lru_cache(maxsize=8)
def pilot_cells(key: bytes, profile: Profile) -> Pilots:
    """The pilots that `key` draws."""
    geo = geometry(key, profile)
    rows = torch.from_numpy(geo.pilot[:PATTERNS])
    template = torch.zeros(_PERIOD, PATTERNS, rows.shape[1])
    for t in range(_PERIOD):
        template[t, t % PATTERNS] = geo.pilot_sign[t // EUL_FRAMES, t % EUL_FRAMES]
    return Pilots(
        torch.from_numpy(geo.bins)[rows],
        geo.weight[rows],
        geo.step[rows][0],
        geo.pilot_dither[:PATTERNS],
        template,
    )


def decimate(audio: Audio) -> Audio:
    """Every `DECIMATION`-th sample of ``[..., samples]``, free of aliases."""
    low = soxr.resample(np.ascontiguousarray(audio.T), DECIMATION, 1, quality="HQ")
    return np.ascontiguousarray(low.T, dtype=np.float32)


def soft_cosines(
    audio: torch.Tensor, shifts: torch.Tensor, key: bytes, profile: Profile, every: int = 1
) -> torch.Tensor:
    """Cosines ``[..., frames, PATTERNS, pilots, shifts]`` of the pilots of `audio` ``[..., samples]``, read
    `shifts` samples later. `every`: `DECIMATION` where the audio was decimated; shifts are samples before."""
    pilots = pilot_cells(key, profile)
    flat = pilots.bins.reshape(-1)
    spectrum = every * Stft(_FFT // every, _HOP // every).forward(audio)
    ratio = (spectrum[..., flat, :] / threshold(spectrum, profile, flat)).transpose(-1, -2)
    ratio = ratio.reshape(*ratio.shape[:-1], *pilots.bins.shape) * pilots.weight.conj()
    turn = 2.0 * math.pi * pilots.bins[..., None] * shifts / _FFT
    p = torch.einsum("...mpc,mpcs->...mps", ratio.real, turn.cos()) - torch.einsum(
        "...mpc,mpcs->...mps", ratio.imag, turn.sin()
    )
    return torch.cos(math.pi * (p / pilots.step[:, None] + pilots.dither[..., None]))


@lru_cache(maxsize=32)
def signs_by_residue(
    first: int, frames: int, phases: tuple[int, ...], key: bytes, profile: Profile
) -> torch.Tensor:
    """Signs ``[PATTERNS, _PERIOD / PATTERNS, frames * pilots]`` of the pilots of frames `first` and on, were
    frame 0 frame ``residue + PATTERNS row`` of the period; 0 in EULs of other `phases`.

    Scaled so that their sum over cosines of no pilots is about standard normal.
    """
    signs = pilot_cells(key, profile).template.sum(1)
    start = torch.arange(_PERIOD).reshape(-1, PATTERNS).T
    at = (start[..., None] + first + torch.arange(frames)) % _PERIOD
    carries = torch.isin(torch.arange(PHASES), torch.tensor(phases)).float()
    chosen = signs[at] * carries[at // EUL_FRAMES, None]
    chosen = chosen.reshape(PATTERNS, len(start[0]), -1)
    return chosen / math.sqrt(chosen.shape[-1] / 2.0)


def patterns(first: int, frames: int) -> torch.Tensor:
    """Patterns ``[PATTERNS, frames]`` of the frames from `first` on, were frame 0 of pattern 0, 1, ..."""
    return (torch.arange(PATTERNS)[:, None] + first + torch.arange(frames)) % PATTERNS


def _by_view(audio: Audio) -> list[tuple[list[int], list[Audio]]]:
    """Mixtures of channels, with the phases that they carry; in mono the one channel carries all."""
    together, apart = list(range(PHASES - 1)), [PHASES - 1]
    if len(audio) == 1:
        return [(together + apart, [audio[0]])]
    return [(together, [audio.mean(axis=0)]), (apart, list(audio))]


def _mean_cosines(
    mixes: list[Audio], shifts: torch.Tensor, key: bytes, profile: Profile, every: int = 1
) -> torch.Tensor:
    """`soft_cosines` of mixtures that carry the same pilots, in the mean."""
    audio = torch.from_numpy(np.stack(mixes))
    return soft_cosines(audio, shifts, key, profile, every).mean(0)


def _scores(audio: Audio, shifts: torch.Tensor, key: bytes, profile: Profile, every: int = 1) -> torch.Tensor:
    """Statistics ``[_PERIOD, shifts]``, were the frame at the audio's first sample frame ``i`` of the
    period."""
    total = torch.zeros(PATTERNS, _PERIOD // PATTERNS, len(shifts))
    for phases, mixes in _by_view(audio):
        soft = _mean_cosines(mixes, shifts, key, profile, every)
        # The first and last frames see the reflected ends.
        soft = soft[1:-1] if len(soft) > 4 else soft
        frames = len(soft)
        read = soft[torch.arange(frames), patterns(1, frames)].reshape(PATTERNS, -1, len(shifts))
        total += signs_by_residue(1, frames, tuple(phases), key, profile) @ read
    return total.transpose(0, 1).reshape(_PERIOD, -1)


def _lock(score: torch.Tensor, shifts: torch.Tensor, start: int) -> Lock:
    best = int(score.argmax())
    frame, s = divmod(best, score.shape[1])
    # Frame 0 is frame `frame` of the period, so an EUL starts at the next multiple of EUL_FRAMES.
    ahead = -frame % EUL_FRAMES
    phase = ((frame + ahead) // EUL_FRAMES) % PHASES
    at = start + float(shifts[s]) + ahead * _HOP
    if at >= EUL_SAMPLES - 0.5 * _HOP and ahead:
        at, phase = at - EUL_SAMPLES, (phase - 1) % PHASES
    return Lock(at, phase, float(score.reshape(-1)[best]))


def try_offsets(audio: Audio, offsets: list[int], key: bytes, profile: Profile) -> Lock:
    """The best of a few sample `offsets` of an EUL's start, at its nearest eighth of a sample."""
    shifts = torch.arange(-8, 9) / 8.0
    found = [_lock(_scores(audio[:, o:], shifts, key, profile), shifts, o) for o in offsets]
    return max(found, key=lambda lock: lock.z)


def nudge(audio: Audio, start: int, phase: int, key: bytes, profile: Profile) -> float:
    """By how much the EUL of `phase` lies behind sample `start`, within two samples, to an eighth."""
    shifts = torch.arange(-16, 17) / 8.0
    views = _by_view(audio[:, start : start + EUL_SAMPLES])
    mixes = next(mixes for phases, mixes in views if phase in phases)
    soft = _mean_cosines(mixes, shifts, key, profile)[1:EUL_FRAMES]
    signs = pilot_cells(key, profile).template[phase * EUL_FRAMES + 1 :][: len(soft)]
    return float(shifts[torch.einsum("fmp,fmps->s", signs, soft).argmax()])


def scan(audio: Audio, key: bytes, profile: Profile) -> Lock:
    """The best of all sample positions in `audio` ``[channels, samples]``."""
    low = decimate(audio)
    best: Lock | None = None
    for start in GRID_STARTS:
        score = _scores(low[:, start // DECIMATION :], GRID_SHIFTS, key, profile, DECIMATION)
        lock = _lock(score, GRID_SHIFTS, start)
        best = lock if best is None or lock.z > best.z else best
    assert best is not None
    fine = try_offsets(audio, [round(best.start) % _HOP], key, profile)
    return fine if fine.z >= best.z else best
