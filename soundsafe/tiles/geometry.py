"""Tiles of the time-frequency plane, and what is read from their energies.

The tile layer keeps no phase: a tile is some 40 ms by 70 Hz or more, its energy in decibels, relative to its
neighbours in time, is the only thing that counts. Stretching, pitch shifting and lossy coding move it by
about a decibel. Because energies add up, the power of a short-time spectrum, summed over time once, gives
the energy of any tile for any tempo, pitch and offset: nothing is resampled to search.

A *symbol* is the signed sum of eight tiles of one band inside a block of 16 tiles. The key draws which eight,
their signs, the dither of each symbol in a cycle of 50 blocks (32 s), and which symbols are pilots, which
carry the identifier and which the payload.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.sparse import csr_array

from soundsafe.aliases import Audio, Floats, Ints
from soundsafe.digests import digest_of
from soundsafe.keys import DEFAULT_KEY, derive, keyed_integers
from soundsafe.message.low_rate_code import IDENTIFIER_BITS
from soundsafe.stft import RATE, Stft

__all__ = [
    "GRID",
    "LEARNABLE_TILES",
    "ROBUST_TILES",
    "SHORT_TILES",
    "BandPower",
    "TileCode",
    "TileGeometry",
    "TileProfile",
    "band_power",
    "box_mean",
    "cumulative_until",
    "depths",
    "edges_matrix",
    "floor_radius",
    "flutters",
    "levels",
    "power_spectrum",
    "relative",
]


@dataclass(frozen=True)
class TileProfile:
    """What embedder and detector of the tile layer share.

    `tile`: samples of a tile at 44.1 kHz; `low_hz`, `high_hz`, `width_hz`, `width_share`: bands from low to
    high, each as wide as the larger of `width_hz` and that share of its frequency. `block_tiles`,
    `symbol_tiles`: tiles of a block and of a symbol. `cycle`: blocks after which dithers and the payload's
    word repeat: a whole number of the cell layer's periods; `repeats`: how often a cycle holds the word.
    `pilot_bands`: bands whose symbols are all pilots; `id_symbols`: symbols of a block that carry the
    identifier (none: payloads are short, and their word has the cycle to itself). `period_db`: lattice period
    at the frequencies `period_hz`, linear in between, a bit being half of it. `radius`: tiles on either side
    whose mean level is subtracted; `floor`: share of a band's mean energy over one second that is added to
    every tile, so that gaps have a level. Raises ValueError for values that make no geometry.
    """

    name: str = "tiles"
    version: int = 3
    tile: int = 1764
    low_hz: float = 300.0
    high_hz: float = 12_000.0
    width_hz: float = 70.0
    width_share: float = 0.0105
    block_tiles: int = 16
    symbol_tiles: int = 8
    cycle: int = 50
    repeats: int = 2
    pilot_bands: int = 20
    id_symbols: int = 72
    period_hz: tuple[float, ...] = (1000.0, 3000.0)
    period_db: tuple[float, ...] = (3.5, 4.9)
    radius: int = 10
    floor: float = 0.01

    def __post_init__(self) -> None:
        if self.block_tiles % self.symbol_tiles or self.symbol_tiles % 2:
            raise ValueError("a block is a whole number of symbols, of an even number of tiles each")
        if self.cycle % self.repeats:
            raise ValueError("a cycle is a whole number of payload words")
        if not 0 < self.low_hz < self.high_hz < RATE / 2 or self.width_hz <= 0 or min(self.period_db) <= 0:
            raise ValueError("bands must rise within half the rate, and the lattice period be positive")

    @property
    def host_bound(self) -> bool:
        """Whether symbols follow from key and audio (`soundsafe.tiles.blocks`), not from the key alone."""
        return self.version >= 3

    @property
    def named_symbols(self) -> int:
        """Symbols of a block by which, their bits being 0, the description of its audio is recognised."""
        return 24 if self.version == _SHORT else 0

    @property
    def is_short(self) -> bool:
        """Whether it holds short payloads."""
        return not self.id_symbols

    @property
    def block(self) -> int:
        """Samples of a block."""
        return self.tile * self.block_tiles

    @property
    def digest(self) -> str:
        """SHA-256 of all fields, hexadecimal."""
        return digest_of(self)


ROBUST_TILES = TileProfile()
"""The default: symbols of each block, except for pilots, follow from its audio too."""

_SHORT = 4
SHORT_TILES = TileProfile(version=_SHORT, repeats=10, id_symbols=0)
"""For short payloads: a word of their own, whole in 3.2 seconds, instead of identifier and long word. All
else, pilots among it, is as in `ROBUST_TILES`, so that one search finds both."""

LEARNABLE_TILES = TileProfile(version=1)
"""As `ROBUST_TILES`, but all symbols follow from the key alone, as they did at first."""

_LEARNABLE_SHORT_TILES = TileProfile(version=2, repeats=10, id_symbols=0)

GRID = Stft(1024, 256)
"""The transform under the tiles: 23 ms frames every 5.8 ms at 44.1 kHz."""


@dataclass(frozen=True)
class TileGeometry:
    """What the key makes of a profile. A block's symbols are numbered 0 ... symbols-1.

    `edges [bands + 1]` in Hz; `band [symbols]`, `position` and `sign` ``[symbols, symbol_tiles]``: a symbol's
    tiles in its block; `period [symbols]` in dB; `phase [cycle, symbols]`: dither, 0 to 1 period; `pilot`
    ``[pilots]``; `identifier` ``[cycle, id_symbols]``, `named` ``[cycle, named_symbols]`` and `payload`
    ``[cycle, data]``: symbols by role;
    `payload_index` ``[cycle, data]``: the bit of the payload's word that each carries.
    """

    profile: TileProfile
    edges: Floats
    band: Ints
    position: Ints
    sign: Floats
    period: Floats
    phase: Floats
    pilot: Ints
    identifier: Ints
    named: Ints
    payload: Ints
    payload_index: Ints

    @cached_property
    def pilot_bands(self) -> Ints:
        """Bands that have pilots, ascending."""
        return np.unique(self.band[self.pilot])

    @cached_property
    def pilot_rows(self) -> Ints:
        """Of each pilot the place of its band among `pilot_bands` ``[pilots]``."""
        return np.searchsorted(self.pilot_bands, self.band[self.pilot])

    @property
    def word(self) -> int:
        """Bits of the payload's word."""
        return self.payload.size // self.profile.repeats

    @property
    def bands(self) -> int:
        """Number of bands."""
        return len(self.edges) - 1

    def identifier_bits(self, block: int) -> Ints:
        """Which bits of the identifier's word block number `block` of a cycle carries ``[id_symbols]``."""
        n = self.profile.id_symbols
        return (block * n + np.arange(n)) % IDENTIFIER_BITS


@dataclass(frozen=True)
class TileCode:
    """What embedder and detector of the tile layer must share to understand each other.

    Args:
        key: a secret, not empty; the public default key where none is given.
        profile: the layer's parameters.

    Example:
        >>> TileCode().geometry.bands
        148
    """

    key: bytes = field(default=DEFAULT_KEY, repr=False)
    profile: TileProfile = ROBUST_TILES

    @property
    def short(self) -> TileCode:
        """The same key with the profile for short payloads, which goes with any other of the same bands."""
        return TileCode(self.key, SHORT_TILES if self.profile.host_bound else _LEARNABLE_SHORT_TILES)

    @property
    def long(self) -> TileCode:
        """The same key with the profile for long payloads."""
        return TileCode(self.key, ROBUST_TILES if self.profile.host_bound else LEARNABLE_TILES)

    @property
    def learnable(self) -> TileCode:
        """The same key with the profile whose symbols follow from the key alone."""
        return TileCode(self.key, LEARNABLE_TILES)

    @property
    def geometry(self) -> TileGeometry:
        """The symbols, made when first asked for and kept for the codes last used."""
        return _tile_geometry(self)


@lru_cache(maxsize=8)
def _tile_geometry(code: TileCode) -> TileGeometry:
    """The symbols that the key makes of the profile's bands."""
    profile = code.profile
    edges = [profile.low_hz]
    while edges[-1] < profile.high_hz:
        edges.append(edges[-1] + max(profile.width_hz, profile.width_share * edges[-1]))
    bands = len(edges) - 1
    secret = derive(code.key, "tiles", 32)
    groups = profile.block_tiles // profile.symbol_tiles
    position = np.argsort(keyed_integers(secret, "tiles", bands, profile.block_tiles), axis=1, kind="stable")
    position = position.reshape(bands * groups, profile.symbol_tiles)
    band = np.repeat(np.arange(bands), groups)
    # As many up as down in every symbol: a slow change of level cancels.
    order = np.argsort(keyed_integers(secret, "signs", *position.shape), axis=1, kind="stable")
    sign = np.where(order < profile.symbol_tiles // 2, 1.0, -1.0)
    phase = (keyed_integers(secret, "dither", profile.cycle, len(band)) >> np.uint64(11)).astype(
        np.float64
    ) / 2.0**53
    is_pilot = np.zeros(bands, bool)
    is_pilot[
        np.round((np.arange(profile.pilot_bands) + 0.5) * bands / profile.pilot_bands - 0.5).astype(int)
    ] = True
    pilot = np.flatnonzero(is_pilot[band])
    rest = np.flatnonzero(~is_pilot[band])
    shuffled = rest[
        np.argsort(keyed_integers(secret, "roles", profile.cycle, len(rest)), axis=1, kind="stable")
    ]
    named, payload = np.split(shuffled[:, profile.id_symbols :], [profile.named_symbols], axis=1)
    # Each part of a cycle holds the whole word, every time in another order.
    index = np.argsort(
        keyed_integers(secret, "payload", profile.repeats, payload.size // profile.repeats),
        axis=1,
        kind="stable",
    ).reshape(payload.shape)
    middles = (np.array(edges[:-1]) + np.array(edges[1:]))[band] / 2
    return TileGeometry(
        profile=profile,
        edges=np.array(edges),
        band=band,
        position=position,
        sign=sign,
        period=np.interp(middles, profile.period_hz, profile.period_db),
        phase=phase,
        pilot=pilot,
        identifier=shuffled[:, : profile.id_symbols],
        named=named,
        payload=payload,
        payload_index=index,
    )


def edges_matrix(edges: Floats, pitch: float = 1.0) -> Floats:
    """Share of each bin of `GRID` in each band ``[..., bands, bins]``, the bands' edges ``[..., bands + 1]``
    moved by the factor `pitch`."""
    width = RATE / GRID.n_fft
    low = (np.arange(GRID.bins) - 0.5) * width
    inside = np.clip((edges[..., None] * pitch - low) / width, 0.0, 1.0)
    return np.diff(inside, axis=-2)


@dataclass(frozen=True)
class BandPower:
    """Energy of bands summed over time: ``cumulative [bands, frames + 1]``, of so many `samples` of audio.

    `first`: frame of `GRID` with which the sums begin, where they are of a stretch of the audio alone.
    """

    cumulative: Floats
    samples: int
    first: int = 0


def power_spectrum(audio: Audio) -> NDArray[np.float32]:
    """Power ``[bins, frames]`` of `audio` ``[channels, samples]``, summed over the channels."""
    total: torch.Tensor | None = None
    for channel in audio:
        s = GRID.forward(torch.from_numpy(np.ascontiguousarray(channel)))
        p = s.real.square() + s.imag.square()
        total = p if total is None else total + p
    assert total is not None
    return total.numpy()


def band_power(power: NDArray[np.floating], matrix: Floats, samples: int, first: int = 0) -> BandPower:
    """The bands of `matrix` ``[bands, bins]`` in a `power_spectrum`, or in its frames from `first` on.

    A sparse product in double precision: a dense one is BLAS's, whose kernels for different processors round
    differently, and marks would then depend on the machine.
    """
    bands = csr_array(matrix) @ power.astype(np.float64, order="C", copy=False)
    return BandPower(_from_zero(bands), samples, first)


def _from_zero(x: Floats) -> Floats:
    """Sums ``[..., frames + 1]`` of all frames before each of ``[..., frames]``."""
    total = np.zeros((*x.shape[:-1], x.shape[-1] + 1))
    np.cumsum(x, axis=-1, out=total[..., 1:])
    return total


def cumulative_until(bands: BandPower, at: NDArray[np.floating]) -> Floats:
    """Energy from the beginning to samples `at`, ``[bands, *at.shape]``; linear between frames."""
    last = bands.cumulative.shape[1] - 1
    u = np.clip(at / GRID.hop + (0.5 - bands.first), 0.0, last)
    i = np.minimum(u.astype(np.int64), last - 1)
    c = bands.cumulative
    low = c.take(i, axis=1)
    return low + (c.take(i + 1, axis=1) - low) * (u - i)


def box_mean(x: Floats, radius: int) -> Floats:
    """Mean over the last axis of up to `radius` neighbours on either side, fewer at the ends."""
    c, size = _from_zero(x), x.shape[-1]
    i = np.arange(size)
    count = np.minimum(i + radius + 1, size) - np.maximum(i - radius, 0)
    out, rise = np.empty_like(c[..., 1:]), min(radius, size - 1)
    # Up to where a window leaves the beginning behind, and from where it ends with all.
    out[..., : size - rise] = c[..., rise + 1 :]
    out[..., size - rise :] = c[..., -1:]
    if size > radius + 1:
        out[..., radius + 1 :] -= c[..., 1 : size - radius]
    out /= count
    return out


def floor_radius(profile: TileProfile) -> int:
    """Tiles on either side whose mean energy makes the floor of each."""
    return round(0.5 * RATE / profile.tile)


def levels(
    bands: BandPower, start: float, tempo: float, tiles: int, profile: TileProfile
) -> tuple[Floats, Floats]:
    """Levels in dB ``[bands, tiles]`` of consecutive tiles, and the share of each energy that is not floor.

    Tile i lies at samples ``start + i * tile / tempo``.
    """
    length = profile.tile / tempo
    energy = np.diff(cumulative_until(bands, start + np.arange(tiles + 1) * length), axis=1)
    floor = profile.floor * box_mean(energy, floor_radius(profile)) + 1e-9 * profile.tile
    return 10.0 * np.log10(energy + floor), energy / (energy + floor)


def relative(level: Floats, profile: TileProfile) -> Floats:
    """Levels relative to the mean of their neighbours in time: free of gain and equalisers."""
    return level - box_mean(level, profile.radius)


def depths(level: Floats, radius: int = 5) -> Floats:
    """How many dB each tile lies under the `radius` bands on either side ``[bands, tiles]``.

    `level` in dB ``[bands, tiles]``. Codecs spoil what lies deep first.
    """
    under: Floats = uniform_filter1d(level, 2 * radius + 1, axis=0, mode="nearest") - level
    return under


def flutters(bands: BandPower, start: float, tempo: float, tiles: int, profile: TileProfile) -> Floats:
    """How much the level of frames changes within each tile ``[bands, tiles]``.

    Standard deviation in dB of the tiles, which lie as in `levels`. What changes fast is what vocoders spoil.
    """
    length = profile.tile / tempo
    at = start + np.arange(tiles + 1) * length
    level = 10.0 * np.log10(np.diff(bands.cumulative, axis=1).clip(1e-12))
    first, second = (
        np.diff(cumulative_until(replace(bands, cumulative=_from_zero(x)), at), axis=1) * GRID.hop / length
        for x in (level, level**2)
    )
    return np.sqrt(np.maximum(second - first**2, 0.0))
