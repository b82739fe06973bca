"""Seconds of which a filter took the bass: what their layouts and descriptions may have been before.

The strongest bands name a second's layout, and mostly they lie low; its description looks down to 200 Hz. A
high-pass takes that knowledge and leaves nearly all carriers. What is missing has a distribution: sounds
change from band to band by some decibels, and neighbouring bands swell together. So the missing bands are
drawn many times, and layouts and descriptions are tried in the order in which the draws name them. With
several hundred tries most seconds of music show how they were marked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.fft import dct, idct

from soundsafe.aliases import Floats, Ints
from soundsafe.cells.code import CellCode, Geometry
from soundsafe.cells.host import host_features
from soundsafe.cells.layout import Features, Layout, laid_out
from soundsafe.cells.masking import ANALYZER
from soundsafe.pipeline.descriptions import BANDS, band_edges

__all__ = ["lowest_kept_bands", "supposed_layouts"]

_DRAWS = 4096

_RISE_DB = -2.3, 7.0
"""By how many decibels a band's level differs from that of the one below: mean and standard deviation over
474 seconds of the training split of music, speech and effects, above 200 Hz; below, the mean is about 0."""
_FLAT_BANDS = 4

_TOP_DB = -3.0, 6.0
"""The same for the highest bands."""

_TIED_DB, _MOVED_DB = 0.5, 0.3
"""What a filter's edge and codecs change of the levels, and of the movements, that are left."""

_ALIKE = 0.8
"""Movements of neighbouring bands, as far as they are the same, and"""
_APART_DB = (4.3, 3.2)
"""how far, in dB, rise and hump of one differ beyond that (the same seconds)."""

_STEEP_DB = 12.0
"""By how much a band exceeds the next but one below where a filter's edge may lie, at least;"""
_LOUD_DB = 10.0
"""how far a band lies below the loudest at most, from which on a gentle filter has left all;"""
_FIRST, _LAST = 4, 10
"""which bands may be the lowest that is left;"""
_TAKEN_DB = 30.0
"""and how far below the loudest those lie at least that were taken. In the validation split 6 of 40 seconds
without a filter are then searched in vain, of those behind steep ones 75 of 76."""

_GONE_DB = 25.0
"""Fall from a band to the next above it, and all others, where a codec's or a lower rate's edge may lie."""

_DESCRIPTIONS = 48
"""Descriptions that are tried, at most."""

_SAME = 0.5
"""Chance that the lost anchors are those of a second before."""


@dataclass(frozen=True)
class _Drawn:
    """Standard normal draws, the same in every process."""

    levels: Floats
    ties: Floats
    movements: Floats
    shifts: Floats


@lru_cache(maxsize=1)
def _drawn() -> _Drawn:
    rng, bands = np.random.default_rng(0), ANALYZER.n_critical_bands
    return _Drawn(
        rng.standard_normal((_DRAWS, bands)),
        rng.standard_normal((_DRAWS, bands)),
        rng.standard_normal((_DRAWS, 2, BANDS)),
        rng.standard_normal((_DRAWS, 2, BANDS)),
    )


def lowest_kept_bands(feats: Features) -> tuple[int, ...]:
    """The bands of which one may be the lowest that a high-pass has left.

    Args:
        feats: of a second.

    Returns:
        Ascending; none where no edge is steep enough to be a filter's, or too little is left below 3 kHz.
    """
    level = feats.level_db
    rise = np.array([level[band] - level[band - 2] for band in range(_FIRST, _LAST + 1)])
    if rise.max() < _STEEP_DB:
        return ()
    steepest = _FIRST + int(rise.argmax())
    if level[: steepest - 1].max() > level.max() - _TAKEN_DB:
        return ()
    loud = max(steepest, int((level > level[: _LAST + 3].max() - _LOUD_DB).argmax()))
    if loud > _LAST:
        return ()
    return tuple(sorted({steepest, steepest + 1, loud, loud + 1}))


def supposed_layouts(
    mixed: torch.Tensor, feats: Features, code: CellCode, phase: int, before: Layout | None = None
) -> Iterator[tuple[Layout, CellCode]]:
    """Layouts that a second may have been marked on before a filter took its lowest bands.

    Args:
        mixed: spectrum ``[bins, EUL_FRAMES]`` of one mixture.
        feats: its features.
        code: key and profile.
        phase: the second's number modulo `PHASES`.
        before: the layout of a second before it, after the same filter.

    Returns:
        Layouts and the codes of their descriptions, the likeliest first; none where no filter's edge is
        seen.
    """
    kept = lowest_kept_bands(feats)
    if not kept:
        return
    named, chance = _layouts(feats.level_db, kept, code.geometry, before)
    words, likely = _descriptions(mixed, kept[0])
    both = np.outer(chance, likely).ravel()
    codes = [code.of_host(int(word), phase) for word in words]
    for which in np.argsort(-both, kind="stable"):
        anchors, narrow, alive = named[which // len(words)]
        own = codes[which % len(words)]
        yield laid_out(own, alive, narrow, anchors, phase), own


_Named = tuple[tuple[int, ...], bool, tuple[bool, ...]]


def _layouts(
    level: Floats, kept: Sequence[int], geo: Geometry, before: Layout | None
) -> tuple[list[_Named], Floats]:
    """Anchors, whether carriers are fine, and bands that are alive; and how likely each of these is."""
    profile, bands = geo.profile, len(level)
    drawn = np.concatenate([_draw_levels(level, lost) for lost in kept])
    bit = 1 << np.arange(bands, dtype=np.int64)
    strongest = np.argpartition(-drawn, profile.anchors, axis=1)[:, : profile.anchors]
    anchors = bit[strongest].sum(axis=1)
    below = drawn.max(axis=1, keepdims=True) - drawn
    alive, heard = below < profile.dead_db, below < profile.lost_db
    narrow = (heard @ geo.capacity < profile.narrow) & (alive @ geo.capacity < profile.narrow)
    narrow &= alive @ geo.fine_capacity >= profile.fine_least
    masks = np.where(narrow, (alive & (geo.fine_capacity > 0)) @ bit, (alive & (geo.capacity > 0)) @ bit)
    words, count = np.unique(((anchors << 1) + narrow << bands) + masks, return_counts=True)
    chance = count / len(drawn)
    if before is not None:
        low = (1 << kept[0]) - 1
        same = words >> bands + 1 & low == int(bit[list(before.anchors)].sum()) & low
        if same.any():
            chance = (1.0 - _SAME) * chance + _SAME * chance * same / chance[same].sum()
    return [_named(int(word), bands) for word in words], chance


def _named(word: int, bands: int) -> _Named:
    flags = [bool(word >> place & 1) for place in range(2 * bands + 1)]
    anchors = tuple(band for band in range(bands) if flags[bands + 1 + band])
    return anchors, flags[bands], tuple(flags[:bands])


def _draw_levels(level: Floats, lost: int) -> Floats:
    """Levels ``[draws, bands]`` as they may have been where the bands below `lost` are unknown."""
    drawn = _drawn()
    out = level + _TIED_DB * drawn.ties
    for band in range(lost - 1, -1, -1):
        mean = 0.0 if band < _FLAT_BANDS else -_RISE_DB[0]
        out[:, band] = out[:, band + 1] + mean + _RISE_DB[1] * drawn.levels[:, band]
    for band in _gone_above(level):
        out[:, band] = out[:, band - 1] + _TOP_DB[0] + _TOP_DB[1] * drawn.levels[:, band]
    return out


def _gone_above(level: Floats) -> range:
    """The highest bands, if a codec or a lower rate took them."""
    for band in range(_LAST + 1, len(level)):
        if level[band:].max() < level[band - 1] - _GONE_DB:
            return range(band, len(level))
    return range(0)


def _descriptions(mixed: torch.Tensor, kept: int) -> tuple[Ints, Floats]:
    """Descriptions, and how likely each is, the likeliest first."""
    hz, drawn = ANALYZER.bin_frequencies[ANALYZER.band_indices == kept].min(), _drawn()
    edges = np.log(band_edges())
    lost = np.clip((np.log(hz) - edges[:-1]) / np.diff(edges), 0.0, 1.0)
    rise_and_hump = idct(host_features(mixed).reshape(2, BANDS), norm="ortho")
    moved = np.tile(rise_and_hump, (_DRAWS, 1, 1))
    for band in range(BANDS - 2, -1, -1):
        like = _ALIKE * moved[..., band + 1] + np.array(_APART_DB) * drawn.movements[..., band]
        moved[..., band] += lost[band] * (like - moved[..., band])
    signs = dct(moved, norm="ortho") + _MOVED_DB * drawn.shifts > 0
    words = signs.reshape(_DRAWS, -1) @ (1 << np.arange(2 * BANDS))
    found, count = np.unique(words, return_counts=True)
    order = np.argsort(-count, kind="stable")[:_DESCRIPTIONS]
    return found[order], count[order] / _DRAWS
