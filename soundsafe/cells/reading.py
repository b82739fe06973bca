"""The soft values of one second, whose place is known, from audio and key alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.aliases import Audio, Floats
from soundsafe.cells.code import CellCode, Geometry
from soundsafe.cells.equaliser import CHANCE, layout_fit, supposed_features, undo_equaliser
from soundsafe.cells.host import codes_of_second
from soundsafe.cells.joint import Positions
from soundsafe.cells.lattice import (
    cell_index,
    correlate,
    faint_soft_values,
    fit_by_region,
    named_fits,
    project,
    project_slots,
    short_fits,
    soft_values,
)
from soundsafe.cells.layout import Features, Layout, candidate_layouts, choose_layout, features, layout_up_to
from soundsafe.cells.lost_bass import supposed_layouts
from soundsafe.cells.masking import threshold
from soundsafe.cells.mixtures import mix_channels, mixtures
from soundsafe.cells.profile import EUL_FRAMES, EUL_SAMPLES, ROBUST, SHORT_SCALES
from soundsafe.cells.settings import DETECTOR, DetectorSettings
from soundsafe.message.coding import N
from soundsafe.stft import HOP, N_FFT, stft

__all__ = [
    "MARGIN",
    "FittedLayout",
    "Projected",
    "Reading",
    "ScaleChoice",
    "ShortChoice",
    "ShortReading",
    "choose_scales",
    "choose_short_scale",
    "fit_layout",
    "likeliest_codes",
    "read_equalised",
    "read_second",
    "read_without_bass",
]

_REGIONS = ROBUST.regions

_STANDS_OUT = 4.0
"""By how much the summed fit under another code must be better to be believed."""

_CHANCE_OF_MANY = 5.0
"""Logarithm of how likely the likeliest of many codes seems by chance, at most."""

_CHANCE_FIT = 1.4
"""The best fit of several scales where none fits."""

MARGIN = 10 * HOP
"""Samples on either side of a second with which its frames are transformed."""


@dataclass(frozen=True)
class Projected:
    """All projections `p` ``[carriers]`` of one mixture under a `code` that its audio may have named.

    `away`: decibels that features would have to move for the code's description; `phase` and `features`: of
    the second.
    """

    p: NDArray[np.float32]
    code: CellCode
    away: float
    phase: int
    features: Features

    @cached_property
    def _named(self) -> Layout:
        """The layout that its features name."""
        return choose_layout(self.features, self.code, self.phase)

    def on_layout(self, top: int | None) -> Positions | None:
        """Its positions on the layout that its features name, or would name if band `top` were the highest
        that is alive; None where that cannot be."""
        lay: Layout | None = self._named
        if top is not None:
            lay = layout_up_to(self.features, self._named.anchors, top, self.code, self.phase)
        if lay is None:
            return None
        return Positions(self.p[lay.slots] / self.code.geometry.step[lay.slots].numpy(), lay)


@dataclass(frozen=True)
class ShortReading:
    """Soft values ``[2040]`` of one second for a short word, read at one scale for all regions.

    `fits` ``[SHORT_SCALES]``: of all slots at each scale, and the `mixtures` behind them, to be read at
    another one; none where that cannot be done. `others`: of each mixture, what it says under other codes
    that are likely, the likeliest first; none where one is sure.
    """

    llr: Floats = field(default_factory=lambda: np.zeros(N))
    fits: Floats = field(default_factory=lambda: np.zeros(len(SHORT_SCALES)))
    mixtures: tuple[Positions, ...] = ()
    others: tuple[tuple[Positions, ...], ...] = ()
    projected: tuple[tuple[Projected, ...], ...] = ()

    def under_other_codes(self, code: CellCode) -> Iterator[ShortReading]:
        """The same under the next likely code, for each mixture in turn."""
        for i, its in enumerate(self.others):
            for other in its:
                mixtures = (*self.mixtures[:i], other, *self.mixtures[i + 1 :])
                yield ShortReading(fits=_short_fits(mixtures, code.geometry), mixtures=mixtures)

    def at_scale(self, which: int, code: CellCode) -> Floats:
        """Soft values ``[2040]`` at another of `SHORT_SCALES`."""
        geo = code.geometry
        llr = np.zeros(len(geo.scramble))
        for one in self.mixtures:
            position = torch.from_numpy(one.p) / SHORT_SCALES[which] + one.layout.dither
            llr += faint_soft_values(position, one.layout, geo)
        return llr * (1.0 - 2.0 * geo.scramble)


@dataclass(frozen=True)
class Reading:
    """Soft values of one second, with what the detector took its slots from.

    `start` in samples at 44.1 kHz; `soft`: what `llr` is, or what works it out when it is first asked for;
    `layouts`: of each mixture of channels that carries the second; `scales` ``[regions]``; `fit`: how well
    the slots sit on the lattice (standard normal by chance); `mixtures`: the projections behind `llr`, to be
    read together with others; `short`: the same second as one with a short word. Layouts, scales and fit are
    those of the kind of word that fits better.
    """

    start: float
    soft: Floats | Callable[[], Floats]
    layouts: tuple[Layout, ...]
    scales: tuple[float, ...]
    fit: float
    mixtures: tuple[Positions, ...] = ()
    short: ShortReading = field(default_factory=ShortReading)

    @cached_property
    def llr(self) -> Floats:
        """Soft values ``[2040]`` in the order of the coded bits, positive for 0."""
        return self.soft() if callable(self.soft) else self.soft

    def without_projections(self) -> Reading:
        """The same without what it takes to read it under other codes and on other layouts."""
        return replace(self, short=replace(self.short, projected=()))

    def for_both_words(self) -> Floats:
        """Soft values for a long word and for a short one ``[2, 2040]``."""
        return np.stack([self.llr, self.short.llr])

    @property
    def is_learnable(self) -> bool:
        """Whether it was marked by version 1, which anybody may have learned and forged."""
        return all(layout.host is None for layout in self.layouts)

    def unfiltered(self, settings: DetectorSettings = DETECTOR) -> bool:
        """Whether it fits so well that the audio has gone through no equaliser."""
        return self.fit >= settings.unfiltered_fit * math.sqrt(len(self.layouts))


@dataclass(frozen=True)
class FittedLayout:
    """One mixture on the layout that it fits best: `position` ``[2040]`` of the slots in steps at scale 1,
    `fits` ``[regions, scales]``; for a short word, which has one scale for all regions, ``[SHORT_SCALES]``.
    """

    layout: Layout
    position: torch.Tensor
    fits: torch.Tensor


@dataclass(frozen=True)
class ScaleChoice:
    """The scales ``[regions]`` that several mixtures of one second fit best together, and that fit."""

    scales: torch.Tensor
    fit: float


@dataclass(frozen=True)
class ShortChoice:
    """The one scale of a second with a short word that its mixtures fit best together: which of
    `SHORT_SCALES`; and the sums of the fits of all ``[SHORT_SCALES]``, normal by chance."""

    which: int
    fits: Floats

    @property
    def scale(self) -> float:
        """The scale."""
        return SHORT_SCALES[self.which]

    @property
    def fit(self) -> float:
        """Its fit."""
        return float(self.fits[self.which])


def _short_fits(mixtures: Sequence[Positions], geo: Geometry) -> Floats:
    """Fits ``[SHORT_SCALES]`` of mixtures of one second for a short word."""
    each = []
    for one in mixtures:
        position = torch.from_numpy(one.p)
        each.append(short_fits(position, one.layout, named_fits(position, one.layout, geo)))
    return torch.stack(each).sum(0).double().numpy() / math.sqrt(len(each))


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
    p: torch.Tensor,
    feats: Features,
    code: CellCode,
    phase: int,
    sure_fit: float,
    doubt: float = 0.0,
    sure_name: float = DETECTOR.sure_name,
) -> tuple[FittedLayout, FittedLayout]:
    """The layouts, of those near what the audio names, on whose lattice the projections sit best: with a
    scale for each region, and with one for all, as a short word has.

    Args:
        p: projections ``[carriers]`` of one mixture.
        feats: its features.
        code: key and profile.
        phase: the second's number modulo `PHASES`.
        sure_fit: fit, summed over the regions, after which no other layout is tried.
        doubt: what a decibel of a layout's distance takes from its fit.
        sure_name: fit of named bits after which no other layout is tried.
    """
    geo = code.geometry
    best: tuple[float, FittedLayout] | None = None
    short: tuple[float, FittedLayout] | None = None
    for lay in candidate_layouts(feats, code, phase):
        position = p[lay.slots] / geo.step[lay.slots]
        fits = fit_by_region(position, lay, geo)
        value = float(fits.max(1).values.sum()) - doubt * lay.distance_db
        if best is None or value > best[0]:
            best = value, FittedLayout(lay, position, fits)
        named = named_fits(position, lay, geo)
        by_scale = short_fits(position, lay, named)
        # As a sum over regions, which adds up fits of each.
        short_value = float(by_scale.max()) * math.sqrt(code.profile.regions) - doubt * lay.distance_db
        if short is None or short_value > short[0]:
            short = short_value, FittedLayout(lay, position, by_scale)
        if max(value, short_value) > sure_fit or float(named.max()) > sure_name:
            break
    assert best is not None  # the audio always names a layout
    assert short is not None
    return best[1], short[1]


def choose_scales(fitted: Sequence[FittedLayout], code: CellCode) -> ScaleChoice:
    """The scales of a second: channels that carry the same second share them."""
    profile = code.profile
    total = torch.stack([one.fits for one in fitted]).sum(0)
    best = float(total.max(1).values.sum() / math.sqrt(profile.regions * len(fitted)))
    return ScaleChoice(torch.tensor(profile.scales)[total.argmax(1)], best)


def choose_short_scale(fitted: Sequence[FittedLayout]) -> ShortChoice:
    """The scale of a second with a short word, `fitted` for one: channels of the same second share it."""
    fits = torch.stack([one.fits for one in fitted]).sum(0).double().numpy() / math.sqrt(len(fitted))
    return ShortChoice(int(fits.argmax()), fits)


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
    sure_fit = settings.sure_fit * code.profile.regions / 5
    both = []
    for mix in mixtures(spectrum.shape[0], phase):
        mixed = mix_channels(spectrum, mix)
        both.append(_fit_mixture(mixed, code, phase, sure_fit, settings))
    return _reading_of_fitted(start, both, code, settings)


def read_without_bass(
    audio: Audio,
    start: float,
    phase: int,
    code: CellCode,
    settings: DetectorSettings = DETECTOR,
    before: Layout | None = None,
) -> Reading | None:
    """`read_second` of audio of which a filter took the lowest bands.

    Args:
        audio: ``[channels, samples]`` at 44.1 kHz.
        start: sample of it at which the second starts; fractions count.
        phase: the second's number modulo `PHASES`.
        code: key and profile.
        settings: the detector's; `high_pass_layouts` are tried.
        before: the layout of a second before it that was read in this way.

    Returns:
        None where no such filter is seen, or no layout fits that the second may have had before it.
    """
    spectrum = second_spectrum(audio, start)
    if spectrum is None or not code.profile.host_bound:
        return None
    both = []
    for mix in mixtures(spectrum.shape[0], phase):
        mixed = mix_channels(spectrum, mix)
        found = _fit_without_bass(mixed, code, phase, settings, before)
        if found is None:
            return None
        both.append(found)
    return _reading_of_fitted(start, both, code, settings)


def _fit_without_bass(
    mixed: torch.Tensor, code: CellCode, phase: int, settings: DetectorSettings, before: Layout | None
) -> _Fitted | None:
    """The first layout that fits one mixture, of those that it may have had before a filter."""
    ratio, feats = mixed / threshold(mixed, code.profile), features(mixed, code.profile)
    supposed = supposed_layouts(mixed, feats, code, phase, before)
    under: dict[CellCode, torch.Tensor] = {}
    for lay, own in islice(supposed, settings.high_pass_layouts):
        if own not in under:
            under[own] = project(ratio, _carriers_index(own), own.geometry) / own.geometry.step
        position = under[own][lay.slots]
        named = named_fits(position, lay, own.geometry)
        by_scale = short_fits(position, lay, named)
        if max(float(named.max()), float(by_scale.max())) > settings.sure_name:
            by_region = fit_by_region(position, lay, own.geometry)
            return _Fitted(FittedLayout(lay, position, by_region), FittedLayout(lay, position, by_scale), ())
    return None


def _reading_of_fitted(
    start: float, both: Sequence[_Fitted], code: CellCode, settings: DetectorSettings
) -> Reading:
    """The reading of a second from the layouts that its mixtures fit."""
    geo = code.geometry
    fitted, fitted_short = [one.long for one in both], [one.short for one in both]
    choice = choose_scales(fitted, code)

    def soft() -> Floats:
        llr = np.zeros(len(geo.scramble))
        for one in fitted:
            region = torch.from_numpy(geo.region[one.layout.slots])
            llr += soft_values(one.position / choice.scales[region] + one.layout.dither, one.layout, geo)
        return llr * (1.0 - 2.0 * geo.scramble)

    short = choose_short_scale(fitted_short)
    read = ShortReading(
        fits=short.fits,
        mixtures=tuple(Positions(one.position.numpy(), one.layout) for one in fitted_short),
        others=tuple(_others(one.likely, settings) for one in both),
        projected=tuple(one.projected for one in both if one.projected),
    )
    read = replace(read, llr=read.at_scale(short.which, code))
    pairs = list(zip(fitted, fitted_short, strict=True))
    return reading_of(start, soft, read, pairs, choice, short)


def _others(likely: Sequence[LikelyCode], settings: DetectorSettings) -> tuple[Positions, ...]:
    """What a mixture says under the codes that come next, if none is sure."""
    if not likely or likely[0].is_sure:
        return ()
    least = likely[0].log_chance - settings.host_doubt
    near = [one for one in likely[1 : settings.host_codes] if one.log_chance > least]
    return tuple(Positions(one.position.numpy(), one.layout) for one in near)


class _Fitted(NamedTuple):
    """One mixture under the likeliest code, on the layouts that it fits best for a long word and for a short
    one; all codes that are likely; and where none is sure, all carriers under those that are nearest."""

    long: FittedLayout
    short: FittedLayout
    likely: Sequence[LikelyCode]
    projected: tuple[Projected, ...] = ()


def _fit_mixture(
    mixed: torch.Tensor, code: CellCode, phase: int, sure_fit: float, settings: DetectorSettings
) -> _Fitted:
    """The code and layouts that one mixture fits best, of those that the audio may have."""
    ratio, feats = mixed / threshold(mixed, code.profile), features(mixed, code.profile)
    likely: Sequence[LikelyCode] = ()
    codes = [code]
    if code.profile.host_bound:
        likely = likeliest_codes(mixed, feats, code, phase, settings)
        codes = [one.code for one in _to_lay_out(likely)][: settings.laid_out_codes]
    found: list[tuple[FittedLayout, FittedLayout]] = []
    for each in codes:
        p = project(ratio, _carriers_index(each), each.geometry)
        found.append(fit_layout(p, feats, each, phase, sure_fit, settings.doubt, settings.sure_name))
        if max(_total(found[-1][0]), _short_total(found[-1][1])) > sure_fit:
            return _Fitted(*found[-1], ())
    # Where no fit stands out, the likeliest description is the better witness.
    longest, shortest = (max(found, key=key) for key in (_by_long, _by_short))
    first = found[0]
    long = longest[0] if _total(longest[0]) > _total(first[0]) + _STANDS_OUT else first[0]
    short = shortest[1] if _short_total(shortest[1]) > _short_total(first[1]) + _STANDS_OUT else first[1]
    return _Fitted(long, short, likely, _projected(ratio, feats, likely, phase, settings))


def _projected(
    ratio: torch.Tensor,
    feats: Features,
    likely: Sequence[LikelyCode],
    phase: int,
    settings: DetectorSettings,
) -> tuple[Projected, ...]:
    """All carriers of a mixture under the codes whose descriptions are nearest."""
    nearest = sorted((one for one in likely if one.code.host is not None), key=lambda one: one.away)
    nearest = nearest[: settings.unsure_codes]
    out = []
    for one in nearest:
        if one.away <= nearest[0].away + settings.unsure_away:
            p = project(ratio, _carriers_index(one.code), one.code.geometry)
            out.append(Projected(p.numpy(), one.code, one.away, phase, feats))
    return tuple(out)


def _to_lay_out(likely: Sequence[LikelyCode]) -> list[LikelyCode]:
    """Codes in the order in which all their layouts are tried: the likeliest first if it stands out, and then
    those whose descriptions are nearest. Where the first layout fits under no code, fits say nothing."""
    nearest = sorted(likely, key=lambda one: (one.away, one.layout.host is None))
    return [likely[0], *(one for one in nearest if one is not likely[0])] if _stands_out(likely) else nearest


def _stands_out(likely: Sequence[LikelyCode]) -> bool:
    """Whether the likeliest is so by how well it fits, not by chance."""
    return likely[0].is_sure or likely[0].log_chance > _CHANCE_OF_MANY


def _total(fitted: FittedLayout) -> float:
    """Fit summed over regions."""
    return float(fitted.fits.max(1).values.sum())


def _short_total(fitted: FittedLayout) -> float:
    """As a sum over regions, which adds up fits of each."""
    return float(fitted.fits.max()) * math.sqrt(_REGIONS)


def _by_long(pair: tuple[FittedLayout, FittedLayout]) -> float:
    return _total(pair[0])


def _by_short(pair: tuple[FittedLayout, FittedLayout]) -> float:
    return _short_total(pair[1])


@dataclass(frozen=True)
class LikelyCode:
    """A code that a second may have been marked with, and the layout that the audio names under it.

    `position` ``[2040]`` of its slots in steps; `away`: decibels that features would have to move for its
    description; `log_chance`: logarithm of how likely it is, up to a
    constant; `is_sure`: it leaves no doubt.
    """

    code: CellCode
    layout: Layout
    position: torch.Tensor
    away: float
    log_chance: float
    is_sure: bool = False


def likeliest_codes(
    mixed: torch.Tensor, feats: Features, code: CellCode, phase: int, settings: DetectorSettings = DETECTOR
) -> list[LikelyCode]:
    """The codes that a second may have been marked with, the likeliest first.

    Each is judged by how well the layout that the audio names sits on the lattice under it, and by how far
    its description is from the audio's; the first that leaves no doubt is the only one.

    Args:
        mixed: spectrum ``[bins, EUL_FRAMES]`` of one mixture.
        feats: its features.
        code: key and profile.
        phase: the second's number modulo `PHASES`.
        settings: the detector's.
    """
    ratio = mixed / threshold(mixed, code.profile)
    found: list[LikelyCode] = []
    for own, away in codes_of_second(mixed, phase, code, settings.host_words):
        lay = choose_layout(feats, own, phase)
        position = project_slots(ratio, lay, own.geometry)
        by_region = float(fit_by_region(position, lay, own.geometry).max(1).values.sum())
        named = named_fits(position, lay, own.geometry)
        by_scale = float(short_fits(position, lay, named).max())
        is_named = float(named.max()) > settings.sure_name
        is_sure = is_named or max(by_region, by_scale * math.sqrt(_REGIONS)) > settings.sure_fit
        above = max(by_region / _REGIONS - _CHANCE_FIT, 0.0) * math.sqrt(_REGIONS)
        above = max(above, by_scale - _CHANCE_FIT)
        chance = 0.5 * above**2 - away / settings.host_noise
        found.append(LikelyCode(own, lay, position, away, chance, is_sure))
        if is_sure:
            return found[-1:]
    return sorted(found, key=lambda one: -one.log_chance)


def reading_of(
    start: float,
    soft: Floats | Callable[[], Floats],
    read: ShortReading,
    fitted: Sequence[tuple[FittedLayout, FittedLayout]],
    choice: ScaleChoice,
    short: ShortChoice,
) -> Reading:
    """A reading of mixtures on their layouts, with soft values ``[2040]`` in the order of the code, or what
    works them out."""
    is_short = short.fit > choice.fit
    layouts = [one[is_short].layout for one in fitted]
    scales = (short.scale,) * len(choice.scales) if is_short else choice.scales.tolist()
    return Reading(
        start=start,
        soft=soft,
        layouts=tuple(layouts),
        scales=tuple(scales),
        fit=max(choice.fit, short.fit),
        short=read,
        mixtures=tuple(Positions(one.position.numpy(), one.layout) for one, _ in fitted),
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
    llr, short_llr = np.zeros(len(geo.scramble)), np.zeros(len(geo.scramble))
    layouts, positions, total = [], [], 0.0
    for mix in mixtures(spectrum.shape[0], phase):
        mixed = mix_channels(spectrum, mix)
        feats = features(mixed, profile)
        own = code
        if profile.host_bound:
            # Before the equaliser is undone hardly anything fits: the audio's own description counts.
            own = _to_lay_out(likeliest_codes(mixed, feats, code, phase, settings))[0].code
        x = correlate(mixed / threshold(mixed, profile), _carriers_index(own), own.geometry) / geo.step
        lay = _likeliest_layout(x, feats, own, phase, settings)
        undone = undo_equaliser(x[lay.slots], lay, geo)
        soft = soft_values(undone.p + lay.dither, lay, geo)
        llr += np.where(undone.trusted.numpy(), soft, 0.0)
        short_llr += faint_soft_values(undone.p + lay.dither, lay, geo)
        layouts.append(lay)
        positions.append(Positions(undone.p.numpy(), lay))
        total += undone.fit - CHANCE
    return Reading(
        start=start,
        soft=llr * (1.0 - 2.0 * geo.scramble),
        layouts=tuple(layouts),
        scales=(1.0,) * profile.regions,
        fit=total / math.sqrt(len(layouts)),
        short=ShortReading(short_llr * (1.0 - 2.0 * geo.scramble)),
        mixtures=tuple(positions),
    )
