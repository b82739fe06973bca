"""Finding and naming seconds whose pilots follow from their own audio.

At each position the audio says which descriptions its second may have (`soundsafe.cells.host`); each has
pilots of its own, in other cells and with a dither for every frame. So a position is tried with the likeliest
descriptions, and what agrees best says both where the second is and what describes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch

from soundsafe.aliases import Audio, Floats, Ints
from soundsafe.cells.code import CellCode, pilots_alone
from soundsafe.cells.host import band_powers, features_of, host_features, host_words
from soundsafe.cells.masking import threshold
from soundsafe.cells.mixtures import mixed_by_phases
from soundsafe.cells.profile import EUL_FRAMES, EUL_SAMPLES, PATTERNS, PHASES
from soundsafe.stft import HOP, N_FFT, Stft, stft

__all__ = ["HostPilots", "host_pilots", "likeliest_codes", "phase_scores"]


@dataclass(frozen=True)
class HostPilots:
    """The pilots of seconds of one description: `bins` ``[PATTERNS, pilots, cells]`` and complex `weight`
    likewise, in units of a step; `dither` ``[EUL_FRAMES, pilots]``; `sign` ``[PHASES, EUL_FRAMES * pilots]``,
    scaled so that their sum over cosines of no pilots is about standard normal."""

    bins: torch.Tensor
    weight: torch.Tensor
    dither: torch.Tensor
    sign: torch.Tensor


@lru_cache(maxsize=1024)
def host_pilots(code: CellCode) -> HostPilots:
    """The pilots that a code draws for one description."""
    own, shared = pilots_alone(code), replace(code, host=None).geometry
    step = shared.step[torch.from_numpy(shared.pilot[0])]
    return HostPilots(
        bins=torch.from_numpy(own.bins),
        weight=torch.from_numpy(own.weight) / step[:, None],
        dither=own.dither,
        sign=own.sign.flatten(1) / math.sqrt(own.dither.numel() / 2.0),
    )


def _turns(bins: int, shifts: torch.Tensor) -> torch.Tensor:
    """What a shift by so many samples does to each bin ``[bins, shifts]``."""
    angle = 2.0 * math.pi * torch.arange(bins)[:, None] * shifts / N_FFT
    return torch.polar(torch.ones_like(angle), angle)


def _positions(ratio: torch.Tensor, pilots: HostPilots, turn: torch.Tensor) -> torch.Tensor:
    """Places on the lattice in steps ``[PATTERNS, pilots, frames, shifts]``, each pattern in each frame.

    `ratio`: spectrum over threshold ``[bins, frames]``; `turn`: of `_turns`.
    """
    cells = (ratio[pilots.bins] * pilots.weight.conj()[..., None]).transpose(-1, -2)
    turned = turn[pilots.bins]
    # The real part of a product, as one real product of twice the length.
    return torch.cat([cells.real, -cells.imag], dim=-1) @ torch.cat([turned.real, turned.imag], dim=-2)


def _agreement(positions: torch.Tensor, first: torch.Tensor, pilots: HostPilots) -> torch.Tensor:
    """How well the pilots agree in seconds from the frames `first` ``[seconds]`` of `_positions` on, for each
    phase ``[seconds, PHASES, shifts]``: standard normal by chance."""
    at = torch.arange(EUL_FRAMES)
    own = positions.permute(2, 0, 1, 3)[first[:, None] + at, at % PATTERNS]
    cosines = torch.cos(math.pi * (own + pilots.dither[..., None]))
    return pilots.sign @ cosines.flatten(1, 2)


def phase_scores(ratio: torch.Tensor, code: CellCode, shifts: torch.Tensor) -> torch.Tensor:
    """How well the pilots of one description agree in a second, for each phase.

    Args:
        ratio: spectrum over threshold ``[bins, EUL_FRAMES]`` of one mixture.
        code: of a description.
        shifts: how many samples later the second is read.

    Returns:
        ``[PHASES, shifts]``, standard normal by chance.
    """
    pilots = host_pilots(code)
    positions = _positions(ratio, pilots, _turns(len(ratio), shifts))
    return _agreement(positions, torch.zeros(1, dtype=torch.int64), pilots)[0]


def likeliest_codes(
    mixed: torch.Tensor, phase: int, code: CellCode, most: int, sure: float
) -> list[CellCode]:
    """The codes that the audio of a second may have, by its pilots, the likeliest first.

    Args:
        mixed: spectrum ``[bins, EUL_FRAMES]`` of one mixture.
        phase: the second's number modulo `PHASES`.
        code: key and profile.
        most: how many descriptions are tried at most.
        sure: agreement of the pilots after which no other is tried.

    Returns:
        At least one.
    """
    ratio = mixed / threshold(mixed, code.profile)
    here = torch.zeros(1)
    found: list[tuple[float, CellCode]] = []
    for word, _ in host_words(host_features(mixed), most):
        own = code.of_host(word)
        found.append((float(phase_scores(ratio, own, here)[phase, 0]), own))
        if found[-1][0] > sure:
            break
    found.sort(key=lambda pair: -pair[0])
    return [own for _, own in found]


@dataclass(frozen=True)
class Place:
    """Somewhere a second may start: sample `start` (fractions are kept), its `phase`, agreement `z`."""

    start: float
    phase: int
    z: float


_WORDS, _SCANNED_WORDS = 16, 8
"""Descriptions that are tried of a second at a known place, and at each place of a scan."""

_FINE = torch.arange(-8, 9) / 8.0


def _place(audio: Audio, start: int, code: CellCode, shifts: torch.Tensor) -> Place:
    """The best of the phases and `shifts` for seconds that follow each other from sample `start` on."""
    seconds = min(3, (audio.shape[1] - start + HOP) // EUL_SAMPLES)
    total = torch.zeros(PHASES, len(shifts))
    for phases, mixes in mixed_by_phases(audio[:, start:]):
        for signal in mixes:
            spectrum = stft(torch.from_numpy(np.ascontiguousarray(signal)))
            ratio = spectrum / threshold(spectrum, code.profile)
            for i in range(seconds):
                own = slice(i * EUL_FRAMES, (i + 1) * EUL_FRAMES)
                if spectrum[:, own].shape[1] < EUL_FRAMES:
                    continue
                words = host_words(host_features(spectrum[:, own]), _WORDS)
                scores = torch.stack([phase_scores(ratio[:, own], code.of_host(w), shifts) for w, _ in words])
                best = torch.roll(scores.amax(dim=0), -i, dims=0)  # by the phase of the first second
                carries = torch.tensor([(p + i) % PHASES in phases for p in range(PHASES)])
                total += best * carries[:, None] / len(mixes)
    total /= math.sqrt(max(seconds, 1))
    phase, s = divmod(int(total.argmax()), len(shifts))
    return Place(start + float(shifts[s]), phase, float(total.max()))


def try_places(audio: Audio, starts: Iterable[int], code: CellCode) -> Place:
    """The best of a few samples `starts` at which a second may start, to an eighth of a sample."""
    return max((_place(audio, max(start, 0), code, _FINE) for start in starts), key=lambda place: place.z)


def drift(audio: Audio, start: int, phase: int, code: CellCode) -> float:
    """By how many samples the second of `phase` lies after sample `start`: up to two, to an eighth."""
    shifts = torch.arange(-16, 17) / 8.0
    lead = min(start // HOP, 10)
    part = audio[:, start - lead * HOP : start + EUL_SAMPLES + HOP]
    best = torch.zeros(len(shifts))
    for phases, mixes in mixed_by_phases(part):
        if phase not in phases:
            continue
        for signal in mixes:
            spectrum = stft(torch.from_numpy(np.ascontiguousarray(signal)))[:, lead : lead + EUL_FRAMES]
            if spectrum.shape[1] < EUL_FRAMES:
                return 0.0
            ratio = spectrum / threshold(spectrum, code.profile)
            words = host_words(host_features(spectrum), _WORDS)
            each = torch.stack([phase_scores(ratio, code.of_host(w), shifts)[phase] for w, _ in words])
            best += each[int(each.amax(dim=1).argmax())]
    return float(shifts[int(best.argmax())])


def scan_places(
    low: Audio, starts: Sequence[int], shifts: torch.Tensor, every: int, code: CellCode, keep: int = 6
) -> list[Place]:
    """The places in all of `low` whose pilots agree best, best first.

    Args:
        low: ``[channels, samples]``, every `every`-th sample.
        starts: samples, before decimation, at which transforms begin.
        shifts: samples by which each is then read later: together all positions of a hop.
        every: as said.
        code: key and profile.
        keep: how many places.
    """
    found: list[Place] = []
    (phases, mixes), *apart = mixed_by_phases(low)
    # Of several channels one second in four has no pilots in their mean, so two are looked at.
    reach = (2 if apart else 1) * EUL_FRAMES
    allowed = torch.tensor([0.0 if p in phases else -torch.inf for p in range(PHASES)])
    for start in starts:
        signal = np.ascontiguousarray(mixes[0][start // every :])
        spectrum = every * Stft(N_FFT // every, HOP // every).forward(torch.from_numpy(signal))
        first = spectrum.shape[1] - EUL_FRAMES
        if first < 1:
            continue
        ratio = spectrum / threshold(spectrum, code.profile)
        turn = _turns(len(ratio), shifts)
        for word, frames in _frames_by_word(band_powers(spectrum), min(first, reach)).items():
            pilots = host_pilots(code.of_host(word))
            low_frame, high_frame = int(frames.min()), int(frames.max())
            own = _positions(ratio[:, low_frame : high_frame + EUL_FRAMES], pilots, turn)
            agreement = _agreement(own, torch.from_numpy(frames - low_frame), pilots) + allowed[:, None]
            z, where = agreement.flatten(1).max(dim=1)
            for frame, best, index in zip(frames.tolist(), z.tolist(), where.tolist(), strict=True):
                phase, s = divmod(index, len(shifts))
                found.append(_first_of_clock(start + float(shifts[s]) + frame * HOP, phase, best))
    return _apart(sorted(found, key=lambda place: -place.z), keep)


def _first_of_clock(start: float, phase: int, z: float) -> Place:
    """The place of the first second of a clock that has one of `phase` at `start`."""
    before = math.floor((start + 0.5 * HOP) / EUL_SAMPLES)
    return Place(start - before * EUL_SAMPLES, (phase - before) % PHASES, z)


def _apart(places: Sequence[Place], keep: int) -> list[Place]:
    """The first `keep` places that are not beside one before them."""
    out: list[Place] = []
    for place in places:
        if all(abs(place.start - other.start) > 1.5 or place.phase != other.phase for other in out):
            out.append(place)
        if len(out) == keep:
            break
    return out


def _frames_by_word(powers: Floats, count: int) -> dict[int, Ints]:
    """The descriptions that seconds from frames 1 ... `count` on may have, and the frames of each.

    `powers`: of the bands ``[bands, frames]``. The first frame sees the reflected end.
    """
    windows = np.lib.stride_tricks.sliding_window_view(powers, EUL_FRAMES, axis=1)[:, 1 : count + 1]
    frames: dict[int, list[int]] = {}
    for i, own in enumerate(features_of(windows.transpose(1, 0, 2))):
        for word, _ in host_words(own, _SCANNED_WORDS):
            frames.setdefault(word, []).append(i + 1)
    return {word: np.array(its) for word, its in frames.items()}
