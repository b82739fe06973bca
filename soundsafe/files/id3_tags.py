"""ID3 tags, read in bounded memory.

A frame of a tag may be compressed: a few hundred kilobytes can stand for gigabytes. Such frames, which
hardly any program writes, are not inflated, and text of more than a megabyte is not taken apart: both count
as frames that are not known.
"""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO

from mutagen import id3

__all__ = ["read", "read_bytes"]

_MAX_TAG = 1 << 26
_MAX_TEXT = 1 << 20
_LARGE = frozenset(["APIC", "PIC", "GEOB", "GEO", "PRIV", "UFID", "UFI", "MCDI", "MCI"])
"""Frames that hold bytes as they are."""


class _Bounded:
    """Stands for a class of frames and refuses what would take much more memory than the file has bytes.

    mutagen keeps the bytes of a frame for which NotImplementedError is raised as unknown.
    """

    def __init__(self, frame: type[id3.Frame]) -> None:
        self._frame = frame

    def __call__(self, **values: Any) -> id3.Frame:
        return self._frame(**values)

    def _fromData(self, header: Any, flags: int, data: bytes) -> id3.Frame:
        compressed = {3: id3.Frame.FLAG23_COMPRESS, 4: id3.Frame.FLAG24_COMPRESS}.get(header.version[1], 0)
        if flags & compressed or (len(data) > _MAX_TEXT and self._frame.__name__ not in _LARGE):
            raise NotImplementedError
        return self._frame._fromData(header, flags, data)


_KNOWN = {name: _Bounded(frame) for name, frame in (id3.Frames | id3.Frames_2_2).items()}


def read(file: str | os.PathLike[str] | BinaryIO) -> id3.ID3 | None:
    """The ID3v2 tag that a file begins with, filled up from an ID3v1 tag at its end; None without either.

    Raises:
        Exception: of any kind, for a damaged tag.
    """
    if not isinstance(file, (str, os.PathLike)):
        return _read(file)
    with open(file, "rb") as opened:
        return _read(opened)


def read_bytes(data: bytes) -> id3.ID3 | None:
    """`read` of a tag alone."""
    return _read(io.BytesIO(data))


def _read(file: BinaryIO) -> id3.ID3 | None:
    head = file.read(10)
    file.seek(0)
    if head[:3] == b"ID3" and len(head) == 10:
        size = sum(byte << 7 * place for place, byte in enumerate(reversed(head[6:])))
        if size > _MAX_TAG:
            raise ValueError(f"a tag of {size} bytes is too large")
    try:
        return id3.ID3(file, known_frames=_KNOWN)
    except id3.ID3NoHeaderError:
        return None
