"""The detector of the tile layer: from audio and key alone to tempo, pitch, identifier and payload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit, softmax

from soundsafe.aliases import Floats, Ints
from soundsafe.message.coding import K
from soundsafe.message.container import Part, assemble, open_part, payload_id
from soundsafe.message.low_rate_code import IDENTIFIER_BITS, decode_identifier, decode_payload
from soundsafe.message.short_payloads import supposed
from soundsafe.message.short_words import ShortRead, read_short_word, short_beliefs
from soundsafe.message.words import worth
from soundsafe.pipeline.descriptions import likely_descriptions
from soundsafe.tiles.blocks import (
    BlockSymbols,
    block_features,
    described_powers,
    shared_symbols,
    symbols_of_blocks,
)
from soundsafe.tiles.geometry import TileCode, TileGeometry, depths, flutters
from soundsafe.tiles.noise import noise_of
from soundsafe.tiles.warp import AlignedTiles, Spectrogram, Warp, aligned_tiles

__all__ = ["SoftBlocks", "Words", "read_words"]

_DESCRIPTIONS = 16
"""Descriptions of a block's audio that are considered."""

_HOST_NOISE = 0.15
"""Decibels of a description's distance that make it less likely by a factor of e."""

_MESSAGES = (32, 256)
"""Short payloads that are tried of each size, the likeliest: where it is not sure where blocks are, and where
it is."""

_TIMES_BELIEVED = 3
"""How often the beliefs of a short payload's code improve soft values."""

_WORTH_DECODING = 0.85
"""Share of a block's bits that soft values must claim to hold before it is worth decoding."""


class SoftBlocks:
    """What all whole blocks under a warp say of their bits.

    Args:
        spec: the audio.
        warp: its tempo, pitch and offset.
        code: key and profile.
        most: descriptions of each block's audio that are considered.
    """

    def __init__(self, spec: Spectrogram, warp: Warp, code: TileCode, most: int = 1) -> None:
        self.geo = geo = code.geometry
        p = geo.profile
        tiles = aligned_tiles(spec.bands(warp.pitch), warp, p)
        self.number = tiles.numbers
        """Of each block."""
        self._candidates: list[_Candidate] = []
        if not len(self.number):
            return
        depth = depths(tiles.level)
        flutter = flutters(spec.bands(warp.pitch), tiles.start, warp.tempo, tiles.level.shape[1], p)
        for own, away in _symbols(spec, warp, tiles, code, most):
            place = own.values(tiles.relative) / geo.period + own.phase
            self._candidates.append(_Candidate(place, own.means(depth), own.means(flutter), away))

    def values(self, zero: Floats | None = None) -> Floats:
        """Soft values ``[blocks, symbols]``.

        Args:
            zero: how likely symbols are to be 0 ``[blocks, symbols]``, by which the description of each block
                is recognised, and its noise measured; None: by how well all sit on the lattice, whatever
                their bits. Those of short payloads go half of the way there, and show nothing without their
                bits.
        """
        geo, every = self.geo, self._candidates
        if not every:
            return np.zeros((0, len(geo.band)))
        chance = _chances(every, geo, zero)
        if zero is None:
            zero = np.full((len(self.number), len(geo.band)), 0.5)
            zero[:, geo.pilot] = 1.0
        best, here = chance.argmax(axis=0), np.arange(len(self.number))
        place, depth, flutter = (
            np.stack(each)[best, here] for each in zip(*(one.heard for one in every), strict=True)
        )
        group = geo.band * geo.profile.pilot_bands // geo.bands
        noise = noise_of(place, depth, flutter, group, zero)
        soft = [noise.soft_values(*one.heard) for one in every]
        if len(soft) == 1:
            return soft[0]
        mean = np.einsum("cb,cbs->bs", chance, expit(np.stack(soft)))
        return logit(np.clip(mean, 1e-9, 1.0 - 1e-9))


@dataclass(frozen=True)
class _Candidate:
    """Blocks under one description each: `place` of symbols in periods, `depth` and `flutter` of their tiles
    in dB ``[blocks, symbols]``, and `away` ``[blocks]``, how far in dB the description is from the audio."""

    place: Floats
    depth: Floats
    flutter: Floats
    away: Floats

    @property
    def heard(self) -> tuple[Floats, Floats, Floats]:
        """Place, depth and flutter."""
        return self.place, self.depth, self.flutter


def _symbols(
    spec: Spectrogram, warp: Warp, tiles: AlignedTiles, code: TileCode, most: int
) -> list[tuple[BlockSymbols, Floats]]:
    """Symbols that all blocks may have, the likeliest first, and how far in dB each block's audio is from the
    description that they go with ``[blocks]``."""
    numbers, p = tiles.numbers, code.profile
    if not p.host_bound:
        return [(shared_symbols(numbers, code), np.zeros(len(numbers)))]
    bands = described_powers(spec.power, warp.pitch, spec.samples)
    features = block_features(bands, tiles.start, p.block / warp.tempo, len(numbers))
    likely = [likely_descriptions(each, most) for each in features]
    out = []
    for rank in range(min(map(len, likely))):
        words, away = zip(*(each[rank] for each in likely), strict=True)
        out.append((symbols_of_blocks(numbers, words, code), np.array(away)))
    return out


def _chances(every: Sequence[_Candidate], geo: TileGeometry, zero: Floats | None) -> Floats:
    """How likely each candidate is ``[candidates, blocks]``: by its distance from the audio, and by its fit.

    How well symbols should sit on the lattice is known from the pilots: noise that leaves c of their first
    harmonic leaves the fourth power of it of the second, by which bits do not matter. `zero`: how likely
    symbols are to be 0 ``[blocks, symbols]``.
    """
    away = np.stack([one.away for one in every])
    if len(every) == 1:
        return np.ones_like(away)
    heard = max(float(np.cos(2.0 * np.pi * every[0].place[:, geo.pilot]).mean()), 0.0)
    if zero is None:
        data = np.setdiff1d(np.arange(len(geo.band)), geo.pilot)
        fit = [np.cos(4.0 * np.pi * one.place[:, data]).sum(axis=1) for one in every]
        mean = heard**4
    else:
        sign = 2.0 * zero - 1.0
        fit = [(sign * np.cos(2.0 * np.pi * one.place)).sum(axis=1) for one in every]
        mean = heard
    mean = min(mean, 0.9)
    weight = mean * (2.0 - mean**2) / (1.0 - mean**2)  # of a von Mises distribution, about
    chance: Floats = softmax(weight * np.stack(fit) - away / _HOST_NOISE, axis=0)
    return chance


def identifier_llr(llr: Floats, number: Ints, geo: TileGeometry) -> Floats:
    """Soft values of the identifier's word, added up over the blocks."""
    out = np.zeros(IDENTIFIER_BITS)
    for values, n in zip(llr, number, strict=True):
        c = int(n) % geo.profile.cycle
        np.add.at(out, geo.identifier_bits(c), values[geo.identifier[c]])
    return out


def payload_llr(llr: Floats, number: Ints, geo: TileGeometry) -> dict[int, Floats]:
    """Soft values of the payload's words by number of the cycle."""
    out: dict[int, Floats] = {}
    for values, n in zip(llr, number, strict=True):
        cycle, c = divmod(int(n), geo.profile.cycle)
        word = out.setdefault(cycle, np.zeros(geo.word))
        word[geo.payload_index[c]] += values[geo.payload[c]]
    return out


def short_llr(llr: Floats, number: Ints, geo: TileGeometry) -> Floats:
    """Soft values of the short word that all cycles repeat; `geo`: that of short payloads."""
    return np.sum(list(payload_llr(llr, number, geo).values()), axis=0)


def short_zeros(number: Ints, geo: TileGeometry, believed: Floats | None = None) -> Floats:
    """How likely the symbols of blocks of a short payload are to be 0 ``[blocks, symbols]``.

    Args:
        number: of each block.
        geo: that of short payloads.
        believed: soft values of the word's bits; None: of these nothing is known.
    """
    zero = np.full((len(number), len(geo.band)), 0.5)
    for row, c in zip(zero, number % geo.profile.cycle, strict=True):
        if believed is not None:
            row[geo.payload[c]] = expit(believed[geo.payload_index[c]])
        row[geo.pilot] = row[geo.named[c]] = 1.0
    return zero


@dataclass(frozen=True)
class Words:
    """What was authenticated, how many blocks and identifiers were tried, and whether it was marked by an
    earlier version, which anybody may have learned."""

    payload: bytes | None
    identifier: bytes | None
    tries: int
    identifiers: int
    is_learnable: bool = False


def read_words(
    spec: Spectrogram, warp: Warp, code: TileCode, candidates: int = 1, beside: Sequence[Floats] = ()
) -> Words:
    """What the tile layer holds under `warp`: a short payload, or else the identifier, of the likeliest
    `candidates`, and the payload's long word.

    `beside`: soft values that the cell layer has of its word of a short payload, in several ways; each is
    tried together with the tiles', since what both know adds up.

    Where a profile that binds marks to their audio finds neither, marks of earlier versions are looked for.
    """
    found = _read_words(spec, warp, code, candidates, beside)
    if found.identifier is not None or not code.profile.host_bound:
        return replace(found, is_learnable=not code.profile.host_bound)
    earlier = _read_words(spec, warp, code.learnable, candidates)
    return replace(
        earlier,
        tries=found.tries + earlier.tries,
        identifiers=found.identifiers + earlier.identifiers,
        is_learnable=True,
    )


def _read_words(
    spec: Spectrogram, warp: Warp, code: TileCode, candidates: int, beside: Sequence[Floats] = ()
) -> Words:
    """`read_words` of one profile."""
    geo, key = code.geometry, code.key
    # Where pilots are not sure there is little to read, and one description of each block is enough.
    most = _DESCRIPTIONS if candidates > 1 else 1
    blocks = SoftBlocks(spec, warp, code, most)
    number = blocks.number
    if not len(number):
        return Words(None, None, 0, 0)
    short = _read_short(blocks, code.short.geometry, key, beside, candidates > 1)
    attempts = short.attempts
    if short.payload is not None:
        return Words(short.payload, payload_id(short.payload), attempts, 0)
    llr = blocks.values()
    identifier = decode_identifier(identifier_llr(llr, number, geo), key, candidates)
    by_cycle = payload_llr(llr, number, geo)
    words = list(by_cycle.values())
    # One part is the usual case: all cycles say the same.
    tried = ([np.sum(words, axis=0)] if len(words) > 1 else []) + words
    parts: list[Part] = []
    tries = attempts
    for word in tried:
        if worth(word) * len(word) < _WORTH_DECODING * K:
            continue
        # Blocks of several parts do not begin with the identifier, and one cycle holds one part.
        each = [word] if identifier is None else [_with_identifier(word, identifier)]
        if identifier is not None and len(by_cycle) > 1:
            each.append(word)
        part, tries = _read(each, key, tries)
        if part is not None:
            parts.append(part)
            if assemble(parts, key) is not None:
                break
    payload = assemble(parts, key)
    if payload is not None:
        identifier = payload_id(payload)
    return Words(payload, identifier, tries, candidates)


def _read_short(
    blocks: SoftBlocks, geo: TileGeometry, key: bytes, beside: Sequence[Floats], sure: bool
) -> ShortRead:
    """What blocks say of a short payload, and with how many attempts.

    `sure`: blocks are where they are supposed. Then what the code makes of soft values shows noise and
    descriptions better, from which follow better soft values.
    """
    others: tuple[Floats | None, ...] = (None, *beside)
    believed: Floats | None = None
    attempts = 0
    for left in reversed(range(1 + _TIMES_BELIEVED if sure else 1)):
        heard = short_llr(blocks.values(short_zeros(blocks.number, geo, believed)), blocks.number, geo)
        for other in others:
            short = read_short_word(heard, key, other, _MESSAGES[sure])
            attempts += short.attempts
            if short.payload is not None:
                return replace(short, attempts=attempts)
        if not left or (believed := short_beliefs(heard)) is None:
            break
        others = (None,)
    return ShortRead(None, attempts)


def _read(words: list[Floats], key: bytes, tries: int) -> tuple[Part | None, int]:
    """The part that the first of some soft values of a word authenticates as, and `tries` with the blocks
    that were tried."""
    for values in (values for word in words for values in supposed(word)):
        block, converged = decode_payload(values)
        tries += converged
        part = open_part(block, key) if converged else None
        if part is not None:
            return part, tries
    return None, tries


def _with_identifier(word: Floats, identifier: bytes) -> Floats:
    """Soft values of a word of which the identifier fixes bits: its block holds the first bytes of it."""
    known = np.unpackbits(np.frombuffer(identifier[:4], np.uint8))
    word = word.copy()
    word[32:64] = 20.0 * (1.0 - 2.0 * known)
    return word
