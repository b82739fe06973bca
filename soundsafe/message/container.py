"""What the 191 bytes of one second hold: a part of a payload, and proof that the holder of the key wrote it.

======  ====  ====================================================================================
offset  size  field (integers big-endian)
======  ====  ====================================================================================
0       1     version of this layout: 1 for a payload of one part, 2 for several
1       2     length of the whole payload in bytes, 1 to 4096
3       1     number of this part, from 0
4       4     of the whole payload. Version 1: first bytes of its SHA-256. Version 2: half of 64 keyed bits
8       8     tag: HMAC-SHA256 over all other bytes (0-7, then 16-190), cut to 64 bits
16      175   body: the payload's bytes from 175 x number on, filled up with zeros
======  ====  ====================================================================================

A block that does not authenticate is not a block. To all who lack the key the tag is a random number, so a
block made without the key (noise, another key, a decoder's wrong guess) is accepted with probability 2^-64
at each attempt, whatever the block is: `FALSE_ACCEPT` times the number of attempts bounds the chance of
reading a mark where there is none.

Parts are bound to each other by the 64 bits that version 2 keeps of a payload: the first bytes of an
HMAC-SHA256 over its length, the number of its parts and all of it. Parts of even number hold the first half,
those of odd number the second, so that a whole payload always shows both. Parts of several payloads put
together are taken for one with probability 2^-64, whoever chose the payloads. Earlier marks have parts of
version 1, which still read, but can be spliced: 32 bits without a key are soon made to agree.
"""

from __future__ import annotations

import hmac
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from soundsafe.errors import InputError
from soundsafe.keys import derive, payload_id

__all__ = [
    "BLOCK",
    "BODY",
    "FALSE_ACCEPT",
    "MAX_PAYLOAD",
    "Part",
    "Tally",
    "assemble",
    "assemble_all",
    "cycle_of",
    "open_part",
    "pack",
    "parts_of",
    "payload_id",
]

BLOCK = 191
"""Bytes of a block."""

BODY = 175
"""Bytes of the payload in a block."""

MAX_PAYLOAD = 4096
"""Most bytes of a payload."""

FALSE_ACCEPT = 2.0**-64
"""Chance that one attempt to open a block made without the key succeeds."""


@dataclass
class Tally:
    """The chance of a false accept over all that was tried, whether it led to an answer or not: a union
    bound."""

    bound: float = 0.0

    def blocks(self, attempts: int) -> None:
        """So many attempts to open a block."""
        self.bound = min(1.0, self.bound + attempts * FALSE_ACCEPT)

    def add(self, chance: float) -> None:
        """Anything else with that chance."""
        self.bound = min(1.0, self.bound + chance)


_SINGLE, _BOUND = 1, 2
"""Versions of a block: a payload's only part (in earlier marks any part), and one of several parts."""

_HEAD, _TAG, _SIGN = 8, 8, 4


@dataclass(frozen=True)
class Part:
    """An authenticated part: the payload's `length`, the part's `number` and `body`, and four bytes, `sign`,
    by which parts of one payload are known."""

    length: int
    number: int
    sign: bytes
    body: bytes
    version: int = _SINGLE

    def belongs_to(self, payload: bytes, key: bytes) -> bool:
        """Whether it says of `payload`, which may be any, that it is a part of it."""
        if self.length != len(payload):
            return False
        return hmac.compare_digest(self.sign, _sign(payload, self.number, self.version, key))


def parts_of(length: int) -> int:
    """How many blocks a payload of `length` bytes takes: 1 to 24."""
    return -(-length // BODY)


def cycle_of(parts: int) -> int:
    """Seconds after which `parts` parts begin again: odd, so that each part meets each of the four phases of
    stereo seconds, and no part is always where a downmix, or a single channel, has nothing."""
    return parts | 1


def _tag(head: bytes, body: bytes, key: bytes) -> bytes:
    return hmac.digest(derive(key, "tag", 32), head + body, "sha256")[:_TAG]


def _sign(payload: bytes, number: int, version: int, key: bytes) -> bytes:
    """The four bytes by which part `number` of `payload` is known."""
    if version == _SINGLE:
        return payload_id(payload)[:_SIGN]
    said = len(payload).to_bytes(2, "big") + bytes([parts_of(len(payload))]) + payload
    half = number % 2 * _SIGN
    return hmac.digest(derive(key, "parts", 32), said, "sha256")[half : half + _SIGN]


def pack(payload: bytes, key: bytes) -> list[bytes]:
    """The blocks of `payload`, 191 bytes each, in order.

    Raises InputError unless the payload has 1 to 4096 bytes.
    """
    if not 1 <= len(payload) <= MAX_PAYLOAD:
        raise InputError(f"a payload has 1 to {MAX_PAYLOAD} bytes, not {len(payload)}")
    count = parts_of(len(payload))
    version = _SINGLE if count == 1 else _BOUND
    start = bytes([version]) + len(payload).to_bytes(2, "big")
    blocks = []
    for number in range(count):
        head = start + bytes([number]) + _sign(payload, number, version, key)
        body = payload[number * BODY : (number + 1) * BODY].ljust(BODY, b"\0")
        blocks.append(head + _tag(head, body, key) + body)
    return blocks


def open_part(block: bytes, key: bytes) -> Part | None:
    """The part in a block of 191 bytes, or None if the block does not authenticate under `key`.

    Takes the same time for any wrong tag. Raises ValueError for another length.
    """
    if len(block) != BLOCK:
        raise ValueError(f"a block has {BLOCK} bytes, not {len(block)}")
    head, tag, body = bytes(block[:_HEAD]), block[_HEAD : _HEAD + _TAG], bytes(block[_HEAD + _TAG :])
    if not hmac.compare_digest(_tag(head, body, key), tag):
        return None
    version, length, number = head[0], int.from_bytes(head[1:3], "big"), head[3]
    if not 1 <= length <= MAX_PAYLOAD or number >= parts_of(length):
        return None
    if version not in (_SINGLE, _BOUND) or (version == _BOUND and length <= BODY):
        return None
    return Part(length=length, number=number, sign=head[4:8], body=body, version=version)


def assemble(parts: Iterable[Part], key: bytes) -> bytes | None:
    """The payload of which all parts are there, in any order and number, or None.

    Parts belong together if each says so of what they give. Of several complete payloads, the one with the
    most parts is returned, the first of equals.

    Example:
        >>> key = bytes(32)
        >>> first, second = (open_part(block, key) for block in pack(b"two parts" * 20, key))
        >>> assemble([second, first], key) == b"two parts" * 20
        True
        >>> assemble([first], key) is None
        True
    """
    return next(iter(assemble_all(parts, key)), None)


def assemble_all(parts: Iterable[Part], key: bytes) -> list[bytes]:
    """All payloads of which all parts are there, the one with the most parts first, then in their order.

    Example:
        >>> key = bytes(32)
        >>> parts = [open_part(pack(text, key)[0], key) for text in (b"a", b"b", b"b")]
        >>> assemble_all(parts, key)
        [b'b', b'a']
    """
    found: list[bytes] = []
    for group in sorted(_groups(parts), key=len, reverse=True):
        length = group[0].length
        bodies = {part.number: part.body for part in group}
        if len(bodies) < parts_of(length):
            continue
        payload = b"".join(bodies[number] for number in range(parts_of(length)))[:length]
        if payload not in found and all(part.belongs_to(payload, key) for part in group):
            found.append(payload)
    return found


def _groups(parts: Iterable[Part]) -> list[list[Part]]:
    """Parts that may be those of one payload. Of version 2 those of even and of odd number are known by
    different bytes: each set of the ones may go with each of the others."""
    alike: dict[tuple[int, int, int, bytes], list[Part]] = {}
    for part in parts:
        half = part.number % 2 if part.version == _BOUND else 0
        alike.setdefault((part.version, part.length, half, part.sign), []).append(part)
    groups = [group for (version, *_), group in alike.items() if version == _SINGLE]
    bound = [
        (length, half, group) for (version, length, half, _), group in alike.items() if version == _BOUND
    ]
    for (length, half, even), (other, odd_half, odd) in itertools.product(bound, bound):
        if length == other and (half, odd_half) == (0, 1):
            groups.append(even + odd)
    return groups
