"""Payloads of up to 24 bytes, in words of their own: no part of them is filled up with what all know.

======  ========  ================================================================================
offset  size      field
======  ========  ================================================================================
0       1         version of this layout, 3, in the upper three bits; length of the payload, 1 to 24
1       8/16/24   the payload, filled up with zeros to the next of these sizes
then    8         tag: HMAC-SHA256 over all bytes before it, cut to 64 bits
======  ========  ================================================================================

These 136, 200 or 264 bits are coded by `soundsafe.message.short_code` into as many as there is room for. The
size is not sent: a reader tries all three. As in `soundsafe.message.container` a block without the right tag
is no block, and each attempt is accepted by chance with probability 2^-64.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np

from soundsafe.aliases import Bits, Floats
from soundsafe.keys import derive
from soundsafe.message.container import BODY, Part, payload_id
from soundsafe.message.margin import margin_db
from soundsafe.message.short_code import beliefs, encode_short, likeliest_messages

__all__ = [
    "SHORTEST_WORD",
    "SHORT_PAYLOAD",
    "ShortRead",
    "encode_short_word",
    "is_short",
    "read_short_word",
    "short_beliefs",
    "short_margin_db",
]

_SIZES = (8, 16, 24)
_LIKELIEST = (16, 8, 24)
"""The order in which sizes are looked for."""

_GAP_DB = 0.9
"""How far the code lies from what words of its length could do, in dB, at 2 % lost words."""

_TAG = 8
_VERSION = 3

SHORT_PAYLOAD = _SIZES[-1]
"""Most bytes of a payload that a short word holds."""

SHORTEST_WORD = 8 * (1 + SHORT_PAYLOAD + _TAG) + 1
"""Least bits of a word that holds any of them."""

_TELLING = 8.0
"""By how much (natural logarithm) the likeliest size must be likelier than the least likely."""

_CANDIDATES = 32
"""Messages that are tried of each size, the likeliest: twice as many read 0.05 dB further."""


@lru_cache(maxsize=8)
def _tag_key(key: bytes) -> bytes:
    return derive(key, "short tag", 32)


def _tag(said: bytes, key: bytes) -> bytes:
    return hmac.digest(_tag_key(key), said, "sha256")[:_TAG]


def is_short(payload: bytes) -> bool:
    """Whether a payload travels in short words."""
    return 1 <= len(payload) <= SHORT_PAYLOAD


def encode_short_word(payload: bytes, key: bytes, n: int) -> Bits:
    """The word of a short payload.

    Args:
        payload: 1 to 24 bytes.
        key: a secret, not empty.
        n: bits of the word, at least `SHORTEST_WORD`.

    Returns:
        ``[n]``, each 0 or 1.

    Raises:
        ValueError: a payload or a word of another length.

    Example:
        >>> word = encode_short_word(b"sixteen bytes it", bytes(32), 2040)
        >>> read_short_word(1.0 - 2.0 * word, bytes(32)).payload
        b'sixteen bytes it'
    """
    if not is_short(payload) or n < SHORTEST_WORD:
        raise ValueError(f"a short word has 1 to {SHORT_PAYLOAD} bytes and {SHORTEST_WORD} bits or more")
    size = next(size for size in _SIZES if len(payload) <= size)
    said = bytes([_VERSION << 5 | len(payload)]) + payload.ljust(size, b"\0")
    return encode_short(np.unpackbits(np.frombuffer(said + _tag(said, key), np.uint8)), n)


def short_margin_db(payload: bytes, llr: Floats, coded: Bits) -> float:
    """How many decibels noisier the word of a short payload could be.

    Args:
        payload: 1 to 24 bytes.
        llr: soft values ``[n]``, positive for 0.
        coded: its word, ``[n]``.

    Returns:
        dB, as `soundsafe.message.margin.margin_db`.
    """
    size = next(size for size in _SIZES if len(payload) <= size)
    return margin_db(llr, coded, 8 * (1 + size + _TAG) / len(coded), _GAP_DB)


@dataclass(frozen=True)
class ShortRead:
    """What soft values gave.

    Attributes:
        payload: authenticated, or None.
        attempts: blocks that were tried, each of which could have been accepted by chance.
    """

    payload: bytes | None
    attempts: int

    def part(self) -> Part:
        """The payload as the only part of itself. Raises ValueError where there is none."""
        if self.payload is None:
            raise ValueError("nothing was read")
        return Part(len(self.payload), 0, payload_id(self.payload)[:4], self.payload.ljust(BODY, b"\0"))


def _opened(block: bytes, key: bytes) -> bytes | None:
    """The payload of a block, or None if it does not authenticate. Takes the same time for any wrong tag."""
    said, tag = block[:-_TAG], block[-_TAG:]
    if not hmac.compare_digest(_tag(said, key), tag):
        return None
    version, length = said[0] >> 5, said[0] & 31
    return said[1 : 1 + length] if version == _VERSION and 1 <= length < len(said) else None


def short_beliefs(llr: Floats) -> Floats | None:
    """What the code of short words makes of soft values, for the likeliest size of the payload.

    Args:
        llr: soft values of a word ``[n]``, positive for 0, at least `SHORTEST_WORD`.

    Returns:
        ``[n]``, likewise; None where all sizes are about as likely: there is too little to believe.
    """
    each = [beliefs(llr, 8 * (1 + size + _TAG)) for size in _SIZES]
    likely = [evidence for _, evidence in each]
    return each[int(np.argmax(likely))][0] if max(likely) - min(likely) > _TELLING else None


def read_short_word(
    llr: Floats, key: bytes, beside: Floats | None = None, most: int = _CANDIDATES
) -> ShortRead:
    """The payload that soft values of a word authenticate as.

    Args:
        llr: soft values ``[n]``, positive for 0; 0 where nothing is known. At least `SHORTEST_WORD`.
        key: under which the tag was made.
        beside: those of another word of the same payload, of any such length, which count as well.
        most: messages that are tried of each size, the likeliest.
    """
    llrs = [llr] if beside is None else [llr, beside]
    sizes = [likeliest_messages(llrs, 8 * (1 + size + _TAG), most) for size in _LIKELIEST]
    attempts = 0
    # The likeliest of each size first: mostly one of them is the one.
    for some in (1, most):
        for messages in sizes:
            for bits in islice(messages, some):
                attempts += 1
                payload = _opened(np.packbits(bits).tobytes(), key)
                if payload is not None:
                    return ShortRead(payload, attempts)
    return ShortRead(None, attempts)
