"""What the 191 bytes of one EUL hold: a part of a payload and the proof that the holder of the key wrote it.

======  ====  ====================================================================================
offset  size  field (integers big-endian)
======  ====  ====================================================================================
0       1     version of this layout: 1
1       2     length of the whole payload in bytes, 1 to 4096
3       1     number of this part, from 0
4       4     first bytes of the SHA-256 of the whole payload
8       8     tag: HMAC-SHA256 over all other bytes (0-7, then 16-190), cut to 64 bits
16      175   body: the payload's bytes from 175 x number on, filled up with zeros
======  ====  ====================================================================================

A block that does not authenticate is not a block. To all who lack the key the tag is a random number, so a
block made without the key (noise, another key, a decoder's wrong guess) is accepted with probability 2^-64
at each attempt, whatever the block is: `FALSE_ACCEPT` times the number of attempts bounds the chance of
reading a mark where there is none.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from soundsafe.errors import InputError
from soundsafe.keys import derive

__all__ = [
    "BLOCK",
    "BODY",
    "FALSE_ACCEPT",
    "MAX_PAYLOAD",
    "Part",
    "Tally",
    "assemble",
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


_VERSION = 1
_HEAD, _TAG = 8, 8


@dataclass(frozen=True)
class Part:
    """An authenticated part: the payload's `length` and hash `prefix`, the part's `number` and `body`."""

    length: int
    number: int
    prefix: bytes
    body: bytes


def parts_of(length: int) -> int:
    """How many blocks a payload of `length` bytes takes: 1 to 24."""
    return -(-length // BODY)


def cycle_of(parts: int) -> int:
    """Seconds after which `parts` parts begin again: odd, so that each part meets each of the four phases of
    stereo seconds, and no part is always where a downmix, or a single channel, has nothing."""
    return parts | 1


def payload_id(payload: bytes) -> bytes:
    """The 64-bit identifier of a payload: the first 8 bytes of its SHA-256."""
    return hashlib.sha256(payload).digest()[:8]


def _tag(head: bytes, body: bytes, key: bytes) -> bytes:
    return hmac.digest(derive(key, "tag", 32), head + body, "sha256")[:_TAG]


def pack(payload: bytes, key: bytes) -> list[bytes]:
    """The blocks of `payload`, 191 bytes each, in order.

    Raises InputError unless the payload has 1 to 4096 bytes.
    """
    if not 1 <= len(payload) <= MAX_PAYLOAD:
        raise InputError(f"a payload has 1 to {MAX_PAYLOAD} bytes, not {len(payload)}")
    start = bytes([_VERSION]) + len(payload).to_bytes(2, "big")
    prefix = payload_id(payload)[:4]
    blocks = []
    for number in range(parts_of(len(payload))):
        head = start + bytes([number]) + prefix
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
    length, number = int.from_bytes(head[1:3], "big"), head[3]
    if head[0] != _VERSION or not 1 <= length <= MAX_PAYLOAD or number >= parts_of(length):
        return None
    return Part(length, number, head[4:8], body)


def assemble(parts: Iterable[Part]) -> bytes | None:
    """The payload of which all parts are there, in any order and number, or None.

    Parts belong together if length and hash prefix agree, and what they give must have that prefix. Of
    several complete payloads, the one with the most parts is returned, the first of equals.
    """
    groups: dict[tuple[int, bytes], list[Part]] = {}
    for part in parts:
        groups.setdefault((part.length, part.prefix), []).append(part)
    for (length, prefix), group in sorted(groups.items(), key=lambda item: -len(item[1])):
        bodies = {part.number: part.body for part in group}
        if len(bodies) < parts_of(length):
            continue
        payload = b"".join(bodies[number] for number in range(parts_of(length)))[:length]
        if payload_id(payload)[:4] == prefix:
            return payload
    return None
