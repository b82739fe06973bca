"""A 191-byte block as the 2040 coded bits of one second, and back from soft values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from soundsafe.aliases import Bits, Floats
from soundsafe.message.coding import (
    N,
    SoftCode,
    deinterleave_bytes,
    interleave_bytes,
    rs_correct_255_191,
    rs_encode_255_191,
)
from soundsafe.message.container import Part, open_part
from soundsafe.message.margin import margin_db
from soundsafe.message.short_payloads import full_block_information, supposed

__all__ = [
    "ERASED",
    "ErrorCode",
    "Word",
    "beliefs",
    "encode_block",
    "information",
    "read_block",
    "read_word",
    "worth",
]

ErrorCode = Literal["ldpc", "rs"]
"""The code of a block: low density, read from soft values, or Reed and Solomon's, from hard decisions."""

ERASED = 0.05
"""A bit whose soft value is smaller than this says nothing and counts as erased."""

_LDPC_GAP_DB = 1.0
"""How far the code of low density lies from the capacity, in dB."""

_RS_ERASURES = (0, 24, 48)

_RS_INFORMATION = 0.6
"""Soft values that know so much and make no word of low density may be Reed-Solomon's; below it, neither can
be read."""


@lru_cache(maxsize=1)
def _soft_code() -> SoftCode:
    return SoftCode()


def encode_block(block: bytes, code: ErrorCode) -> Bits:
    """The coded bits of a block.

    Args:
        block: 191 bytes.
        code: which error-correcting code.

    Returns:
        ``[2040]``, each 0 or 1.

    Raises:
        ValueError: a block of another length.
    """
    if code == "rs":
        return np.unpackbits(np.frombuffer(interleave_bytes(rs_encode_255_191(block)), np.uint8))
    return _soft_code().encode(np.unpackbits(np.frombuffer(block, np.uint8)))


@dataclass(frozen=True)
class Word:
    """An authenticated block's part, with the bytes of the hard decisions that were wrong; `is_short`: it
    came in a short word; `margin_db`: how much noisier it could be (`soundsafe.message.margin`), where that
    is known."""

    part: Part
    corrected_bytes: int
    is_short: bool = False
    code: ErrorCode = "ldpc"
    margin_db: float | None = None


def beliefs(code: ErrorCode) -> Callable[[Floats], Floats] | None:
    """What the code makes of soft values ``[2040]``; None for a code that reads hard decisions."""
    return (lambda llr: _soft_code().beliefs(supposed(llr)[0])) if code == "ldpc" else None


def worth(llr: Floats) -> float:
    """How much there is to read a word from: `information`, made up for what a short payload needs less."""
    return full_block_information(llr, information(llr))


def information(llr: Floats) -> float:
    """Mean information of soft values in bits, as their own sizes claim: 1 - E[h(p)], 0 to 1."""
    p = 1.0 / (1.0 + np.exp(np.minimum(np.abs(llr), 50.0)))
    q = 1.0 - p
    return float(1.0 + np.mean(np.where(p > 1e-15, p * np.log2(np.maximum(p, 1e-15)), 0.0) + q * np.log2(q)))


def read_word(llr: Floats, key: bytes, code: ErrorCode) -> tuple[Word | None, int]:
    """The word that soft values authenticate as.

    Args:
        llr: soft values ``[2040]`` in the order of the code, positive for 0.
        key: under which the block's tag was made.
        code: which error-correcting code; ``ldpc`` tries the other after it, where that may read.

    Returns:
        The word, or None; and how many blocks were tried, each of which could have been accepted by chance.
    """
    if code == "rs":
        return _read_rs(llr, key)
    word, attempts = _read_ldpc(llr, key)
    if word is None and information(llr) >= _RS_INFORMATION:
        word, tried = _read_rs(llr, key)
        attempts += tried
    return word, attempts


def _read_rs(llr: Floats, key: bytes) -> tuple[Word | None, int]:
    """`read_word` of Reed-Solomon."""
    attempts = 0
    received = deinterleave_bytes(np.packbits(llr < 0).tobytes())
    for erased in _RS_ERASURES:
        decoded = rs_correct_255_191(received, _least_trusted(llr, erased))
        if decoded is None:
            continue
        attempts += 1
        part = open_part(decoded[0], key)
        if part is not None:
            return Word(part, decoded[1], code="rs"), attempts
    return None, attempts


def _read_ldpc(llr: Floats, key: bytes) -> tuple[Word | None, int]:
    """`read_word` of low density."""
    hard = (llr < 0).astype(np.uint8)
    attempts = 0
    for values in supposed(llr):
        bits, converged, _ = _soft_code().decode(values)
        if not converged:
            continue
        attempts += 1
        part = open_part(np.packbits(bits).tobytes(), key)
        if part is not None:
            coded = _soft_code().encode(bits)
            wrong = np.packbits(hard ^ coded)
            margin = margin_db(llr, coded, len(bits) / len(coded), _LDPC_GAP_DB)
            return Word(part, int(np.count_nonzero(wrong)), margin_db=margin), attempts
    return None, attempts


def read_block(llr: Floats, code: ErrorCode) -> tuple[bytes, int] | None:
    """The block that soft values say, whatever it holds: its own tag is not looked at.

    A codeword is proof enough: noise comes as near to none as a word has to be. So Reed-Solomon leaves no
    more than 24 bytes out here.

    Args:
        llr: soft values ``[2040]`` in the order of the code, positive for 0.
        code: which error-correcting code.

    Returns:
        The 191 bytes, and how many of 255 hard decisions were wrong; None where there is no codeword.
    """
    hard = (llr < 0).astype(np.uint8)
    if code == "rs":
        received = deinterleave_bytes(np.packbits(hard).tobytes())
        for erased in _RS_ERASURES[:2]:
            found = rs_correct_255_191(received, _least_trusted(llr, erased))
            if found is not None:
                return found
        return None
    for values in supposed(llr):
        bits, converged, _ = _soft_code().decode(values)
        if converged:
            wrong = np.packbits(hard ^ _soft_code().encode(bits))
            return np.packbits(bits).tobytes(), int(np.count_nonzero(wrong))
    return None


def _least_trusted(llr: Floats, count: int) -> list[int] | None:
    """Positions in the word of the `count` bytes whose weakest bit says least, ascending; None for none."""
    trust = np.abs(llr).reshape(-1, 8).min(axis=1).astype(np.float32)
    order = np.argsort(
        np.frombuffer(deinterleave_bytes(np.arange(N // 8, dtype=np.uint8).tobytes()), np.uint8)
    )
    weakest = order[np.argsort(trust, kind="stable")]
    return sorted(int(i) for i in weakest[:count]) or None
