"""Finding the second: blind alignment to the sample, by keyed pilots alone.

Pilots sit in the same cells in every second and their signs repeat after `PHASES` seconds, so a position is a
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
from scipy.special import ndtr

from soundsafe.aliases import Audio
from soundsafe.cells.code import CellCode
from soundsafe.cells.masking import masked
from soundsafe.cells.mixtures import mixed_by_phases
from soundsafe.cells.profile import EUL_FRAMES, EUL_SAMPLES, PATTERNS, PHASES, PILOT_PERIOD
from soundsafe.stft import HOP, N_FFT, Stft

__all__ = [
    "DECIMATION",
    "GRID_SHIFTS",
    "GRID_STARTS",
    "LOCK_Z",
    "Lock",
    "Pilots",
    "SecondSums",
    "SummedScan",
    "agreement",
    "decimate",
    "false_alarm",
    "nudge",
    "patterns",
    "pilot_cells",
    "pilots_near",
    "place_scores",
    "scan",
    "signs_by_residue",
    "soft_cosines",
    "try_offsets",
]

LOCK_Z = 6.8
"""Smallest z that counts as found: one false lock in some 10^5 full scans of unmarked audio."""

DECIMATION = 3
"""Pilots lie below 3.2 kHz: every third sample shows them as well, for a third of the work."""

GRID_STARTS = range(30, 30 + HOP, 63)
GRID_SHIFTS = torch.arange(-30, 33).float()
"""Samples at which transforms begin, all multiples of `DECIMATION`, and what each reads round its own:
together every position of a hop."""

_NEAR = torch.arange(-8, 9) / 8.0
"""Samples round a place at which pilots should be."""


@dataclass(frozen=True)
class Lock:
    """A second of `phase` starts at sample `start` of the audio (fractions are kept); `z` says how surely."""

    start: float
    phase: int
    z: float


def false_alarm(z: float, hypotheses: int) -> float:
    """Bound on the chance that the largest of `hypotheses` statistics of unmarked audio reaches `z`."""
    return float(min(1.0, hypotheses * ndtr(-z)))


@dataclass(frozen=True)
class Pilots:
    """Pilot cells by pattern: `bins [PATTERNS, pilots, cells]`, `weight` likewise, `step [pilots]`,
    `dither [PATTERNS, pilots]`, `template [PILOT_PERIOD, PATTERNS, pilots]`: the signs at each frame."""

    bins: torch.Tensor
    weight: torch.Tensor
    step: torch.Tensor
    dither: torch.Tensor
    template: torch.Tensor


@lru_cache(maxsize=8)
def pilot_cells(code: CellCode) -> Pilots:
    """The pilots that the code's key draws."""
    geo = code.geometry
    rows = torch.from_numpy(geo.pilot[:PATTERNS])
    template = torch.zeros(PILOT_PERIOD, PATTERNS, rows.shape[1])
    for t in range(PILOT_PERIOD):
        template[t, t % PATTERNS] = geo.pilot_sign[t // EUL_FRAMES, t % EUL_FRAMES]
    return Pilots(
        bins=torch.from_numpy(geo.bins)[rows],
        weight=geo.weight[rows],
        step=geo.step[rows][0],
        dither=geo.pilot_dither[:PATTERNS],
        template=template,
    )


def decimate(audio: Audio) -> Audio:
    """Every `DECIMATION`-th sample of ``[..., samples]``, free of aliases."""
    low = soxr.resample(np.ascontiguousarray(audio.T), DECIMATION, 1, quality="HQ")
    return np.ascontiguousarray(low.T, dtype=np.float32)


def soft_cosines(audio: torch.Tensor, shifts: torch.Tensor, code: CellCode, every: int = 1) -> torch.Tensor:
    """How near the pilots lie to their lattice points, read at several places.

    Args:
        audio: ``[..., samples]``.
        shifts: how many samples later to read; samples of the audio before it was decimated.
        code: key and profile.
        every: `DECIMATION` where the audio was decimated.

    Returns:
        Cosines ``[..., frames, PATTERNS, pilots, shifts]``: 1 on a point of one sign, -1 on one of the other.
    """
    pilots = pilot_cells(code)
    flat = pilots.bins.reshape(-1)
    spectrum = every * Stft(N_FFT // every, HOP // every).forward(audio)
    ratio = spectrum[..., flat, :] / masked(spectrum, code.profile, flat)
    lead, frames = ratio.shape[:-2], ratio.shape[-1]
    # One product for each pilot: of all its cells' real and imaginary parts, by all shifts.
    cells = pilots.bins.shape[-1]
    parts = torch.view_as_real(ratio).reshape(-1, len(flat) // cells, cells, frames, 2)
    parts = parts.permute(1, 3, 0, 2, 4).reshape(len(flat) // cells, -1, 2 * cells)
    turned = torch.bmm(parts, _turns(tuple(shifts.tolist()), code))
    near = turned.add_(math.pi * pilots.dither.reshape(-1, 1, 1)).cos_()
    near = near.reshape(*pilots.bins.shape[:-1], frames, *lead, len(shifts))
    return near.movedim((0, 1), (-3, -2)).movedim(0, -4)


@lru_cache(maxsize=16)
def _turns(shifts: tuple[float, ...], code: CellCode) -> torch.Tensor:
    """What real and imaginary parts of a pilot's cells, one after the other, add to half a turn of its place
    on the lattice, read so many `shifts` later: ``[PATTERNS * pilots, 2 * cells, shifts]``."""
    pilots = pilot_cells(code)
    angle = 2.0 * math.pi * pilots.bins[..., None] * torch.tensor(shifts) / N_FFT
    turn = torch.polar(torch.ones_like(angle), angle) * pilots.weight.conj()[..., None]
    turn = turn * (math.pi / pilots.step[:, None, None])
    return torch.stack([turn.real, -turn.imag], dim=-2).reshape(PATTERNS * len(pilots.step), -1, len(shifts))


@lru_cache(maxsize=32)
def signs_by_residue(first: int, frames: int, phases: tuple[int, ...], code: CellCode) -> torch.Tensor:
    """Signs ``[PATTERNS, PILOT_PERIOD / PATTERNS, frames * pilots]`` of the pilots of frames `first` and
    on, were frame 0 frame ``residue + PATTERNS row`` of the period; 0 in seconds of other `phases`.

    Scaled so that their sum over cosines of no pilots is about standard normal.
    """
    signs = pilot_cells(code).template.sum(1)
    start = torch.arange(PILOT_PERIOD).reshape(-1, PATTERNS).T
    at = (start[..., None] + first + torch.arange(frames)) % PILOT_PERIOD
    carries = torch.isin(torch.arange(PHASES), torch.tensor(phases)).float()
    chosen = signs[at] * carries[at // EUL_FRAMES, None]
    chosen = chosen.reshape(PATTERNS, len(start[0]), -1)
    return chosen / math.sqrt(chosen.shape[-1] / 2.0)


def patterns(first: int, frames: int) -> torch.Tensor:
    """Patterns ``[PATTERNS, frames]`` of the frames from `first` on, were frame 0 of pattern 0, 1, ..."""
    return (torch.arange(PATTERNS)[:, None] + first + torch.arange(frames)) % PATTERNS


def _mean_cosines(mixes: list[Audio], shifts: torch.Tensor, code: CellCode, every: int = 1) -> torch.Tensor:
    """`soft_cosines` of mixtures that carry the same pilots, in the mean."""
    audio = torch.from_numpy(np.stack(mixes))
    return soft_cosines(audio, shifts, code, every).mean(0)


def _scores(audio: Audio, shifts: torch.Tensor, code: CellCode, every: int = 1) -> torch.Tensor:
    """Statistics ``[PILOT_PERIOD, shifts]``, were the frame at the audio's first sample frame ``i`` of the
    period."""
    total = torch.zeros(PATTERNS, PILOT_PERIOD // PATTERNS, len(shifts))
    for phases, mixes in mixed_by_phases(audio):
        soft = _mean_cosines(mixes, shifts, code, every)
        # The first and last frames see the reflected ends.
        soft = soft[1:-1] if len(soft) > 4 else soft
        frames = len(soft)
        read = soft[torch.arange(frames), patterns(1, frames)].reshape(PATTERNS, -1, len(shifts))
        total += signs_by_residue(1, frames, phases, code) @ read
    return total.transpose(0, 1).reshape(PILOT_PERIOD, -1)


def _lock(score: torch.Tensor, shifts: torch.Tensor, start: int) -> Lock:
    best = int(score.argmax())
    frame, s = divmod(best, score.shape[1])
    # Frame 0 is frame `frame` of the period, so a second starts at the next multiple of EUL_FRAMES.
    ahead = -frame % EUL_FRAMES
    phase = ((frame + ahead) // EUL_FRAMES) % PHASES
    at = start + float(shifts[s]) + ahead * HOP
    if at >= EUL_SAMPLES - 0.5 * HOP and ahead:
        at, phase = at - EUL_SAMPLES, (phase - 1) % PHASES
    return Lock(at, phase, float(score.reshape(-1)[best]))


def try_offsets(audio: Audio, offsets: list[int], code: CellCode) -> Lock:
    """The best of a few sample `offsets` of a second's start, at its nearest eighth of a sample."""
    found = [_lock(_scores(audio[:, o:], _NEAR, code), _NEAR, o) for o in offsets]
    return max(found, key=lambda lock: lock.z)


def nudge(audio: Audio, start: int, phase: int, code: CellCode) -> float:
    """By how many samples the second of `phase` lies after sample `start`: up to two, to an eighth."""
    shifts = torch.arange(-16, 17) / 8.0
    return float(shifts[_second_sums(audio, start, phase, shifts, code)[0].argmax()])


def _second_sums(
    audio: Audio, start: int, phase: int, shifts: torch.Tensor, code: CellCode
) -> tuple[torch.Tensor, int]:
    """Sums ``[shifts]`` of the pilots' cosines in the second of `phase` at `start`, and of how many."""
    by_phases = mixed_by_phases(audio[:, start : start + EUL_SAMPLES])
    mixes = next(mixes for phases, mixes in by_phases if phase in phases)
    soft = _mean_cosines(mixes, shifts, code)[1:EUL_FRAMES]
    signs = pilot_cells(code).template[phase * EUL_FRAMES + 1 :][: len(soft)]
    return torch.einsum("fmp,fmps->s", signs, soft), int(signs.abs().sum())


def pilots_near(audio: Audio, start: int, phase: int, shifts: torch.Tensor, code: CellCode) -> torch.Tensor:
    """How well the pilots of one second agree with places near `start`.

    Args:
        audio: ``[channels, samples]``, of which the second is held.
        start: sample of it at which the second begins, about.
        phase: the second's number modulo `PHASES`.
        shifts: how many samples later to look, ``[shifts]``.
        code: key and profile.

    Returns:
        ``[shifts]``, standard normal by chance.
    """
    sums, count = _second_sums(audio, start, phase, shifts, code)
    return sums / math.sqrt(max(count, 1) / 2.0)


SecondSums = dict[tuple[int, int], tuple[torch.Tensor, int]]
"""What `agreement` has seen of seconds, by the sample at which each begins and its phase."""


def agreement(
    audio: Audio, start: int, seconds: int, phase: int, code: CellCode, seen: SecondSums | None = None
) -> float:
    """How well pilots agree with one clock.

    Args:
        audio: ``[channels, samples]``.
        start: sample of it at which a second begins, give or take one;
        seconds: how many of them, which the audio holds, are looked at.
        phase: of the first.
        code: key and profile.
        seen: seconds of the same audio under the same code, of which none is looked at twice; those that are
            looked at now are added.

    Returns:
        About standard normal where that clock is not there; a little more, as the best place is taken.
    """
    seen = {} if seen is None else seen
    total, count = torch.zeros(len(_NEAR)), 0
    for number in range(seconds):
        second = start + number * EUL_SAMPLES, (phase + number) % PHASES
        if second not in seen:
            seen[second] = _second_sums(audio, *second, _NEAR, code)
        sums, signs = seen[second]
        total += sums
        count += signs
    return float(total.max()) / math.sqrt(max(count, 1) / 2.0)


def place_scores(audio: Audio, code: CellCode) -> torch.Tensor:
    """Statistics of every place of the pilots in `audio` ``[channels, samples]``: ``[GRID_STARTS,
    PILOT_PERIOD, GRID_SHIFTS]``, were the frame that begins there frame ``i`` of the period."""
    low = decimate(audio)
    return torch.stack(
        [_scores(low[:, start // DECIMATION :], GRID_SHIFTS, code, DECIMATION) for start in GRID_STARTS]
    )


def _best_place(scores: torch.Tensor) -> Lock:
    """The best of `place_scores`."""
    found = [_lock(score, GRID_SHIFTS, start) for score, start in zip(scores, GRID_STARTS, strict=True)]
    return max(found, key=lambda lock: lock.z)


def scan(audio: Audio, code: CellCode, scores: torch.Tensor | None = None) -> Lock:
    """The best of all sample positions in `audio` ``[channels, samples]``; `scores`: those of its places."""
    best = _best_place(place_scores(audio, code) if scores is None else scores)
    fine = try_offsets(audio, [round(best.start) % HOP], code)
    return fine if fine.z >= best.z else best


class SummedScan:
    """Windows in which no pilots are found, added up: pilots that none of them shows may show in all.

    Args:
        length: samples of a window.
        most: windows that are added up, before it begins anew.
    """

    def __init__(self, length: int, most: int) -> None:
        self._length, self._most = length, most
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._total: torch.Tensor | None = None
        self._variance, self._count = 0.0, 0
        self._last = 0

    def add(self, scores: torch.Tensor, first: int) -> Lock:
        """Take in one more window.

        Args:
            scores: its `place_scores`.
            first: sample of the stream at which it begins.

        Returns:
            The best place of all windows so far, in samples from `first` on.
        """
        ahead = first - self._last
        if self._total is None or self._count == self._most or ahead % HOP:
            self.clear()
            self._total, overlap = torch.zeros_like(scores), 0.0
        else:
            # What both windows hold counts twice.
            overlap = max(0.0, 1.0 - ahead / self._length)
        self._total = torch.roll(self._total, ahead // HOP, dims=1) + scores
        self._variance += 1.0 + 2.0 * overlap
        self._count, self._last = self._count + 1, first
        return _best_place(self._total / math.sqrt(self._variance))
