"""The informed embedder: moves a block of audio until the detector's own soft values say the right bits.

The perturbation lives in the cells, in proportion to the masking threshold of the unmarked audio (its minimum
over three frames, so that nothing precedes an onset). Each step is a Gauss-Newton step of minimum norm
towards the nearest right lattice point; a carrier that is near enough is left alone. "Near enough" counts
what real codecs did to that very carrier a few steps before: they run inside the loop.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.special import ndtri

from soundsafe.aliases import Audio, Bits, Floats, Ints
from soundsafe.cells.code import CellCode
from soundsafe.cells.host import code_of_second
from soundsafe.cells.lattice import cell_index, displacement
from soundsafe.cells.layout import Layout, choose_layout, features
from soundsafe.cells.masking import masked, threshold
from soundsafe.cells.mixtures import mix_channels, mixtures
from soundsafe.cells.profile import EUL_FRAMES, PHASES, SHORT_SCALES, Profile
from soundsafe.cells.settings import RETREAT, Quality
from soundsafe.distance.zimtohrli import changed_most, distances
from soundsafe.stft import HOP, RATE, istft, stft

__all__ = [
    "HEADROOM",
    "Loudness",
    "ShortBlock",
    "codec_by_pairs",
    "distances_of_change",
    "mark_block",
]

HEADROOM = 0.9999
"""Highest sample value that marking may produce where the audio itself stays below it."""


_FRAME = 1152
"""Samples of an MP3 frame."""

_PIECE, _RUN_IN, _RUN_OUT = 192 * _FRAME, 8 * _FRAME, 4 * _FRAME
"""Codecs work on pieces of some five seconds, with so much before and after them."""

_MOST_DISTANCE = 2.5e-4
"""A second that is further from the original even at the smallest scales keeps a share of its mark only: it
may not read alone then, but is not heard either."""

_RAMP_S = 0.02

_REACH = 1e-3
"""A carrier is left alone where the audio's neighbouring frames would hide so small a share of what it needs:
just before an onset and just after an end."""


_LEVELLING, _HEIGHTS = 0.22, (0.1, 4.0)
"""Cells that stand out from their band are moved less than those that lie low in it: with this power of their
height over the band's level, between these heights. At equal robustness it is heard less."""


_UNKNOWN = torch.tensor(torch.nan)


@dataclass
class _Mixture:
    """One mixture of channels and the seconds that it carries; arrays start with ``[seconds, carriers]``."""

    mix: NDArray[np.float32]
    euls: Ints
    frames: torch.Tensor
    local: torch.Tensor
    whole: torch.Tensor
    weight: torch.Tensor
    strength: torch.Tensor
    base_step: torch.Tensor
    step: torch.Tensor
    dither: torch.Tensor
    bits: torch.Tensor
    region: torch.Tensor
    layouts: list[Layout]
    scale: torch.Tensor = field(default_factory=lambda: torch.zeros(()))
    aim: torch.Tensor = field(default_factory=lambda: _UNKNOWN)  # NaN where it is still to be found
    low: torch.Tensor = field(default_factory=lambda: torch.zeros(()))
    high: torch.Tensor = field(default_factory=lambda: torch.zeros(()))

    def observe(self, spectrum: torch.Tensor, profile: Profile) -> tuple[torch.Tensor, torch.Tensor]:
        """Projections ``[euls, carriers]`` and the threshold at their cells ``[euls, carriers, cells]``."""
        mixed = mix_channels(spectrum, self.mix)[:, self.frames]
        thr = _picked(threshold(mixed, profile), self.local)
        return (_picked(mixed, self.local) / thr * self.weight.conj()).real.sum(-1), thr


def _picked(cells: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """The elements of `cells` at the flat `index`, in its shape."""
    return cells.reshape(-1).index_select(0, index.view(-1)).view(index.shape)


def _make_mixture(
    mix: NDArray[np.float32],
    euls: Ints,
    first_frame: int,
    spectrum: torch.Tensor,
    coded: Bits,
    phases: Ints,
    code: CellCode,
) -> _Mixture:
    """The mixture `mix` and the seconds `euls` of the block, whose first starts at frame `first_frame`."""
    geo = code.geometry
    total = spectrum.shape[-1]
    starts = first_frame + EUL_FRAMES * torch.from_numpy(euls)
    frames = (starts[:, None] + torch.arange(EUL_FRAMES)[None]).reshape(-1)
    mixed = mix_channels(spectrum, mix)[:, frames]
    parts = [mixed[:, i * EUL_FRAMES : (i + 1) * EUL_FRAMES] for i in range(len(euls))]
    codes = [code_of_second(part, int(phases[e]), code) for part, e in zip(parts, euls, strict=True)]
    geometries = [own.geometry for own in codes]
    layouts = [
        choose_layout(features(part, code.profile), own, int(phases[e]))
        for part, own, e in zip(parts, codes, euls, strict=True)
    ]
    chosen = np.stack([np.concatenate([lay.slots, geo.pilot.reshape(-1)]) for lay in layouts])
    dither = torch.stack(
        [
            torch.cat([lay.dither, own.pilot_dither.reshape(-1)])
            for lay, own in zip(layouts, geometries, strict=True)
        ]
    )
    signs = [own.pilot_sign[int(phases[e])].reshape(-1) for own, e in zip(geometries, euls, strict=True)]
    pilot_bits = (torch.stack(signs) < 0).float()
    bits = torch.cat([torch.from_numpy(coded[euls] ^ geo.scramble).float(), pilot_bits], dim=1)
    picked = torch.from_numpy(chosen)
    here = EUL_FRAMES * torch.arange(len(euls))

    def cells_of(first: torch.Tensor, frames: int) -> torch.Tensor:
        each = zip(geometries, first, picked, strict=True)
        return torch.stack([cell_index(own, at[None], frames)[0][rows] for own, at, rows in each])

    base = geo.step[picked]
    weight = torch.stack([own.weight[rows] for own, rows in zip(geometries, picked, strict=True)])
    return _Mixture(
        mix=mix,
        euls=euls,
        frames=frames,
        local=cells_of(here, len(frames)),
        whole=cells_of(starts, total),
        weight=weight,
        strength=weight.abs().square(),
        base_step=base,
        step=base.clone(),
        dither=dither,
        bits=bits,
        region=torch.from_numpy(geo.region[np.stack([lay.slots for lay in layouts])]),
        layouts=layouts,
    )


def _set_scales(group: list[_Mixture], scale: torch.Tensor, n_data: int) -> None:
    """`scale` ``[seconds, regions]`` for all mixtures of a group."""
    for mixture in group:
        mixture.scale = scale
        mixture.step = mixture.base_step.clone()
        mixture.step[:, :n_data] *= torch.gather(scale, 1, mixture.region)
        mixture.aim = _UNKNOWN
        mixture.low = mixture.high = torch.zeros(())


def _better_scale(
    group: list[_Mixture], seen: Sequence[torch.Tensor], profile: Profile, goal: float
) -> torch.Tensor:
    """The scales ``[seconds, regions]`` with which each region should meet the error `goal` after the judge.

    From the errors at the present scales: their rate gives the noise of a Gaussian, and that the step which
    brings it down to `goal`. `seen`: projections after the judge.
    """
    regions = profile.regions
    wrong = torch.zeros(len(group[0].euls), regions)
    count = torch.zeros_like(wrong)
    for mixture, p in zip(group, seen, strict=True):
        n_data = mixture.region.shape[1]
        error = displacement(p / mixture.step + mixture.dither, mixture.bits)[:, :n_data]
        flips = (error.abs() > 0.5).float()
        wrong.scatter_add_(1, mixture.region, flips)
        count.scatter_add_(1, mixture.region, torch.ones_like(flips))
    rate = ((wrong + 1.0) / (count + 4.0)).clamp(2e-3, 0.45).double().numpy()
    return group[0].scale * torch.from_numpy(ndtri(goal / 2.0) / ndtri(rate / 2.0)).float()


def mark_block(
    audio: Audio,
    first: int,
    coded: Bits,
    phase: int,
    code: CellCode,
    quality: Quality,
    *,
    origin: int = 0,
    named_by: Audio | None = None,
) -> Audio:
    """The marked block ``[channels, samples]`` at 44,100 Hz; only the frames of its seconds are changed.

    Args:
        audio: the block and its surroundings, ``[channels, samples]``.
        first: sample at which the first second starts, a multiple of 441; the others follow each other.
        coded: the bits of each second, ``[seconds, 2040]``, each 0 or 1.
        phase: that of the first second.
        code: key and profile.
        quality: how hard to work.
        origin: where `audio` starts in the whole signal, whose MP3 frames the codecs in the loop then share.
        named_by: the audio as it was before another layer, whose features then choose the slots.
    """
    profile = code.profile
    x = torch.from_numpy(np.ascontiguousarray(audio))
    channels = len(x)
    spectrum = stft(x)
    source = spectrum if named_by is None else stft(torch.from_numpy(np.ascontiguousarray(named_by)))
    n_data = coded.shape[1]
    groups = _groups(source, first, coded, phase, code)
    every = [mixture for group in groups for mixture in group]

    solver = _Solver(x, spectrum, profile, quality, origin)
    for group in groups:
        _set_scales(group, torch.ones(len(group[0].euls), profile.regions), n_data)
    marked = solver.solve(every, quality.probe if len(profile.scales) > 1 else quality.steps).numpy()
    if len(profile.scales) == 1 or not quality.rounds:
        return marked
    loudness = Loudness(audio, first, len(coded))
    for done in range(quality.rounds + 1):
        if done == quality.rounds:
            loud = loudness.over(marked, quality.distance_limit)
            if not loud:
                return marked
            for group in groups:
                _adjust(group, group[0].scale, loud, profile, n_data)
        else:
            with ThreadPoolExecutor(1) as pool:
                judged_audio = pool.submit(codec_by_pairs, marked, quality.judge, origin)
                loud = loudness.over(marked, quality.distance_limit)
                judged = stft(judged_audio.result())
            for group in groups:
                goal = quality.error_goal if len(group) == 1 else quality.error_goal_apart
                goal = quality.error_goal_mono if channels == 1 else goal
                seen = [mixture.observe(judged, profile)[0] for mixture in group]
                wanted = quality.strength * _better_scale(group, seen, profile, goal)
                _adjust(group, wanted, loud, profile, n_data)
        marked = solver.solve(every, quality.steps).numpy()
    return _held_back(audio, marked, first, loudness.over(marked, _MOST_DISTANCE))


def _groups(
    source: torch.Tensor, first: int, coded: Bits, phase: int, code: CellCode
) -> list[list[_Mixture]]:
    """The mixtures of the seconds that mark the mean of the channels, and of those that mark each by itself.

    `source`: the spectrum ``[channels, bins, frames]`` that names the slots; the others as in `mark_block`.
    """
    phases = (phase + np.arange(len(coded))) % PHASES
    groups: list[list[_Mixture]] = []
    for apart in (False, True):
        euls = np.flatnonzero((phases == PHASES - 1) == apart)
        if len(euls):
            mixes = mixtures(len(source), PHASES - 1 if apart else 0)
            groups.append([_make_mixture(m, euls, first // HOP, source, coded, phases, code) for m in mixes])
    return groups


class ShortBlock:
    """A block that is marked with short words: one scale for all regions of a second, no codec in the loop.

    It may be marked again on another host and at other scales: a second whose scale stays keeps its change,
    from which the solver goes on.

    Args:
        named_by: the unmarked block and its surroundings, ``[channels, samples]``, whose features choose the
            slots.
        first: sample at which the first second starts, a multiple of 441; the others follow each other.
        coded: the bits of each second, ``[seconds, 2040]``, each 0 or 1.
        phase: that of the first second.
        code: key and profile.
        quality: how hard to work; its strength is the scale, or the nearest that there is.
    """

    def __init__(
        self, named_by: Audio, first: int, coded: Bits, phase: int, code: CellCode, quality: Quality
    ) -> None:
        self._first, self._profile, self._quality, self._bits = first, code.profile, quality, coded.shape[1]
        self._source = stft(torch.from_numpy(np.ascontiguousarray(named_by)))
        self._named_by = named_by
        self._groups = _groups(self._source, first, coded, phase, code)
        self._scale = torch.zeros(len(coded))
        self._amount = torch.zeros(self._source.shape, dtype=self._source.dtype)

    def mark(self, host: Audio, factor: Floats, steps: int) -> Audio:
        """`host` with the mark.

        Args:
            host: ``[channels, samples]`` of the unmarked block's shape.
            factor: of the scale in each second, ``[seconds]``, positive.
            steps: of the solver.

        Returns:
            Of the same shape.
        """
        self._rescale(factor)
        x = torch.from_numpy(np.ascontiguousarray(host))
        spectrum = self._source if host is self._named_by else stft(x)
        solver = _Solver(x, spectrum, self._profile, self._quality, 0)
        return solver.solve([m for group in self._groups for m in group], steps, self._amount).numpy()

    def _rescale(self, factor: Floats) -> None:
        """Take the nearest of the known scales; seconds that get another one begin anew."""
        known = np.array(SHORT_SCALES)
        wanted = np.log(self._quality.strength * factor)
        scale = torch.from_numpy(known[np.abs(np.log(known)[None] - wanted[:, None]).argmin(1)]).float()
        other = scale != self._scale
        self._scale = scale
        for second in np.flatnonzero(other.numpy()):
            at = self._first // HOP + second * EUL_FRAMES
            self._amount[..., at : at + EUL_FRAMES] = 0.0
        for group in self._groups:
            here = torch.from_numpy(group[0].euls)
            aims = [mixture.aim for mixture in group]
            _set_scales(group, scale[here, None].expand(-1, self._profile.regions), self._bits)
            for mixture, aim in zip(group, aims, strict=True):
                mixture.aim = torch.where(other[here, None], torch.nan, aim)


def _held_back(original: Audio, marked: Audio, first: int, loud: dict[int, float]) -> Audio:
    """`marked` with a smaller share of the change in the seconds that are `loud`, short ramps round them."""
    share = np.ones(original.shape[1], np.float32)
    for eul, excess in loud.items():
        share[first + eul * RATE : first + (eul + 1) * RATE] = excess**-RETREAT
    return original + uniform_filter1d(share, round(_RAMP_S * RATE)) * (marked - original)


class Loudness:
    """How far seconds of a block are from the original: all channels, later the one that was furthest."""

    def __init__(self, original: Audio, first: int, euls: int) -> None:
        self.original = original
        self.seconds = [slice(first + i * RATE, first + (i + 1) * RATE) for i in range(euls)]
        self.channels = [list(range(len(original)))] * euls

    def over(self, marked: Audio, limit: float) -> dict[int, float]:
        """Seconds whose distance exceeds `limit`, and by which factor."""
        asked = [(c, here) for here, its in zip(self.seconds, self.channels, strict=True) for c in its]
        each = iter(distances([(self.original[at], marked[at]) for at in asked], RATE))
        found = {}
        for i, its in enumerate(self.channels):
            distance, furthest = max(((float(next(each)), c) for c in its), key=lambda pair: pair[0])
            self.channels[i] = [furthest]
            if (excess := distance / limit) > 1.0:
                found[i] = excess
        return found


def distances_of_change(original: Audio, marked: Audio, first: int, seconds: int) -> Floats:
    """Distance of each second ``[seconds]`` from sample `first` on, of the channel of which the largest share
    was changed: half the work of `Loudness` in stereo."""
    pairs = []
    for at in range(first, first + seconds * RATE, RATE):
        a, b = original[:, at : at + RATE], marked[:, at : at + RATE]
        channel = changed_most(a, b)
        pairs.append((a[channel], b[channel]))
    return distances(pairs, RATE)


def _adjust(
    group: list[_Mixture], wanted: torch.Tensor, loud: dict[int, float], profile: Profile, n_data: int
) -> None:
    """The scales nearest to `wanted` ``[seconds, regions]``; seconds that are too loud get smaller ones."""
    known = torch.tensor(sorted(profile.scales))
    limit = group[0].scale.clone()
    for row, eul in enumerate(group[0].euls.tolist()):
        limit[row] = limit[row] * loud[eul] ** -RETREAT if eul in loud else torch.inf
    wanted = torch.minimum(wanted, limit)
    nearest = (known.log() - wanted.clamp(known[0], known[-1]).log()[..., None]).abs().argmin(-1)
    scale = known[nearest]
    below = known[(nearest - 1).clamp_min(0)]
    _set_scales(group, torch.where(scale > limit, below, scale), n_data)


class _Solver:
    """Finds the perturbation of one block; holds what does not change from step to step."""

    def __init__(
        self, x: torch.Tensor, spectrum: torch.Tensor, profile: Profile, quality: Quality, origin: int
    ) -> None:
        self.x, self.spectrum, self.profile, self.quality = x, spectrum, profile, quality
        self.origin = origin
        own = masked(spectrum, profile)
        room = -torch.nn.functional.max_pool1d(-own, 3, 1, 1)
        room = torch.where(room.square() > profile.mark_floor, room, 0.0)
        height = spectrum.abs() / (own * 10.0 ** (profile.masking_offset_db / 20.0))
        # Not by torch, whose powers depend on the processor.
        levelled = height.clamp(*_HEIGHTS).double().numpy() ** -_LEVELLING
        self.room = room * torch.from_numpy(levelled).to(room.dtype)
        self.bound = x.abs().clamp_min(HEADROOM)

    def solve(self, every: list[_Mixture], steps: int, amount: torch.Tensor | None = None) -> torch.Tensor:
        """The marked block after `steps` steps from the unmarked one, or from what `amount`, in units of
        `room`, adds to it; the steps go on into that."""
        fresh = amount is None or not bool(amount.any())
        if amount is None:
            amount = torch.zeros(self.spectrum.shape, dtype=self.spectrum.dtype)
        flat = [a.view(-1) for a in amount]
        room = [r.reshape(-1) for r in self.room]
        marked = self.x if fresh else self._with(amount)
        for step in range(steps):
            now = self.spectrum if step == 0 and fresh else stft(marked)
            seen = [mixture.observe(now, self.profile) for mixture in every]
            if self.quality.codecs and step % self.quality.refresh == 0:
                turn = step // self.quality.refresh % len(self.quality.codecs)
                coded = self._coded_plain if step == 0 else self._coded(marked, turn)
                _note_shifts(every, [p for p, _ in seen], coded, self.profile, self.quality.memory)
            for mixture, (p, thr) in zip(every, seen, strict=True):
                _move(mixture, p, thr, flat, room, self.quality)
            marked = self._with(amount)
        return marked

    def _with(self, amount: torch.Tensor) -> torch.Tensor:
        marked = self.x + istft(amount * self.room, self.x.shape[-1])
        return torch.minimum(torch.maximum(marked, -self.bound), self.bound)

    def _coded(self, audio: torch.Tensor, turn: int) -> torch.Tensor:
        return stft(codec_by_pairs(audio.numpy(), self.quality.codecs[turn], self.origin))

    @cached_property
    def _coded_plain(self) -> torch.Tensor:
        return self._coded(self.x, 0)


def _note_shifts(
    every: Sequence[_Mixture],
    seen: Sequence[torch.Tensor],
    coded: torch.Tensor,
    profile: Profile,
    memory: float,
) -> None:
    """Record how far a codec moves each carrier: ``low`` <= 0 <= ``high``, in units of the projection.

    `coded`: the spectrum after the codec, of the audio whose projections are `seen`.
    """
    for mixture, p in zip(every, seen, strict=True):
        shift = mixture.observe(coded, profile)[0] - p
        mixture.low = torch.minimum(memory * mixture.low, shift).clamp_max(0.0)
        mixture.high = torch.maximum(memory * mixture.high, shift).clamp_min(0.0)


def codec_by_pairs(audio: Audio, codec: Callable[[Audio], Audio], origin: int) -> torch.Tensor:
    """`codec` applied to mono or stereo as it is, to more channels two by two, in pieces side by side.

    `origin`: position of the audio in the whole signal, whose codec frames start at multiples of `_FRAME`.
    """
    lead = origin % _FRAME
    padded = np.pad(audio, ((0, 0), (lead, 0)))
    starts = range(0, padded.shape[1], _PIECE)

    def piece(pair: int, start: int) -> Audio:
        first = max(0, start - _RUN_IN)
        coded = codec(padded[pair : pair + 2, first : start + _PIECE + _RUN_OUT])
        return coded[:, start - first : start - first + _PIECE]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [[pool.submit(piece, c, start) for start in starts] for c in range(0, len(audio), 2)]
        pairs = [np.concatenate([job.result() for job in pair], axis=1) for pair in jobs]
    return torch.from_numpy(np.ascontiguousarray(np.concatenate(pairs)[:, lead:]))


def _move(
    mixture: _Mixture,
    p: torch.Tensor,
    thr: torch.Tensor,
    amount: list[torch.Tensor],
    room: list[torch.Tensor],
    quality: Quality,
) -> None:
    """One step of the carriers of `mixture`, into `amount` (flat, in units of `room`)."""
    error = displacement(p / mixture.step + mixture.dither, mixture.bits) * mixture.step
    mixture.aim = torch.where(mixture.aim.isnan(), quality.stay * error, mixture.aim)
    low, high = mixture.aim - quality.near * mixture.step, mixture.aim + quality.near * mixture.step
    if mixture.low.ndim:
        low = low - quality.trust * torch.maximum(mixture.low, -1.5 * mixture.step)
        high = high - quality.trust * torch.minimum(mixture.high, 1.5 * mixture.step)
    middle = (low + high) / 2.0
    crossed = low > high
    low, high = torch.where(crossed, middle, low), torch.where(crossed, middle, high)
    excess = error - torch.minimum(torch.maximum(error, low), high)
    gains = []
    power = torch.zeros_like(p)
    for c in np.flatnonzero(mixture.mix):
        gain = _picked(room[c], mixture.whole) / thr * float(mixture.mix[c])
        gains.append((c, gain))
        power = power + (gain.square() * mixture.strength).sum(-1)
    length = torch.where(power > _REACH, quality.reach * excess / power.clamp_min(_REACH), 0.0)
    for c, gain in gains:
        move = length[..., None] * gain * mixture.weight
        amount[c].index_add_(0, mixture.whole.reshape(-1), -move.reshape(-1))
