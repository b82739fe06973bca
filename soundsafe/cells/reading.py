"""The soft values of one second, whose place is known, from audio and key alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from soundsafe.aliases import Audio, Floats
from soundsafe.cells.code import CellCode
from soundsafe.cells.equaliser import CHANCE, layout_fit, supposed_features, undo_equaliser
from soundsafe.cells.host_sync import likeliest_codes
from soundsafe.cells.joint import Positions
from soundsafe.cells.lattice import cell_index, correlate, fit_by_region, project, soft_values
from soundsafe.cells.layout import Features, Layout, candidate_layouts, features
from soundsafe.cells.masking import threshold
from soundsafe.cells.mixtures import mix_channels, mixtures
from soundsafe.cells.profile import EUL_FRAMES, EUL_SAMPLES
from soundsafe.cells.settings import DETECTOR, DetectorSettings
from soundsafe.stft import HOP, N_FFT, stft

__all__ = [
    "MARGIN",
    "FittedLayout",
    "Reading",
    "ScaleChoice",
    "choose_scales",
    "fit_layout",
    "read_equalised",
    "read_second",
]

MARGIN = 10 * HOP
"""Samples on either side of a second with which its frames are transformed."""


@dataclass(frozen=True)
class Reading:
    """Soft values of one second, with what the detector took its slots from.

    `start` in samples at 44.1 kHz; `llr` ``[2040]`` in the order of the coded bits, positive for 0;
    `layouts`: of each mixture of channels that carries the second; `scales` ``[regions]``; `fit`: how well
    the slots sit on the lattice (standard normal by chance); `mixtures`: the projections behind it, to be
    read together with others.
    """

    start: float
    llr: Floats
    layouts: tuple[Layout, ...]
    scales: tuple[float, ...]
    fit: float
    mixtures: tuple[Positions, ...] = ()

    def unfiltered(self, settings: DetectorSettings = DETECTOR) -> bool:
        """Whether it fits so well that the audio has gone through no equaliser."""
        return self.fit >= settings.unfiltered_fit * math.sqrt(len(self.layouts))


@dataclass(frozen=True)
class FittedLayout:
    """One mixture on the layout that it fits best: `position` ``[2040]`` of the slots in steps at scale 1,
    `fits` ``[regions, scales]``."""

    layout: Layout
    position: torch.Tensor
    fits: torch.Tensor


@dataclass(frozen=True)
class ScaleChoice:
    """The scales ``[regions]`` that several mixtures of one second fit best together, and that fit."""

    scales: torch.Tensor
    fit: float


def second_spectrum(audio: Audio, start: float) -> torch.Tensor | None:
    """The spectrum of one second.

    Args:
        audio: ``[channels, samples]`` at 44.1 kHz.
        start: sample at which the second starts; fractions are made up for by rotation.

    Returns:
        ``[channels, bins, EUL_FRAMES]``, or None where the audio does not hold all of it.
    """
    whole = round(start)
    lead = min(MARGIN, whole // HOP * HOP) if whole > 0 else 0
    first = whole - lead
    x = audio[:, max(first, 0) : whole + EUL_SAMPLES + MARGIN]
    if first < 0:
        x = np.pad(x, ((0, 0), (-first, 0)), mode="reflect")
    need = lead + EUL_SAMPLES - HOP
    if x.shape[1] < need:
        return None
    spectrum = stft(torch.from_numpy(np.ascontiguousarray(x)))
    frames = lead // HOP
    if spectrum.shape[-1] < frames + EUL_FRAMES:
        return None
    spectrum = spectrum[..., frames : frames + EUL_FRAMES]
    rest = start - whole
    if abs(rest) < 1e-3:
        return spectrum
    angle = 2.0 * math.pi * rest * torch.arange(spectrum.shape[-2]) / N_FFT
    return spectrum * torch.polar(torch.ones_like(angle), angle)[:, None]


def fit_layout(
    p: torch.Tensor, feats: Features, code: CellCode, phase: int, sure_fit: float, doubt: float = 0.0
) -> FittedLayout:
    """The layout, of those near what the audio names, on whose lattice the projections sit best.

    Args:
        p: projections ``[carriers]`` of one mixture.
        feats: its features.
        code: key and profile.
        phase: the second's number modulo `PHASES`.
        sure_fit: fit, summed over the regions, after which no other layout is tried.
        doubt: what a decibel of a layout's distance takes from its fit.
    """
    geo = code.geometry
    best: tuple[float, FittedLayout] | None = None
    for lay in candidate_layouts(feats, code, phase):
        position = p[lay.slots] / geo.step[lay.slots]
        fits = fit_by_region(position, lay, geo)
        value = float(fits.max(1).values.sum()) - doubt * lay.distance_db
        if best is None or value > best[0]:
            best = value, FittedLayout(lay, position, fits)
        if value > sure_fit:
            break
    assert best is not None  # the audio always names a layout
    return best[1]


def choose_scales(fitted: Sequence[FittedLayout], code: CellCode) -> ScaleChoice:
    """The scales of a second: channels that carry the same second share them."""
    profile = code.profile
    total = torch.stack([one.fits for one in fitted]).sum(0)
    best = float(total.max(1).values.sum() / math.sqrt(profile.regions * len(fitted)))
    return ScaleChoice(torch.tensor(profile.scales)[total.argmax(1)], best)


def _carriers_index(code: CellCode) -> torch.Tensor:
    """Where the cells of one second's carriers lie in its spectrum."""
    return cell_index(code.geometry, torch.zeros(1, dtype=torch.int64), EUL_FRAMES)[0]


def read_second(
    audio: Audio, start: float, phase: int, code: CellCode, settings: DetectorSettings = DETECTOR
) -> Reading | None:
    """Soft values of one second.

    Several mixtures of channels that carry the same bits are read apart and their soft values added.

    Args:
        audio: ``[channels, samples]`` at 44.1 kHz.
        start: sample of it at which the second starts; fractions count.
        phase: the second's number modulo `PHASES`.
        code: key and profile.
        settings: the detector's.

    Returns:
        None where the audio does not hold all of the second.
    """
    spectrum = second_spectrum(audio, start)
    if spectrum is None:
        return None
    geo, profile = code.geometry, code.profile
    sure_fit = settings.sure_fit * profile.regions / 5
    fitted = []
    for mix in mixtures(spectrum.shape[0], phase):
        mixed = mix_channels(spectrum, mix)
        fitted.append(_fit_mixture(mixed, code, phase, sure_fit, settings))
    choice = choose_scales(fitted, code)
    llr = np.zeros(len(geo.scramble))
    for one in fitted:
        region = torch.from_numpy(geo.region[one.layout.slots])
        llr += soft_values(one.position / choice.scales[region] + one.layout.dither, one.layout, geo)
    return reading_of(start, llr * (1.0 - 2.0 * geo.scramble), fitted, choice)


def _fit_mixture(
    mixed: torch.Tensor, code: CellCode, phase: int, sure_fit: float, settings: DetectorSettings
) -> FittedLayout:
    """The code and layout that one mixture fits best, of those that the audio may have."""
    ratio, feats = mixed / threshold(mixed, code.profile), features(mixed, code.profile)
    best: FittedLayout | None = None
    for own in _codes(mixed, phase, code, settings):
        p = project(ratio, _carriers_index(own), own.geometry)
        fitted = fit_layout(p, feats, own, phase, sure_fit, settings.doubt)
        if best is None or _total(fitted) > _total(best):
            best = fitted
        if _total(best) > sure_fit:
            break
    assert best is not None  # there is at least one code
    return best


def _total(fitted: FittedLayout) -> float:
    return float(fitted.fits.max(1).values.sum())


def _codes(mixed: torch.Tensor, phase: int, code: CellCode, settings: DetectorSettings) -> list[CellCode]:
    """The codes that a second of `phase` may have: of a profile that binds marks to their audio a few."""
    if not code.profile.host_bound:
        return [code]
    found = likeliest_codes(mixed, phase, code, settings.host_words, settings.sure_pilots)
    return found[: settings.host_codes]


def reading_of(start: float, llr: Floats, fitted: Sequence[FittedLayout], choice: ScaleChoice) -> Reading:
    """A reading of mixtures on their layouts, with soft values `llr` ``[2040]`` in the order of the code."""
    return Reading(
        start=start,
        llr=llr,
        layouts=tuple(one.layout for one in fitted),
        scales=tuple(float(s) for s in choice.scales),
        fit=choice.fit,
        mixtures=tuple(Positions(one.position.numpy(), one.layout) for one in fitted),
    )


def _likeliest_layout(
    x: torch.Tensor, feats: Features, code: CellCode, phase: int, settings: DetectorSettings
) -> Layout:
    """The layout on whose lattice the complex projections `x` ``[carriers]`` sit best after an equaliser."""
    geo = code.geometry
    best: tuple[float, Layout] | None = None
    seen = set()
    for supposed in supposed_features(feats):
        for lay in islice(candidate_layouts(supposed, code, phase), settings.supposed_layouts):
            if lay.digest in seen:
                continue
            seen.add(lay.digest)
            fit = layout_fit(x[lay.slots], lay, geo)
            if best is None or fit > best[0]:
                best = fit, lay
            if fit > settings.supposed_fit:
                return lay
    assert best is not None
    return best[1]


def read_equalised(
    audio: Audio, start: float, phase: int, code: CellCode, settings: DetectorSettings = DETECTOR
) -> Reading | None:
    """`read_second` of audio after an equaliser that is not known; of its fit, chance is taken off."""
    spectrum = second_spectrum(audio, start)
    if spectrum is None:
        return None
    geo, profile = code.geometry, code.profile
    llr = np.zeros(len(geo.scramble))
    layouts, positions, total = [], [], 0.0
    for mix in mixtures(spectrum.shape[0], phase):
        mixed = mix_channels(spectrum, mix)
        own = _codes(mixed, phase, code, settings)[0]
        x = correlate(mixed / threshold(mixed, profile), _carriers_index(own), own.geometry) / geo.step
        lay = _likeliest_layout(x, features(mixed, profile), own, phase, settings)
        undone = undo_equaliser(x[lay.slots], lay, geo)
        soft = soft_values(undone.p + lay.dither, lay, geo)
        llr += np.where(undone.trusted.numpy(), soft, 0.0)
        layouts.append(lay)
        positions.append(Positions(undone.p.numpy(), lay))
        total += undone.fit - CHANCE
    return Reading(
        start=start,
        llr=llr * (1.0 - 2.0 * geo.scramble),
        layouts=tuple(layouts),
        scales=(1.0,) * profile.regions,
        fit=total / math.sqrt(len(layouts)),
        mixtures=tuple(positions),
    )
