"""What a short payload says of its block: the end is zeros, and bits that are known are errors undone.

The soft values of those places show that they are zeros long before the word can be read. A payload of 16
bytes leaves 1272 of 1528 bits, so that the code's rate falls from 3/4 to 1/3 (a shortened code). Whatever is
supposed, the authentication tag decides.
"""

from __future__ import annotations

import numpy as np

from soundsafe.aliases import Floats
from soundsafe.message.container import BLOCK, BODY

__all__ = ["full_block_information", "supposed"]

_BITS = 8 * BLOCK
_HEAD = BLOCK - BODY
_SURE = 12.0
"""Logarithm of how much likelier zeros must be than chance: of random payloads, some e^-12 look as short."""

_MARGINS = (2, 16)
"""Bytes more than the likeliest length that are left unknown: the first try and the next."""

_KNOWN = 15.0


def _length(llr: Floats) -> int | None:
    """The likeliest number of bytes before the zeros, where there are zeros."""
    body = np.clip(llr[8 * _HEAD : _BITS], -_KNOWN, _KNOWN)
    of_zero = (np.log(2.0) - np.logaddexp(0.0, -body)).reshape(BODY, 8).sum(axis=1)
    gain = np.cumsum(of_zero[::-1])[::-1]
    best = int(gain.argmax())
    return best if gain[best] > _SURE else None


def supposed(llr: Floats) -> list[Floats]:
    """Soft values ``[n]`` of a word that starts with the block's 1528 bits, with the zeros that they suggest.

    Those with the most zeros first, and last the values as they are. Positive means 0.
    """
    length = _length(llr)
    if length is None:
        return [llr]
    out = []
    for margin in _MARGINS:
        first = _HEAD + length + margin
        if first < BLOCK:
            with_zeros = llr.copy()
            with_zeros[8 * first : _BITS] = _KNOWN
            out.append(with_zeros)
    return [*out, llr]


def full_block_information(llr: Floats, information: float) -> float:
    """The information that a word which fills its block would need to be read as surely.

    Args:
        llr: soft values ``[n]`` of a word, positive for 0.
        information: theirs, in bits for each coded bit, 0 to 1.

    Returns:
        `information`, multiplied where the payload is short: fewer bits are unknown.
    """
    length = _length(llr)
    if length is None:
        return information
    parity = len(llr) - _BITS
    unknown = 8 * (_HEAD + length)
    return information * (_BITS / len(llr)) * (unknown + parity) / unknown
