"""The detector of the tile layer: from audio and key alone to tempo, pitch, identifier and payload."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from soundsafe.aliases import Floats, Ints
from soundsafe.message.coding import K
from soundsafe.message.container import Part, assemble, open_part, payload_id
from soundsafe.message.low_rate_code import IDENTIFIER_BITS, decode_identifier, decode_payload
from soundsafe.message.short_payloads import supposed
from soundsafe.message.short_words import read_short_word
from soundsafe.message.words import worth
from soundsafe.tiles.geometry import TileCode, TileGeometry, depths, flutters, symbols
from soundsafe.tiles.noise import soft_values
from soundsafe.tiles.warp import Spectrogram, Warp, aligned_tiles

__all__ = ["Words", "read_words", "soft_blocks"]

_WORTH_DECODING = 0.85
"""Share of a block's bits that soft values must claim to hold before it is worth decoding."""


def soft_blocks(spec: Spectrogram, warp: Warp) -> tuple[Floats, Ints]:
    """Soft values ``[blocks, symbols]`` of all whole blocks under `warp`, and the blocks' numbers."""
    geo = spec.geo
    p = geo.profile
    tiles = aligned_tiles(spec.bands(warp.pitch), warp, p)
    number = tiles.numbers
    if not len(number):
        return np.zeros((0, len(geo.band))), number
    place = symbols(tiles.relative, geo) / geo.period + geo.phase[number % p.cycle]
    group = geo.band * p.pilot_bands // geo.bands
    flutter = flutters(spec.bands(warp.pitch), tiles.start, warp.tempo, tiles.level.shape[1], geo)
    return soft_values(place, depths(tiles.level, geo), flutter, group, geo.pilot), number


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


@dataclass(frozen=True)
class Words:
    """What was authenticated, and how many blocks and identifiers were tried."""

    payload: bytes | None
    identifier: bytes | None
    tries: int
    identifiers: int


def read_words(spec: Spectrogram, warp: Warp, key: bytes, candidates: int = 1) -> Words:
    """What the tile layer holds under `warp`: a short payload, or else the identifier, of the likeliest
    `candidates`, and the payload's long word."""
    geo = spec.geo
    llr, number = soft_blocks(spec, warp)
    if not len(llr):
        return Words(None, None, 0, 0)
    short = read_short_word(short_llr(llr, number, TileCode(key).short.geometry), key)
    if short.payload is not None:
        return Words(short.payload, payload_id(short.payload), short.attempts, 0)
    identifier = decode_identifier(identifier_llr(llr, number, geo), key, candidates)
    by_cycle = payload_llr(llr, number, geo)
    words = list(by_cycle.values())
    # One part is the usual case: all cycles say the same.
    tried = ([np.sum(words, axis=0)] if len(words) > 1 else []) + words
    parts: list[Part] = []
    tries = short.attempts
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
