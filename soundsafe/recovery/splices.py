"""The cell layer read from audio that was cut into pieces and spliced: tempo and pitch by waveform
overlap-add.

Such engines leave the waveform whole for tens of milliseconds and shift each piece by up to some 15 ms. Where
every frame of a second should lie is known (`soundsafe.recovery.splice_search`); round that place all
positions are tried, and a Viterbi path over the frames (staying in a piece is free, a jump has a price) takes
the positions at which carriers sit on their lattice. Frames at splices fit nowhere and become erasures.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.aliases import Audio, Floats, Ints
from soundsafe.cells.code import CellCode, Geometry
from soundsafe.cells.host import with_missing_frames
from soundsafe.cells.lattice import faint_soft_values, soft_values
from soundsafe.cells.layout import features
from soundsafe.cells.masking import threshold
from soundsafe.cells.mixtures import mixtures
from soundsafe.cells.profile import EUL_FRAMES, Profile
from soundsafe.cells.reading import (
    Reading,
    ShortReading,
    choose_scales,
    choose_short_scale,
    fit_layout,
    likeliest_codes,
    reading_of,
)
from soundsafe.stft import HOP, N_FFT, RATE, Stft

__all__ = ["read_spliced_second"]

_GRID = 49
REACH_S = 0.018
"""How far from where the tempo puts it a frame is looked for."""

_JUMP = 12.0
"""Price of a jump: the logarithm of the positions it could lead to, and of how seldom it happens."""

_SHARPNESS = 1.5
"""Concentration (von Mises) of carriers that were found: the weight of a cosine in the path's score."""

_LOG_I0 = 0.499

_LEAST_SHARE = 0.5
"""Share of a second that the audio must hold."""

_SURE_FIT = 25.0
"""Fit of a layout after which no other is tried."""


class _Mixture:
    """One mixture of channels: spectrum over threshold at every `_GRID`-th sample from `first` on."""

    def __init__(self, x: NDArray[np.float32], first: int, last: int, profile: Profile) -> None:
        half = N_FFT // 2
        low, high = first - half, last + half
        padded = _slice(x, low, high)
        spectrum = Stft(N_FFT, _GRID).forward(torch.from_numpy(padded))[:, half // _GRID :]
        self.first = first
        self.count = (last - first) // _GRID + 1
        self.spectrum = spectrum[:, : self.count]
        self.ratio = self.spectrum / threshold(self.spectrum, profile)

    def straight(self, at: Ints) -> torch.Tensor:
        """The spectrum ``[bins, frames]`` of the frames that lie at samples `at`."""
        nearest = np.clip(np.round((at - self.first) / _GRID).astype(np.int64), 0, self.count - 1)
        late = torch.from_numpy((at - self.first - nearest * _GRID).astype(np.float32))
        angle = 2.0 * math.pi / N_FFT * torch.arange(len(self.spectrum))[:, None] * late
        return self.spectrum[:, torch.from_numpy(nearest)] * torch.polar(torch.ones_like(angle), angle)


def _slice(x: NDArray[np.float32], low: int, high: int) -> NDArray[np.float32]:
    part = x[max(low, 0) : max(high, 0)]
    return np.ascontiguousarray(np.pad(part, (max(0, -low), high - max(low, 0) - len(part))))


def _project(
    mixture: _Mixture, carriers: Ints, geo: Geometry, columns: Ints, shifts: torch.Tensor
) -> torch.Tensor:
    """Projections ``[carriers, columns, shifts]`` of carriers read at grid `columns` and `shifts` samples
    later."""
    bins = torch.from_numpy(geo.bins[carriers])
    cells = mixture.ratio[bins.reshape(-1)][:, torch.from_numpy(columns)].reshape(*bins.shape, -1)
    cells = cells * geo.weight[carriers].conj()[..., None]
    turn = 2.0 * math.pi / N_FFT * bins[..., None] * shifts
    rotation = torch.polar(torch.ones_like(turn), turn)
    return torch.bmm(cells.real.transpose(1, 2), rotation.real) - torch.bmm(
        cells.imag.transpose(1, 2), rotation.imag
    )


def _best_path(emission: NDArray[np.float32], drift: Ints) -> Ints:
    """States ``[frames]`` of the best path through `emission` ``[frames, states]``.

    State s of a frame continues as state ``s - drift[frame]`` of the next, free of charge; any other costs
    `_JUMP`.
    """
    frames, n = emission.shape
    score = emission[0].copy()
    back = np.zeros((frames, n), np.int64)
    for f in range(1, frames):
        source = np.arange(n) + drift[f]
        inside = (source >= 0) & (source < n)
        stay = np.where(inside, score[np.clip(source, 0, n - 1)], -np.inf)
        jump = int(score.argmax())
        take = stay >= score[jump] - _JUMP
        back[f] = np.where(take, source, jump)
        score = np.where(take, stay, score[jump] - _JUMP) + emission[f]
    path = np.zeros(frames, np.int64)
    path[-1] = int(score.argmax())
    for f in range(frames - 1, 0, -1):
        path[f - 1] = back[f, path[f]]
    return path


def read_spliced_second(
    audio: Audio, start: float, tempo: float, phase: int, code: CellCode, rounds: int = 2
) -> Reading | None:
    """One second of audio that was cut into pieces.

    Args:
        audio: ``[channels, samples]`` at 44.1 kHz.
        start: sample near which the second begins.
        tempo: frames follow each other every 441 / `tempo` samples on the average.
        phase: the second's number modulo `PHASES`.
        code: key and profile.
        rounds: how often the path is found anew with what its bits say.

    Returns:
        None where the audio does not hold half of the second.
    """
    geo = code.geometry
    reach = int(REACH_S * RATE) // _GRID * _GRID
    middle = np.round(start + np.arange(EUL_FRAMES) * HOP / tempo).astype(np.int64)
    first, last = int(middle[0]) - reach - _GRID, int(middle[-1]) + reach + 2 * _GRID
    heard = (middle > -5 * HOP) & (middle < audio.shape[1] + 5 * HOP)
    if heard.mean() < _LEAST_SHARE:
        return None
    whole = (middle > -HOP / 2) & (middle < audio.shape[1] - HOP / 2)
    seen = [_Mixture(mix @ audio, first, last, code.profile) for mix in mixtures(len(audio), phase)]
    shifts = torch.arange(-(_GRID // 2), _GRID // 2 + 1).float()
    width = 2 * reach // _GRID + 1
    # The column of each frame's lowest state, and how a frame's states lie relative to those of the frame
    # before.
    column = np.round((middle - reach - first) / _GRID).astype(np.int64)
    origin = first + column * _GRID - _GRID // 2
    drift = np.concatenate([[0], np.diff(origin) - HOP])
    by_frame = [np.flatnonzero(geo.frame == f) for f in range(EUL_FRAMES)]
    columns = column[:, None] + np.arange(width)
    pilots = np.zeros((EUL_FRAMES, width * _GRID), np.float32)
    for f, rows in enumerate(geo.pilot):
        for mixture in seen:
            p = _project(mixture, rows, geo, columns[f], shifts).reshape(len(rows), -1)
            u = p / geo.step[rows][:, None] + geo.pilot_dither[f][:, None]
            signs = geo.pilot_sign[phase, f][:, None]
            pilots[f] += (torch.cos(math.pi * u) * signs).sum(0).numpy() / len(seen)
    emission = _SHARPNESS * pilots
    at = origin + _best_path(emission, drift)
    codes = [_likeliest_code(mixture, at, whole, phase, code) for mixture in seen]
    kept = [
        [
            _project(mixture, rows, own.geometry, columns[f], shifts).reshape(len(rows), -1)
            for f, rows in enumerate(by_frame)
        ]
        for mixture, own in zip(seen, codes, strict=True)
    ]
    best: Reading | None = None
    for _ in range(rounds + 1):
        path = _best_path(emission, drift)
        found = _read(start, seen, kept, path, heard, pilots, origin, phase, codes)
        if best is None or found.fit > best.fit:
            best = found
        emission = _SHARPNESS * (pilots + _data_emission(kept, by_frame, found, geo))
    return best


def _likeliest_code(
    mixture: _Mixture, at: Ints, whole: NDArray[np.bool_], phase: int, code: CellCode
) -> CellCode:
    """The code of a second whose frames lie at samples `at`, of those that are there as a `whole`
    ``[frames]``."""
    if not code.profile.host_bound:
        return code
    mixed = with_missing_frames(mixture.straight(at), whole)
    return likeliest_codes(mixed, features(mixed, code.profile), code, phase)[0].code


def _read(
    start: float,
    seen: list[_Mixture],
    kept: list[list[torch.Tensor]],
    path: Ints,
    heard: NDArray[np.bool_],
    pilots: NDArray[np.float32],
    origin: Ints,
    phase: int,
    codes: list[CellCode],
) -> Reading:
    """Layout, scales and soft values of frames read where `path` says."""
    code = codes[0]
    geo = code.geometry
    at = origin + path
    fitted = []
    for v, mixture in enumerate(seen):
        feats = features(mixture.straight(at), code.profile)
        p = torch.zeros(len(geo.frame))
        for f in range(EUL_FRAMES):
            p[geo.frame == f] = kept[v][f][:, path[f]]
        fitted.append(fit_layout(p, feats, codes[v], phase, _SURE_FIT))
    choice = choose_scales([one for one, _ in fitted], code)
    short = choose_short_scale([one for _, one in fitted])
    llr, short_llr = np.zeros(len(geo.scramble)), np.zeros(len(geo.scramble))
    # What was read in a piece of which the pilots say that it lies elsewhere is worth little.
    trust = heard * _trust(at, pilots[np.arange(EUL_FRAMES), path], geo.pilot.shape[1])
    for one, one_short in fitted:
        lay = one.layout
        u = one.position / choice.scales[torch.from_numpy(geo.region[lay.slots])] + lay.dither
        llr += _trusted(soft_values(u, lay, geo), trust[geo.frame[lay.slots]])
        lay = one_short.layout
        u = one_short.position / short.scale + lay.dither
        short_llr += _trusted(faint_soft_values(u, lay, geo), trust[geo.frame[lay.slots]])
    scramble = 1.0 - 2.0 * geo.scramble
    return reading_of(start, llr * scramble, ShortReading(short_llr * scramble), fitted, choice, short)


def _trusted(llr: Floats, trust: Floats) -> Floats:
    """Soft values that are right only with probability `trust`, and say nothing otherwise."""
    sure = trust * np.tanh(np.clip(llr, -30, 30) / 2.0)
    return np.asarray(2.0 * np.arctanh(np.clip(sure, -1 + 1e-9, 1 - 1e-9)), np.float64)


def _trust(at: Ints, agreement: NDArray[np.float32], pilots: int) -> Floats:
    """Probability that each frame was found at its true place, from the pilots of its piece ``[frames]``."""
    piece = np.concatenate([[0], np.cumsum(np.diff(at) != HOP)])
    gain = np.bincount(piece, _SHARPNESS * agreement - _LOG_I0 * pilots)
    return (1.0 / (1.0 + np.exp(-np.clip(gain, -30, 30))))[piece]


def _data_emission(
    kept: list[list[torch.Tensor]],
    by_frame: list[Ints],
    found: Reading,
    geo: Geometry,
) -> NDArray[np.float32]:
    """How well the slots of each frame sit on the lattice at each position ``[frames, states]``."""
    scale = torch.tensor(found.scales)
    total = np.zeros((len(by_frame), kept[0][0].shape[1]), np.float32)
    for lay, mixture in zip(found.layouts, kept, strict=True):
        order = np.full(len(geo.frame), -1, np.int64)
        order[lay.slots] = np.arange(len(lay.slots))
        for f, carriers in enumerate(by_frame):
            rows = np.flatnonzero(order[carriers] >= 0)
            c = carriers[rows]
            step = (geo.step[c] * scale[torch.from_numpy(geo.region[c])])[:, None]
            dither = lay.dither[torch.from_numpy(order[c])][:, None]
            position = mixture[f][torch.from_numpy(rows)] / step + dither
            total[f] += (torch.cos(2.0 * math.pi * position).sum(0) / len(kept)).numpy()
    return total
