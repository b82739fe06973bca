"""Where the samples of WAV, AIFF, CAF, W64 and AU files lie, whatever their headers say.

All but AU are lists of chunks, each with a name and a size, one of which holds the samples:

    head | chunk | chunk | ... | samples | chunk | ...

The size of the samples is written last, when a recording ends. Where that did not happen it is 0, the "not
known" of a pipe, or what it was when the recorder last saved; above 4 GiB it wraps around. Such a header is
found by what follows the stated end: other chunks and the end of the file, or something else, which then is
audio. libsndfile would read the stated part alone, so it gets a header with the size that was found.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from soundsafe.errors import InputError

__all__ = [
    "Chunk",
    "Samples",
    "after_id3",
    "chunks",
    "format_of",
    "mended",
    "never_ends",
    "samples",
    "with_head",
]

_MAX_HEAD = 1 << 26
_MAX_LIST = 1 << 26
_UNKNOWN_SIZE = 0x7FFFF000
"""A size from here to 4 GiB was written to a pipe, by a program that could not know it."""

_FOUR_GIB = 0xFFFF_FFFF
_FEW = 4096
"""So few bytes after the samples that are no chunk are more likely anything else than audio."""

_AFTERWARDS = (b"TAG", b"APETAGEX", b"ID3", b"LYRICSBEGIN")
"""What players' programs put behind a file."""


_USUAL = (b"LIST", b"bext", b"iXML", b"id3 ", b"ID3 ", b"cue ", b"smpl", b"_PMX", b"MARK", b"COMT", b"APPL")


@dataclass(frozen=True)
class _Kind:
    """One way of writing chunks: `head` bytes before the first; a chunk's head as `struct` reads it, with a
    name of `name` bytes; sizes that count that head or not, and are made full to `pad` bytes; the `data`
    chunk begins with `skip` bytes that are no samples."""

    head: int
    chunk: str
    data: bytes
    pad: int = 2
    counts_head: bool = False
    skip: int = 0


_LITTLE = _Kind(12, "<4sI", b"data")
_KINDS = {
    b"RIFF": _LITTLE,
    b"RF64": _LITTLE,
    b"BW64": _LITTLE,
    b"RIFX": _Kind(12, ">4sI", b"data"),
    b"FORM": _Kind(12, ">4sI", b"SSND", skip=8),
    b"caff": _Kind(8, ">4sq", b"data", pad=1, skip=4),
    b"riff": _Kind(40, "<16sq", b"data", pad=8, counts_head=True),  # W64
}
_AU = {b".snd": ">", b"dns.": "<"}


@dataclass(frozen=True)
class Chunk:
    """`name`: its first four bytes; `at`: where its content starts; `size`: of the content, as stated."""

    name: bytes
    at: int
    size: int


@dataclass(frozen=True)
class Samples:
    """Where samples lie in a file, in bytes.

    `start`: of the file's own head, behind an ID3 tag; `kind`: the file's first four bytes; `at`: of the
    first sample; `stated`: how many bytes the header claims, None where it says "not known"; `held`: how many
    there are; `ignored`: bytes behind them that are neither audio nor chunks.
    """

    start: int
    kind: bytes
    at: int
    stated: int | None
    held: int
    ignored: int = 0

    @property
    def truthful(self) -> bool:
        """Whether the header gives the samples as they are."""
        return self.stated == self.held

    @property
    def cut_off(self) -> bool:
        """Whether the header claims more than there is."""
        return self.stated is not None and self.stated > self.held


def after_id3(file: BinaryIO) -> int:
    """Where a file begins behind the ID3v2 tags that some programs put before anything."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(10)
        if head[:3] != b"ID3" or len(head) < 10 or max(head[6:]) > 0x7F:
            return at
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        at += size + (20 if head[5] & 0x10 else 10)


def _length(file: BinaryIO) -> int:
    return file.seek(0, os.SEEK_END)


def _kind(file: BinaryIO, start: int) -> tuple[bytes, _Kind | None]:
    file.seek(start)
    name = file.read(4)
    return name, _KINDS.get(name)


def _walk(file: BinaryIO, kind: _Kind, at: int, length: int) -> Iterator[Chunk]:
    """The chunks from `at` on, the last of which may claim more than there is."""
    head = struct.Struct(kind.chunk)
    while at + head.size <= length:
        file.seek(at)
        name, size = head.unpack(file.read(head.size))
        size -= head.size if kind.counts_head else 0
        if not all(32 <= c < 127 for c in name[:4]) or size < (-1 if kind.pad == 1 else 0):
            return
        yield Chunk(name[:4], at + head.size, size)
        if size < 0:  # CAF: up to the file's end
            return
        at += head.size + size
        at += -(at if kind.pad > 2 else size) % kind.pad


def chunks(file: BinaryIO) -> Iterator[Chunk]:
    """The chunks of a file that lie in it whole; `file` may be moved meanwhile."""
    start = after_id3(file)
    name, kind = _kind(file, start)
    if kind is None:
        return
    length, found = _length(file), samples(file)
    for chunk in _walk(file, kind, start + kind.head, length):
        if found and chunk.at + kind.skip == found.at:
            yield Chunk(chunk.name, chunk.at, found.held + kind.skip)
            if not found.truthful and not _wide(name, chunk):
                return  # what follows the stated end is audio
            if _wide(name, chunk):
                end = found.at + found.held
                yield from (c for c in _walk(file, kind, end + end % 2, length) if c.at + c.size <= length)
                return
        elif chunk.at + chunk.size > length:
            return
        else:
            yield chunk


def _wide(name: bytes, chunk: Chunk) -> bool:
    """Whether the size of a chunk is written in another, for more than 4 GiB."""
    return name in (b"RF64", b"BW64") and chunk.size == _FOUR_GIB


def samples(file: BinaryIO) -> Samples | None:
    """Where the samples lie; None for a file of another kind, or one that has no chunk of samples."""
    start = after_id3(file)
    name, kind = _kind(file, start)
    length = _length(file)
    if name in _AU:
        return _samples_of_au(file, start, name, length)
    if kind is None:
        return None
    wide = None
    for chunk in _walk(file, kind, start + kind.head, length):
        if chunk.name == b"ds64" and chunk.size >= 16 and name != b"RIFF":
            file.seek(chunk.at + 8)
            wide = struct.unpack("<q", file.read(8))[0]
        if chunk.name == kind.data:
            at = chunk.at + kind.skip
            if at > length:
                return None
            stated: int | None = max(0, chunk.size - kind.skip)
            if _wide(name, chunk) and wide is not None:
                stated = None if wide < 0 else wide
            elif chunk.size < 0 or (kind.pad == 2 and _UNKNOWN_SIZE <= chunk.size <= _FOUR_GIB):
                stated = None if chunk.size < 0 or at + chunk.size > length else stated
            return _found(file, start, name, kind, at, stated, length)
        if chunk.at + chunk.size > length:
            return None
    return None


def _found(
    file: BinaryIO, start: int, name: bytes, kind: _Kind, at: int, stated: int | None, length: int
) -> Samples:
    if stated is None:
        return Samples(start, name, at, None, _without_tags(file, at, length) - at)
    if at + stated > length:
        return Samples(start, name, at, stated, length - at)
    end = at + stated
    if _ends_well(file, kind, end, length):
        return Samples(start, name, at, stated, stated)
    audio = _without_tags(file, end, length)
    if audio - end < _FEW and stated:
        return Samples(start, name, at, stated, stated, audio - end)
    return Samples(start, name, at, stated, audio - at)


def _samples_of_au(file: BinaryIO, start: int, name: bytes, length: int) -> Samples | None:
    file.seek(start + 4)
    head = file.read(8)
    if len(head) < 8:
        return None
    offset, stated = struct.unpack(f"{_AU[name]}II", head)
    at = start + offset
    if offset < 24 or at > length:
        return None
    if stated == _FOUR_GIB:
        return Samples(start, name, at, None, length - at)
    held = length - at
    ignored = held - stated if 0 < held - stated < _FEW and stated else 0
    return Samples(start, name, at, stated, held - ignored, ignored)


def _ends_well(file: BinaryIO, kind: _Kind, end: int, length: int) -> bool:
    """Whether from `end` on there are chunks, or known tags, and nothing else up to the end of the file."""
    padded = end + -(end if kind.pad > 2 else end % 2) % kind.pad
    for at in sorted({end, padded}):  # some programs forget to pad
        last = at
        for chunk in _walk(file, kind, at, length):
            last = chunk.at + chunk.size if chunk.size >= 0 else length
            last = min(last, length) if chunk.name in _USUAL else last  # of a file that lacks its last bytes
        last += last % 2 if last < length else 0
        if length - 1 <= last <= length or _is_tag(file, at, length) or _is_tag(file, last, length):
            return True
    return False


def _is_tag(file: BinaryIO, at: int, length: int) -> bool:
    if at >= length:
        return False
    file.seek(at)
    return file.read(16).startswith(_AFTERWARDS)


def _without_tags(file: BinaryIO, at: int, length: int) -> int:
    """The end of the file, or of what comes before an ID3v1 tag."""
    if length - at > 128 and _is_tag(file, length - 128, length):
        return length - 128
    return length


class _Spliced(io.RawIOBase):
    """A head of its own, and then a part of a file."""

    def __init__(self, head: bytes, file: BinaryIO, start: int, length: int) -> None:
        self._head, self._file, self._start = head, file, start
        self._size, self._at = len(head) + length, 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, count: int = -1) -> bytes:
        left = max(0, self._size - self._at)
        count = left if count < 0 else min(count, left)
        data = self._head[self._at : self._at + count]
        if len(data) < count:
            self._file.seek(self._start + self._at + len(data) - len(self._head))
            data += self._file.read(count - len(data))
        self._at += len(data)
        return data

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def with_head(file: BinaryIO, head: bytes, start: int, end: int) -> BinaryIO:
    """A file of `head` and what `file` holds from `start` to `end`; closing it closes `file`."""
    return _Spliced(head, file, start, end - start)  # type: ignore[return-value]


def mended(file: BinaryIO, found: Samples) -> BinaryIO:
    """The file from its own head to its last sample, as a file whose header states what it holds.

    Closing it closes `file`. Raises InputError where no header of its kind can state so much.
    """
    length = found.at - found.start
    if length > _MAX_HEAD:
        raise InputError(f"its header has {length} bytes before the samples: convert it to FLAC first")
    file.seek(found.start)
    head = _stating(file.read(length), found)
    return with_head(file, head, found.at, found.at + found.held)


def format_of(file: BinaryIO) -> str | None:
    """libsndfile's name of the format that the file itself has: a mended header may be of another."""
    start = after_id3(file)
    name, _ = _kind(file, start)
    if name != b"RIFF":
        return {b"RF64": "RF64", b"BW64": "RF64", b"RIFX": "WAV"}.get(name)
    for chunk in _walk(file, _LITTLE, start + 12, _length(file)):
        if chunk.name == b"fmt " and chunk.size >= 2:
            file.seek(chunk.at)
            return "WAVEX" if file.read(2) == b"\xfe\xff" else "WAV"
    return "WAV"


def _stating(head: bytes, found: Samples) -> bytes:
    """`head`, up to the samples, with the sizes that were found."""
    kind, held = found.kind, found.held
    whole = len(head) + held
    if kind in (b"RIFF", b"RF64", b"BW64"):
        if kind == b"RIFF" and whole - 8 < _FOUR_GIB:
            return b"".join((head[:4], struct.pack("<I", whole - 8), head[8:-4], struct.pack("<I", held)))
        return _wide_head(head, held)
    if kind in (b"RIFX", b"FORM"):
        skip = _KINDS[kind].skip
        if whole - 8 > _FOUR_GIB:
            raise InputError("it is larger than its header can state: convert it to FLAC first")
        size = struct.pack(">I", held + skip)
        at = len(head) - skip - 4
        return b"".join((head[:4], struct.pack(">I", whole - 8), head[8:at], size, head[at + 4 :]))
    if kind == b"caff":
        return head[:-12] + struct.pack(">q", held + 4) + head[-4:]
    if kind == b"riff":
        return head[:16] + struct.pack("<q", whole) + head[24:-8] + struct.pack("<q", held + 24)
    return head[:8] + struct.pack(f"{_AU[kind]}I", min(held, _FOUR_GIB)) + head[12:]


def _wide_head(head: bytes, held: int) -> bytes:
    """The head of an RF64 file with the chunks of `head` but its own `ds64`."""
    body = io.BytesIO(head)
    kept = b""
    for chunk in _walk(body, _LITTLE, 12, len(head)):
        if chunk.name not in (b"ds64", b"data"):
            size = chunk.size + chunk.size % 2
            kept += head[chunk.at - 8 : chunk.at + size]
    # The sizes of the file and of the samples; the number of samples, which only compressed ones need.
    whole = 12 + 36 + len(kept) + 8 + held - 8
    wide = struct.pack("<4sIQQQI", b"ds64", 28, whole, held, 0, 0)
    unknown = struct.pack("<I", _FOUR_GIB)
    return b"RF64" + unknown + b"WAVE" + wide + kept + b"data" + unknown


def never_ends(file: BinaryIO) -> bool:
    """Whether a list of a RIFF file has an entry of 2 GiB or more: libsndfile goes back there, for ever."""
    start = after_id3(file)
    _, kind = _kind(file, start)
    if kind is None or kind.head != 12:
        return False
    order = kind.chunk[0]
    length = _length(file)
    for chunk in _walk(file, kind, start + kind.head, length):
        if chunk.name != b"LIST" or chunk.size > _MAX_LIST:
            continue
        file.seek(chunk.at)
        at, data = 4, file.read(chunk.size)
        while at + 8 <= len(data):
            size = struct.unpack_from(f"{order}I", data, at + 4)[0]
            if size >= 1 << 31:
                return True
            at += 8 + size + size % 2
    return False
