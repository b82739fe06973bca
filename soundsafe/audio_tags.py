"""Tags and other metadata of audio files, read from any and copied to WAV and FLAC.

FLAC to FLAC keeps comments, pictures, cue sheets and application blocks; WAV to WAV every chunk that does not
describe the samples (``LIST``, ``bext``, ``iXML``, ``id3 ``, ``cue `` ...), byte for byte. Between families
what both can say is translated: Vorbis comments, ID3v2 frames, INFO entries and pictures. Metadata that
cannot be understood never stops anything: it is left out, and a warning says so.
"""

from __future__ import annotations

import base64
import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mutagen
from mutagen import flac, id3, oggopus, oggvorbis

__all__ = ["Metadata", "copy", "read"]

_FRAMES = {
    "TITLE": "TIT2",
    "SUBTITLE": "TIT3",
    "ARTIST": "TPE1",
    "ALBUMARTIST": "TPE2",
    "CONDUCTOR": "TPE3",
    "ALBUM": "TALB",
    "DATE": "TDRC",
    "ORIGINALDATE": "TDOR",
    "TRACKNUMBER": "TRCK",
    "DISCNUMBER": "TPOS",
    "GENRE": "TCON",
    "GROUPING": "TIT1",
    "MOOD": "TMOO",
    "BPM": "TBPM",
    "COMPOSER": "TCOM",
    "LYRICIST": "TEXT",
    "LANGUAGE": "TLAN",
    "COPYRIGHT": "TCOP",
    "PUBLISHER": "TPUB",
    "ISRC": "TSRC",
    "ENCODED-BY": "TENC",
    "ENCODER": "TSSE",
    "TITLESORT": "TSOT",
    "ARTISTSORT": "TSOP",
    "ALBUMSORT": "TSOA",
}
"""Vorbis comment names and the ID3v2.4 text frames that mean the same."""

_NAMES = {frame: name for name, frame in _FRAMES.items()}

_INFO = {
    b"INAM": "TITLE",
    b"IART": "ARTIST",
    b"IPRD": "ALBUM",
    b"ICRD": "DATE",
    b"IPRT": "TRACKNUMBER",
    b"ITRK": "TRACKNUMBER",
    b"IGNR": "GENRE",
    b"ICMT": "COMMENT",
    b"ICOP": "COPYRIGHT",
    b"ILNG": "LANGUAGE",
    b"ISFT": "ENCODER",
}
"""Entries of a LIST INFO chunk."""

_ABOUT_SAMPLES = frozenset(
    [
        b"fmt ",
        b"data",
        b"fact",
        b"PEAK",
        b"ds64",
        b"JUNK",
        b"junk",
        b"PAD ",
        b"FLLR",
        b"levl",
        b"slnt",
        b"wavl",
    ]
)
"""Chunks that belong to the samples or to the layout of their file."""

_MAX_CHUNK = 1 << 26
_MAX_PICTURE = (1 << 24) - 64

WAV_FORMATS = ("WAV", "WAVEX", "RF64")


@dataclass(frozen=True)
class Metadata:
    """What a file says besides its samples.

    `comments`: names (upper case) and values; `pictures`: mutagen's; `chunks`: RIFF chunks as they are;
    `blocks`: FLAC blocks that only FLAC can hold; `frames`: an ID3v2.4 tag or None; `problem`: what could not
    be understood, or None.
    """

    comments: tuple[tuple[str, str], ...] = ()
    pictures: tuple[flac.Picture, ...] = ()
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    blocks: tuple[flac.MetadataBlock, ...] = ()
    frames: id3.ID3 | None = None
    problem: str | None = None

    def tags(self) -> dict[str, tuple[str, ...]]:
        """All values of each comment name, in the file's order."""
        out: dict[str, list[str]] = {}
        for name, value in self.comments:
            out.setdefault(name, []).append(value)
        return {name: tuple(values) for name, values in out.items()}


def read(path: str | os.PathLike[str], fmt: str) -> Metadata:
    """The metadata of the file at `path`, of libsndfile's format `fmt`. Never raises for bad tags."""
    try:
        if fmt in WAV_FORMATS:
            return _read_wav(path)
        if fmt == "FLAC":
            return _read_flac(path)
        if fmt in ("MP3", "MPEG"):
            return _from_id3(id3.ID3(path))
        if fmt == "AIFF":
            file = mutagen.File(path)
            return _from_id3(file.tags) if file is not None and file.tags is not None else Metadata()
        if fmt == "OGG":
            return _read_ogg(path)
    except id3.ID3NoHeaderError:
        return Metadata()
    except Exception as error:  # whatever a hostile tag makes the parser do: the audio is still good
        detail = " ".join(str(error).split()) or type(error).__name__
        return Metadata(problem=f"tags of {os.fspath(path)} could not be read and were not kept: {detail}")
    return Metadata()


def copy(
    source: str | os.PathLike[str], source_format: str, target: str | os.PathLike[str], target_format: str
) -> tuple[str, ...]:
    """Copy the metadata of `source` into the WAV or FLAC file `target` and return warnings.

    Raises OSError where `target` cannot be written.
    """
    metadata = read(source, source_format)
    warnings = [metadata.problem] if metadata.problem else []
    pictures = tuple(p for p in metadata.pictures if len(p.data) <= _MAX_PICTURE)
    if len(pictures) < len(metadata.pictures):
        warnings.append(f"a picture in {os.fspath(source)} of more than 16 MB was not kept")
    try:
        if target_format == "FLAC":
            _write_flac(target, metadata, pictures)
        else:
            same = source_format in WAV_FORMATS
            chunks = metadata.chunks if same else _id3_chunk(metadata, pictures)
            if not _append_chunks(target, chunks):
                warnings.append(f"metadata of {os.fspath(source)} did not fit and was not kept")
    except OSError:
        raise
    except mutagen.MutagenError as error:
        if error.args and isinstance(error.args[0], OSError):
            raise error.args[0] from None
        warnings.append(f"tags of {os.fspath(source)} were not kept: {' '.join(str(error).split())}")
    return tuple(warnings)


def _pairs(comments: Any) -> tuple[tuple[str, str], ...]:
    return tuple((name.upper(), value) for name, value in comments or ())


def _read_flac(path: str | os.PathLike[str]) -> Metadata:
    file = flac.FLAC(path)
    known = (flac.StreamInfo, flac.VCFLACDict, flac.Picture, flac.SeekTable, flac.Padding)
    blocks = tuple(block for block in file.metadata_blocks if not isinstance(block, known))
    return Metadata(_pairs(file.tags), tuple(file.pictures), blocks=blocks)


def _read_ogg(path: str | os.PathLike[str]) -> Metadata:
    file = mutagen.File(path, [oggvorbis.OggVorbis, oggopus.OggOpus])
    if file is None or file.tags is None:
        return Metadata()
    pairs = _pairs(file.tags)
    covers = [base64.b64decode(value) for name, value in pairs if name == "METADATA_BLOCK_PICTURE"]
    comments = tuple(pair for pair in pairs if pair[0] != "METADATA_BLOCK_PICTURE")
    return Metadata(comments, tuple(flac.Picture(data) for data in covers))


def _from_id3(tag: id3.ID3) -> Metadata:
    comments: list[tuple[str, str]] = []
    pictures = []
    frame: Any
    for frame in tag.values():
        if frame.FrameID == "APIC":
            picture = flac.Picture()
            picture.type, picture.mime, picture.desc, picture.data = (
                int(frame.type),
                frame.mime,
                frame.desc,
                frame.data,
            )
            pictures.append(picture)
        elif frame.FrameID == "TXXX":
            name = "".join(c for c in frame.desc.upper() if " " <= c <= "}" and c != "=") or "TXXX"
            comments += [(name, str(text)) for text in frame.text]
        elif frame.FrameID == "COMM":
            comments += [("COMMENT", str(text)) for text in frame.text]
        elif frame.FrameID == "USLT":
            comments.append(("LYRICS", frame.text))
        elif frame.FrameID in _NAMES:
            texts = frame.genres if frame.FrameID == "TCON" else frame.text
            comments += [(_NAMES[frame.FrameID], str(text)) for text in texts]
    return Metadata(tuple(comments), tuple(pictures), frames=tag)


def _read_wav(path: str | os.PathLike[str]) -> Metadata:
    found = Metadata()
    problem = None
    chunks: list[tuple[bytes, bytes]] = []
    for name, data in _chunks(path):
        if data is None:
            problem = f"a chunk {name.decode()!r} of {os.fspath(path)} was too large and not kept"
        else:
            chunks.append((name, data))
    for name, data in chunks:
        if name in (b"id3 ", b"ID3 "):
            try:
                found = _from_id3(id3.ID3(io.BytesIO(data)))
            except Exception as error:  # as in `read`; the chunk itself can still be copied
                problem = f"ID3 tags of {os.fspath(path)} could not be read: {' '.join(str(error).split())}"
    names = {name for name, _ in found.comments}
    info = tuple(
        pair for name, data in chunks if name == b"LIST" for pair in _info(data) if pair[0] not in names
    )
    return Metadata(
        found.comments + info, found.pictures, tuple(chunks), frames=found.frames, problem=problem
    )


def _info(data: bytes) -> Iterator[tuple[str, str]]:
    if data[:4] != b"INFO":
        return
    at = 4
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        value = data[at + 8 : at + 8 + size].split(b"\0")[0]
        if name in _INFO and value:
            try:
                yield _INFO[name], value.decode()
            except UnicodeDecodeError:
                yield _INFO[name], value.decode("latin-1")
        at += 8 + size + size % 2


def _chunks(path: str | os.PathLike[str]) -> Iterator[tuple[bytes, bytes | None]]:
    """The chunks of a RIFF or RF64 file that are not about its samples; None in place of a huge one."""
    with open(path, "rb") as file:
        length = os.fstat(file.fileno()).st_size
        if file.read(4) not in (b"RIFF", b"RF64"):
            return
        at, data_size = 12, 0
        while at + 8 <= length:
            file.seek(at)
            name, size = struct.unpack("<4sI", file.read(8))
            if name == b"ds64" and size >= 16:
                data_size = struct.unpack("<8xQ", file.read(16))[0]
            if name == b"data" and size == 0xFFFF_FFFF:
                size = data_size or length
            # In a file that was not closed properly, what follows may be samples.
            if at + 8 + size > length or not all(32 <= c < 127 for c in name):
                return
            if name not in _ABOUT_SAMPLES:
                file.seek(at + 8)
                yield name, file.read(size) if size <= _MAX_CHUNK else None
            at += 8 + size + size % 2


def _append_chunks(path: str | os.PathLike[str], chunks: tuple[tuple[bytes, bytes], ...]) -> bool:
    """Add chunks at the end of a RIFF or RF64 file, and take the clock out of its PEAK chunk.

    The clock would make two outputs of the same audio differ. False where RIFF's 4 GiB do not suffice.
    """
    with open(path, "r+b") as file:
        kind = file.read(4)
        at, end = 12, os.fstat(file.fileno()).st_size
        while at + 8 <= end:
            file.seek(at)
            name, size = struct.unpack("<4sI", file.read(8))
            if name == b"PEAK" and size >= 8:
                file.seek(at + 12)
                file.write(bytes(4))
            if name == b"data":
                break
            at += 8 + size + size % 2
        fits = kind == b"RF64" or end + sum(len(data) + 10 for _, data in chunks) < 0xFFFF_FFFF
        file.seek(0, os.SEEK_END)
        for name, data in chunks if fits else ():
            file.write(b"\0" * (file.tell() % 2))
            file.write(struct.pack("<4sI", name, len(data)) + data)
        file.write(b"\0" * (file.tell() % 2))
        size = file.tell() - 8
        if kind == b"RF64":
            file.seek(20)
            file.write(struct.pack("<Q", size))
        else:
            file.seek(4)
            file.write(struct.pack("<I", size))
    return fits


def _id3_chunk(metadata: Metadata, pictures: tuple[flac.Picture, ...]) -> tuple[tuple[bytes, bytes], ...]:
    """An ID3v2.4 tag as a RIFF chunk: the source's own where it has one."""
    tag = metadata.frames
    if tag is None:
        tag = id3.ID3()
        for name, values in metadata.tags().items():
            if name in _FRAMES:
                tag.add(id3.Frames[_FRAMES[name]](encoding=3, text=list(values)))
            elif name in ("COMMENT", "DESCRIPTION"):
                tag.add(
                    id3.COMM(
                        encoding=3, lang="XXX", desc="" if name == "COMMENT" else name, text=list(values)
                    )
                )
            elif name == "LYRICS":
                tag.add(id3.USLT(encoding=3, lang="XXX", desc="", text="\n".join(values)))
            else:
                tag.add(id3.TXXX(encoding=3, desc=name, text=list(values)))
        for number, picture in enumerate(pictures):
            # A tag holds one picture for each description.
            tag.add(
                id3.APIC(
                    encoding=3,
                    mime=picture.mime,
                    type=picture.type,
                    desc=picture.desc + " " * number,
                    data=picture.data,
                )
            )
    if not tag:
        return ()
    buffer = io.BytesIO()
    tag.save(buffer, v2_version=4, padding=lambda info: 0)
    return ((b"id3 ", buffer.getvalue()),)


def _write_flac(path: str | os.PathLike[str], metadata: Metadata, pictures: tuple[flac.Picture, ...]) -> None:
    if not (metadata.comments or pictures or metadata.blocks):
        return
    file: Any = flac.FLAC(path)
    if file.tags is None:
        file.add_tags()
    for name, value in metadata.comments:
        file.tags.append((name, value))
    for picture in pictures:
        file.add_picture(picture)
    file.metadata_blocks.extend(metadata.blocks)
    file.save()
