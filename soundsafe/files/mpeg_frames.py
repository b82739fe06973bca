"""The frames of an MPEG audio file, counted by their headers (ISO/IEC 11172-3 and 13818-3)."""

from __future__ import annotations

import functools
import os
import re

__all__ = ["MpegFrames"]

_BLOCK = 1 << 16

_START = re.compile(rb"\xff(?=[\xe2-\xe7\xf2-\xf7\xfa-\xff][\x10-\xeb])")
_KBIT = {
    (1, 1): range(0, 449, 32),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""By MPEG version (2: 2.5 too) and layer."""
_TRIES = 100_000
"""Places that look like a frame and are none, before the search ends: a file can be full of them."""


@functools.lru_cache(1 << 10)
def _frame(head: bytes) -> tuple[int, int, int, int] | None:
    """Layer, rate, samples and bytes of the MPEG audio frame that starts with the 4 bytes `head`."""
    word = int.from_bytes(head, "big")
    version, layer = (2, 0, 2, 1)[word >> 19 & 3], 4 - (word >> 17 & 3)
    bits, hertz = word >> 12 & 15, word >> 10 & 3
    if len(head) < 4 or word >> 21 != 0x7FF or not version or layer == 4 or bits in (0, 15) or hertz == 3:
        return None
    rate = (44_100, 48_000, 32_000)[hertz] >> (2, 0, 1, 0)[word >> 19 & 3]
    samples = 384 if layer == 1 else 576 if (version, layer) == (2, 3) else 1152
    slot = 4 if layer == 1 else 1
    slots = samples // 8 // slot * 1000 * _KBIT[version, layer][bits] // rate + (word >> 9 & 1)
    return layer, rate, samples, slots * slot


class MpegFrames:
    """The frames of an MP3 file, counted by their headers: `seconds`, and `start` and `head` of the first."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.seconds, self.start, self.head, self._tries = 0.0, 0, b"", 0
        with open(path, "rb") as file:
            self._file = file
            at = self._next(0)
            while at is not None:
                if not self.head:
                    self.start, self.head = at, self._at(at)
                at = self._next(self._run(at))

    def _at(self, at: int) -> bytes:
        self._file.seek(at)
        return self._file.read(4)

    def _run(self, at: int) -> int:
        """Count the frames of one kind that follow each other from `at` on, and return where they end."""
        size = os.fstat(self._file.fileno()).st_size
        frame = first = _frame(self._at(at))
        count = 0
        while frame and first and frame[:3] == first[:3] and at + frame[3] <= size:
            at += frame[3]
            count += 1
            frame = _frame(self._at(at))
        self.seconds += count * first[2] / first[1] if first else 0.0
        return at

    def _next(self, at: int) -> int | None:
        """Where frames go on, at `at` or after it, behind a tag or what else is no audio."""
        self._file.seek(at)
        while (tag := self._file.read(10))[:3] == b"ID3" and len(tag) == 10:
            at += 10 + functools.reduce(lambda size, byte: size << 7 | byte & 0x7F, tag[6:], 0)
            at += 10 * (tag[5] >> 4 & 1)
            self._file.seek(at)
        while True:
            self._file.seek(at)
            block = self._file.read(_BLOCK)
            for match in _START.finditer(block):
                if self._follow(at + match.start()):
                    return at + match.start()
                self._tries += 1
                if self._tries > _TRIES:
                    return None
            if len(block) < _BLOCK:
                return None
            at += len(block) - 2

    def _follow(self, at: int) -> bool:
        """Whether three frames of one kind start at `at`: by chance, pictures in tags hold single headers."""
        kinds = set()
        for _ in range(3):
            frame = _frame(self._at(at))
            if frame is None:
                return False
            kinds.add(frame[:3])
            at += frame[3]
        return len(kinds) == 1

    def quiet(self) -> tuple[bytes, int]:
        """A silent frame like the first, of the smallest size that there is, and its samples."""
        word = int.from_bytes(self.head, "big")
        head = (word & ~0xF200 | 0x11000).to_bytes(4, "big")  # the lowest bit rate, no padding, no checksum
        frame = _frame(head)
        assert frame is not None
        return head.ljust(frame[3], b"\0"), frame[2]
