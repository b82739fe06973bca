"""One second cut from anywhere: the end of one marked second, and the beginning of the next.

::

    marked     |  second n        |  second n + 1    |
    the cut           |~~~~~~~~~~~~~~~~~~|
                       end of n     beginning of n + 1

Both say the same word where each second carries it, in slots of their own. A bit of which neither shows the
slot is lost: half way, up to a quarter of all, which is what the code can bear at best.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.aliases import Audio, Floats
from soundsafe.cells.code import CellCode
from soundsafe.cells.host import host_features, with_missing_frames
from soundsafe.cells.lattice import fit_by_region, project_slots, soft_values
from soundsafe.cells.layout import (
    Features,
    Layout,
    candidate_layouts,
    choose_layout,
    features,
    laid_out_like,
)
from soundsafe.cells.masking import threshold
from soundsafe.cells.mixtures import mix_channels, mixtures
from soundsafe.cells.profile import EUL_FRAMES, EUL_SAMPLES, PHASES
from soundsafe.cells.reading import FittedLayout, Reading, choose_scales, second_spectrum
from soundsafe.cells.settings import DETECTOR, DetectorSettings
from soundsafe.cells.sync import Lock
from soundsafe.pipeline.descriptions import BITS, likely_descriptions
from soundsafe.stft import HOP, stft

__all__ = ["read_cut"]

_LEAST_FRAMES = 4
"""Fewer frames of a second than this say nothing."""

_DESCRIPTIONS = 1 << BITS
"""Descriptions of a second of which a part is heard that are considered, in some 5 ms each: all. Of half of a
second that of the whole can hardly be told: of 96 that seem likeliest half of the cuts fail."""


@dataclass(frozen=True)
class _Part:
    """What a cut shows of one marked second: its spectrum ``[channels, bins, EUL_FRAMES]``, and which frames
    of it are there."""

    spectrum: torch.Tensor
    there: NDArray[np.bool_]


def read_cut(
    audio: Audio, lock: Lock, code: CellCode, settings: DetectorSettings = DETECTOR
) -> Reading | None:
    """Soft values of the word that both marked seconds carry of which a cut shows a part.

    Args:
        audio: ``[channels, samples]`` at 44.1 kHz, about a second.
        lock: where the later of both begins, and its phase.
        code: key and profile.
        settings: the detector's.

    Returns:
        A reading, of the layouts and scales of the part that fits best; None where neither shows enough.
    """
    later, earlier = _part(audio, lock.start), _part(audio, lock.start - EUL_SAMPLES)
    # In a stream phases follow each other; seconds that were marked one by one have all the same.
    phases = [lock.phase, (lock.phase - 1) % PHASES]
    options = [(later, phases), (earlier, phases[::-1])]
    options = [one for one in options if one[0].there.sum() >= _LEAST_FRAMES]
    whole = stft(torch.from_numpy(audio))
    found: list[Reading] = []
    # What the longer part was marked by, the shorter often was too, and shows less of it.
    for part, phases in sorted(options, key=lambda one: -one[0].there.sum()):
        like = max(found, key=lambda reading: reading.fit).layouts[0] if found else None
        found.append(_read_phases(part, whole, phases, like, code, settings))
    if not found:
        return None
    llr = np.sum([reading.llr for reading in found], axis=0)
    best = max(found, key=lambda reading: reading.fit)
    return replace(best, soft=llr, start=lock.start)


def _read_phases(
    part: _Part,
    whole: torch.Tensor,
    phases: Sequence[int],
    like: Layout | None,
    code: CellCode,
    settings: DetectorSettings,
) -> Reading:
    """`_read_part` for the phase that fits best, or the first that leaves no doubt."""
    found: list[Reading] = []
    for phase in phases:
        found.append(_read_part(part, whole, phase, like, code, settings))
        if found[-1].fit > settings.sure_fit / math.sqrt(code.profile.regions):
            break
    return max(found, key=lambda reading: reading.fit)


def _part(audio: Audio, start: float) -> _Part:
    """What `audio` shows of the second that starts at sample `start`, which may lie before it."""
    padded = np.pad(audio, ((0, 0), (HOP, HOP)), mode="reflect")
    padded = np.pad(padded, ((0, 0), (EUL_SAMPLES, EUL_SAMPLES)))
    spectrum = second_spectrum(padded, start + HOP + EUL_SAMPLES)
    assert spectrum is not None  # so much was added
    middle = start + HOP * np.arange(EUL_FRAMES)
    return _Part(spectrum, (middle >= -HOP / 4) & (middle <= audio.shape[1] - HOP / 2))


def _read_part(
    part: _Part,
    whole: torch.Tensor,
    phase: int,
    like: Layout | None,
    code: CellCode,
    settings: DetectorSettings,
) -> Reading:
    """The soft values of a part, were its second of `phase`; 0 for the bits whose slots it does not show.

    `whole`: the spectrum of all of the cut; `like`: the layout of the other part, where it is known.
    """
    geo, profile = code.geometry, code.profile
    frames = torch.from_numpy(part.there)
    fitted, layouts = [], []
    for mix in mixtures(part.spectrum.shape[0], phase):
        mixed = mix_channels(part.spectrum, mix)
        ratio = mixed / threshold(mixed, profile)
        named = [features(mixed[:, frames], profile), features(mix_channels(whole, mix), profile)]
        shown = max(
            _fits(ratio, named, phase, like, list(_codes(mixed, part, phase, like, code)), part, settings),
            key=lambda one: one.value,
        )
        layouts.append(shown.layout)
        fitted.append(shown.fitted)
    choice = choose_scales(fitted, code)
    llr: Floats = np.zeros(len(geo.scramble))
    for one, lay in zip(fitted, layouts, strict=True):
        region = torch.from_numpy(geo.region[one.layout.slots])
        soft = soft_values(one.position / choice.scales[region] + one.layout.dither, one.layout, geo)
        llr[part.there[geo.frame[lay.slots]]] += soft
    return Reading(
        start=0.0,
        soft=llr * (1.0 - 2.0 * geo.scramble),
        layouts=tuple(layouts),
        scales=tuple(float(s) for s in choice.scales),
        fit=choice.fit,
    )


@dataclass(frozen=True)
class _Shown:
    """A layout, those of its slots that are there, alone, and how well they sit on the lattice."""

    layout: Layout
    fitted: FittedLayout
    value: float


def _codes(
    mixed: torch.Tensor, part: _Part, phase: int, like: Layout | None, code: CellCode
) -> Iterator[CellCode]:
    """The codes that a part of a second may have been marked with, the likeliest first."""
    if not code.profile.host_bound:
        yield code
        return
    likely = likely_descriptions(host_features(with_missing_frames(mixed, part.there)), _DESCRIPTIONS)
    first, *others = (code.of_host(word, phase) for word, _ in likely)
    if like is not None and like.host is not None:
        yield code.of_host(like.host // PHASES, phase)
    yield first
    yield code  # marks of version 1
    yield from others


def _fits(
    ratio: torch.Tensor,
    named: Sequence[Features],
    phase: int,
    like: Layout | None,
    codes: Sequence[CellCode],
    part: _Part,
    settings: DetectorSettings,
) -> Iterator[_Shown]:
    """Layouts that fit under each of `codes`, and at last those near them under the codes that fit best.

    `ratio`: spectrum over threshold ``[bins, EUL_FRAMES]``; `named`: the features that may name the layout.
    """
    quick: list[tuple[float, CellCode]] = []
    for own in codes:
        first = [choose_layout(feats, own, phase) for feats in named]
        first += [] if like is None else [laid_out_like(like, own, phase)]
        shown = _fit(ratio, first, part.there, own, settings)
        yield shown
        if shown.value > settings.sure_fit:
            return
        quick.append((shown.value, own))
    for _, own in sorted(quick, key=lambda one: -one[0])[: settings.laid_out_codes]:
        every = itertools.chain(*(candidate_layouts(feats, own, phase) for feats in named))
        shown = _fit(ratio, every, part.there, own, settings)
        yield shown
        if shown.value > settings.sure_fit:
            return


def _fit(
    ratio: torch.Tensor,
    candidates: Iterable[Layout],
    there: NDArray[np.bool_],
    code: CellCode,
    settings: DetectorSettings,
) -> _Shown:
    """The layout on which the slots that are there sit best, and those slots alone on it."""
    geo = code.geometry
    doubt = settings.doubt * float(there.mean())
    best: _Shown | None = None
    for lay in candidates:
        shown = there[geo.frame[lay.slots]]
        slots = replace(lay, slots=lay.slots[shown], dither=lay.dither[torch.from_numpy(shown)])
        position = project_slots(ratio, slots, geo)
        fits = fit_by_region(position, slots, geo)
        value = float(fits.max(1).values.sum()) - doubt * lay.distance_db
        if best is None or value > best.value:
            best = _Shown(lay, FittedLayout(slots, position, fits), value)
        if value > settings.sure_fit:
            break
    assert best is not None  # the audio always names a layout
    return best
