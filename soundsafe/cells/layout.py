"""Where the bits of one second lie: quantised features -> significance -> bits for each band -> slots.

A *carrier* is a handful of cells of one frame and one critical band; a *slot* is a carrier that carries a
coded bit. The key partitions the bins of each band into carriers (`soundsafe.cells.code.Geometry`); the audio
decides how many of them each band contributes, which, and in which order (`Layout`). Embedder and detector
each compute the layout from the audio that they have (`choose_layout`); where a feature lies near an edge,
`candidate_layouts` lists the neighbours too, and the detector takes the one that the audio fits.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.aliases import Floats, Ints
from soundsafe.cells.code import CellCode, Geometry
from soundsafe.cells.masking import ANALYZER, band_power
from soundsafe.cells.profile import EUL_FRAMES, EUL_SAMPLES, Profile
from soundsafe.keys import keyed_integers
from soundsafe.message.coding import N
from soundsafe.pipeline.adaptive_bit_allocation import AdaptiveBitAllocator
from soundsafe.pipeline.features import cheapest_subsets
from soundsafe.pipeline.sync_anchors import SyncAnchor

__all__ = [
    "Described",
    "Features",
    "Layout",
    "candidate_layouts",
    "choose_layout",
    "described",
    "features",
    "laid_out",
    "laid_out_like",
    "layout_up_to",
]

_PREFERENCE = 16
"""Significance of a preferred cell against one above ``Profile.preferred_high``."""

_OTHER_WIDTH = 1.0
"""Distance in dB of carriers that the audio, as it now is, does not name: codecs silence what is faint."""

_MASKS, _SWAPS, _CANDIDATES = 6, 9, 24
"""How many sets of alive bands and of anchors, and how many pairs of both, the detector tries at most."""

_TWICE, _TWICE_DB = 24, 1.5
"""How many sets in which two anchors have changed places, as in noise, and by how little in all."""

_MOST_NOISY, _NOISY = 9, 1.5
"""How many of the highest bands noise may have filled, and the distance in dB that this counts for."""

_BAND_LIMITED = 0.5
"""Distance in dB that counts for bands which a narrow channel may have taken."""

_Mask = tuple[float, tuple[bool, ...]]


@dataclass(frozen=True)
class Features:
    """What the allocator looks at in one second: median level of each band in dB ``[bands]``, ratios alone.

    Relative to the loudest band; -200 for a band under the threshold of marking.
    """

    level_db: Floats


@dataclass(frozen=True)
class Layout:
    """The slots of one second: `slots [2040]` (carriers, in the order of the coded bits) and `dither [2040]`.

    `bits_per_band [bands]`, `anchors` (the strongest bands), `seed` (32 bits, from the anchors);
    `distance_db`: how far features, all together, would have to move for the audio to name this layout;
    `host`: the description of the audio that it is bound to, None in marks of version 1.
    """

    slots: Ints
    dither: torch.Tensor
    bits_per_band: Ints
    alive: NDArray[np.bool_]
    anchors: tuple[int, ...]
    seed: int
    distance_db: float = 0.0
    host: int | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the slot list, hexadecimal."""
        return hashlib.sha256(np.ascontiguousarray(self.slots, "<i8").tobytes()).hexdigest()


class Described(TypedDict):
    """What `soundsafe.result.Eul` says of a second's layouts, one for each mixture of channels with it.

    `allocator` has bits for each band, anchors and seed of the first, what more is said of the second, and
    where there are several all of them as `mixtures`; `features` are 1 where a band is alive, ``[mixtures *
    bands, EUL_FRAMES]``; `slots` is the SHA-256 of all slots; `seed` that of the first.
    """

    allocator: dict[str, Any]
    features: NDArray[np.int16]
    slots: str
    seed: int


def described(layouts: Sequence[Layout], **more: Any) -> Described:
    """The description of a second's `layouts`, with `more` in its `allocator`."""
    each = [
        {"bits_per_band": [int(b) for b in lay.bits_per_band], "anchors": list(lay.anchors), "seed": lay.seed}
        for lay in layouts
    ]
    digests = "".join(lay.digest for lay in layouts)
    alive = np.concatenate([lay.alive for lay in layouts]).astype(np.int16)
    return {
        "allocator": {**each[0], **more, **({"mixtures": each} if len(each) > 1 else {})},
        "features": np.broadcast_to(alive[:, None], (len(alive), EUL_FRAMES)),
        "slots": digests if len(each) == 1 else hashlib.sha256(digests.encode()).hexdigest(),
        "seed": layouts[0].seed,
    }


def features(spectrum: torch.Tensor, profile: Profile) -> Features:
    """Features of one second with `spectrum` ``[bins, EUL_FRAMES]`` on the detector's own grid."""
    power = band_power(spectrum.real.square() + spectrum.imag.square(), profile)
    level = power.median(dim=-1).values.double().numpy()
    faint = level <= profile.threshold_floor
    peak = level.max()
    with np.errstate(divide="ignore"):
        db = 10.0 * np.log10(level / peak) if peak > 0 else np.full(level.shape, -200.0)
    return Features(np.where(faint, -200.0, np.maximum(db, -200.0)))


def _alive(level: Floats, capacity: Ints, profile: Profile, every: bool) -> list[_Mask]:
    """Which bands carry bits, the likeliest first: those near the edge may be on either side of it."""
    above = level + profile.dead_db
    edge = np.flatnonzero((np.abs(above) < profile.dead_margin_db) & (capacity > 0))
    near = sorted((float(abs(above[b])), int(b)) for b in edge)
    found = []
    for flipped in cheapest_subsets([d for d, _ in near], _MASKS if every else 1):
        alive = above > 0
        bands = [near[i][1] for i in flipped]
        alive[bands] = ~alive[bands]
        found.append((float(sum(abs(above[b]) for b in bands)), tuple(bool(a) for a in alive)))
    return found


@lru_cache(maxsize=256)
def _allocated(
    code: CellCode, alive: tuple[bool, ...], narrow: bool, anchors: tuple[int, ...]
) -> tuple[NDArray[np.bool_], Ints, int]:
    """Which bands carry how many bits, and the seed, where these are alive and these the anchors."""
    geo, profile = code.geometry, code.profile
    seed = SyncAnchor(n_anchor_bands=profile.anchors, hashing_salt=geo.anchor_salt).seed(anchors, EUL_SAMPLES)
    preferred = ANALYZER.center_frequencies <= profile.preferred_high
    mask = np.array(alive)
    room = geo.fine_capacity if narrow else geo.capacity
    mask &= room > 0
    # A second always holds N bits: where too few bands are alive, others are called in, always in the same
    # order, since in dead bands codecs leave no level to go by.
    for b in range(len(mask)):
        if room[mask].sum() >= N:
            break
        mask[b] = mask[b] or room[b] > 0
    capacity = room * mask
    significance = capacity * np.where(preferred, _PREFERENCE, 1)
    allocated = AdaptiveBitAllocator(N, seed=seed).allocate_bits(significance, capacity_b=capacity)
    return mask, allocated["bits_per_band"], seed


@lru_cache(maxsize=256)
def laid_out(
    code: CellCode, alive: tuple[bool, ...], narrow: bool, anchors: tuple[int, ...], phase: int
) -> Layout:
    """The layout of a second.

    Args:
        code: key, profile and description of its audio.
        alive: which bands carry bits, ``[bands]``.
        narrow: whether they lie in fine carriers.
        anchors: the strongest bands, ascending.
        phase: its number modulo `PHASES`.
    """
    geo = code.geometry
    data = geo.fine if narrow else geo.data
    mask, bits, seed = _allocated(replace(code, host=None), alive, narrow, anchors)
    draws = keyed_integers(geo.slot_key, f"order {phase} {seed}", len(data) + N)
    rank, mix = draws[: len(data)], draws[len(data) :]
    start = keyed_integers(geo.dither_key, f"start {phase} {seed}", EUL_FRAMES)
    order = np.lexsort((rank, geo.band[data]))
    band = geo.band[data][order]
    first = np.searchsorted(band, np.arange(len(bits)))
    chosen = data[order[np.arange(len(order)) - first[band] < bits[band]]]
    slots = chosen[np.argsort(mix, kind="stable")]
    # The dithers of a frame are spread evenly over the lattice, so that silence favours no bit.
    frame = geo.frame[slots]
    by_frame = np.lexsort((np.arange(N), frame))
    count = np.bincount(frame, minlength=EUL_FRAMES)
    within = np.arange(N) - (np.cumsum(count) - count)[frame[by_frame]]
    dither = np.empty(N)
    dither[by_frame] = 2.0 * within / count[frame[by_frame]]
    dither = (dither + (start % (1 << 20)).astype(np.float64)[frame] / (1 << 19)) % 2.0
    return Layout(
        slots=slots,
        dither=torch.tensor(dither, dtype=torch.float32),
        bits_per_band=bits,
        alive=mask,
        anchors=anchors,
        seed=seed,
        host=code.host,
    )


def laid_out_like(lay: Layout, code: CellCode, phase: int) -> Layout:
    """The layout of a second of `phase` in which the same bands are alive, and the same are the anchors."""
    narrow = bool(np.isin(lay.slots[:1], code.geometry.fine).all())
    return laid_out(code, tuple(bool(a) for a in lay.alive), narrow, lay.anchors, phase)


def _before_noise(
    alive: tuple[bool, ...], anchors: tuple[int, ...], geo: Geometry
) -> list[tuple[tuple[tuple[bool, ...], bool, tuple[int, ...]], float]]:
    """What names a layout, and its distance, if the highest bands with carriers were dead: one, two, ..."""
    found = []
    mask = np.array(alive)
    for top in np.flatnonzero(mask & (geo.capacity > 0))[: -_MOST_NOISY - 1 : -1]:
        mask[top] = False
        fits = geo.capacity[mask].sum() < geo.profile.narrow
        fits = bool(fits and geo.fine_capacity[mask].sum() >= geo.profile.fine_least)
        for narrow in (False, True) if fits else (False,):
            found.append(((tuple(bool(a) for a in mask), narrow, anchors), _NOISY))
    return found


def _highest(alive: tuple[bool, ...], geo: Geometry) -> int:
    """The highest band with carriers that is alive; -1 where there is none."""
    return max((int(b) for b in np.flatnonzero(geo.capacity) if alive[b]), default=-1)


def _up_to(alive: tuple[bool, ...], top: int, geo: Geometry) -> NDArray[np.bool_]:
    """The bands that are alive if `top` is the highest of them, and all between it and what is alive now."""
    mask = np.array(alive)
    mask[_highest(alive, geo) + 1 : top + 1] = True
    mask[top + 1 :] = False
    return mask


def _before_low_pass(
    alive: tuple[bool, ...], anchors: tuple[int, ...], geo: Geometry
) -> list[tuple[tuple[tuple[bool, ...], bool, tuple[int, ...]], float]]:
    """What names a layout, and its distance, if bands above the highest that is alive had been alive: all of
    them, all but the highest, ..., as before a telephone."""
    carriers = np.flatnonzero(geo.capacity)
    found = []
    for end in carriers[carriers > _highest(alive, geo)][::-1]:
        mask = _up_to(alive, end, geo)
        if geo.capacity[mask].sum() >= geo.profile.narrow:
            found.append(((tuple(bool(a) for a in mask), False, anchors), _BAND_LIMITED))
    return found


def layout_up_to(
    feats: Features, anchors: tuple[int, ...], top: int, code: CellCode, phase: int
) -> Layout | None:
    """The layout that the audio would name if band `top` were the highest that is alive.

    Noise fills the bands above what a recording holds; filters and codecs take the highest.

    Args:
        feats: the second's features.
        anchors: of the layout that they name as they are.
        top: a band; those between it and the highest that is alive now are taken to be alive.
        code: key and profile.
        phase: the second's number modulo `PHASES`.

    Returns:
        None where that leaves too little room.
    """
    geo, profile = code.geometry, code.profile
    ((_, named),) = _alive(feats.level_db, geo.capacity, profile, every=False)
    alive = _up_to(named, top, geo)
    narrow = bool(geo.capacity[alive].sum() < profile.narrow)
    if narrow and geo.fine_capacity[alive].sum() < profile.fine_least:
        return None
    return laid_out(code, tuple(bool(a) for a in alive), narrow, anchors, phase)


def choose_layout(feats: Features, code: CellCode, phase: int) -> Layout:
    """The layout that the audio names for a second.

    Args:
        feats: the second's features.
        code: key and profile.
        phase: the second's number modulo `PHASES`. Phases differ, so that what falls on a weak band in one
            second lies elsewhere in the next.

    Returns:
        The first of `candidate_layouts`.
    """
    return next(candidate_layouts(feats, code, phase, every=False))


def candidate_layouts(feats: Features, code: CellCode, phase: int, every: bool = True) -> Iterator[Layout]:
    """The layout that the audio names, and after it those that a small change of a feature would name.

    Args:
        feats: the second's features.
        code: key and profile.
        phase: the second's number modulo `PHASES`.
        every: False: the first alone.

    Returns:
        At most 24 in ascending order of `distance_db`, and last those that would be named if noise had not
        filled the highest bands. Each is worked out when it is asked for: mostly the first is the one.
    """
    geo, profile = code.geometry, code.profile
    heard = geo.capacity[feats.level_db + profile.lost_db > 0].sum()
    # In narrow sounds bands that hold fine carriers alone lie near the edge too.
    room = geo.capacity + geo.fine_capacity if heard < profile.narrow else geo.capacity
    masks = _alive(feats.level_db, room, profile, every)
    anchor = SyncAnchor(n_anchor_bands=profile.anchors, hashing_salt=geo.anchor_salt)
    sets = anchor.candidate_bands(feats.level_db, _SWAPS + 1 if every else 1, profile.anchor_margin_db)
    best: dict[tuple[tuple[bool, ...], bool, tuple[int, ...]], float] = {}
    for (far, mask), (further, bands) in itertools.product(masks, sets):
        alive = np.array(mask)
        fits = geo.capacity[alive].sum() < profile.narrow
        fits = bool(fits and geo.fine_capacity[alive].sum() >= profile.fine_least)
        named = bool(fits and heard < profile.narrow)
        for narrow in (named, not named) if fits and every else (named,):
            away = far + further + (0.0 if narrow == named else _OTHER_WIDTH)
            best[mask, narrow, bands] = min(away, best.get((mask, narrow, bands), np.inf))
    ordered = sorted(best.items(), key=lambda item: item[1])[:_CANDIDATES]
    if every:
        ordered += _before_low_pass(masks[0][1], sets[0][1], geo)
        ordered += _before_noise(masks[0][1], sets[0][1], geo)
        flat = anchor.exchanged_twice(feats.level_db, _TWICE, _TWICE_DB)
        ordered += [((masks[0][1], ordered[0][0][1], bands), far) for far, bands in flat]
    for option, distance in ordered:
        yield replace(laid_out(code, *option, phase), distance_db=distance)
