"""Tags and other metadata of audio files, read from any and copied to WAV and FLAC.

FLAC to FLAC keeps comments, pictures, cue sheets and application blocks; WAV to WAV every chunk that does
not describe the samples (``LIST``, ``bext``, ``iXML``, ``id3 ``, ``cue `` ...), byte for byte and on the same
side of the samples; MP3 and AIFF to WAV the ID3v2 frames. Between families what both can say is translated:
Vorbis comments, ID3v2 frames, INFO entries and pictures, but not the languages of comments and lyrics. ID3
tags that a WAV or FLAC file has before or behind it count too. The channel mask, which says what loudspeakers
the channels are for, goes from WAV and FLAC to both.

One warning names the chunks, frames and blocks that are left out because the output cannot hold them.
Metadata that cannot be understood never stops anything: it is left out too, and a warning says why. Of
formats other than WAV, FLAC, MP3, OGG and AIFF the comments and the cover are read that FFmpeg finds.
"""

from __future__ import annotations

import base64
import io
import os
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import mutagen
from mutagen import flac, id3, mp3, oggopus, oggvorbis

from soundsafe.files import containers, id3_tags, packets
from soundsafe.files.audio_info import WAV_FORMATS

__all__ = ["Metadata", "copy", "leading_chunks", "mp3_seconds", "read"]

_FRAMES = {
    "TITLE": "TIT2",
    "SUBTITLE": "TIT3",
    "ARTIST": "TPE1",
    "ALBUMARTIST": "TPE2",
    "CONDUCTOR": "TPE3",
    "REMIXER": "TPE4",
    "ALBUM": "TALB",
    "DATE": "TDRC",
    "ORIGINALDATE": "TDOR",
    "TRACKNUMBER": "TRCK",
    "DISCNUMBER": "TPOS",
    "DISCSUBTITLE": "TSST",
    "COMPILATION": "TCMP",
    "MEDIA": "TMED",
    "ORIGINALARTIST": "TOPE",
    "ORIGINALALBUM": "TOAL",
    "GENRE": "TCON",
    "GROUPING": "TIT1",
    "MOOD": "TMOO",
    "BPM": "TBPM",
    "INITIALKEY": "TKEY",
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
    "ALBUMARTISTSORT": "TSO2",
    "ALBUMSORT": "TSOA",
    "COMPOSERSORT": "TSOC",
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
    b"ITCH": "ENCODED-BY",
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
        b"COMM",
        b"FVER",
        b"SSND",
    ]
)
"""Chunks of WAV and AIFF that belong to the samples or to the layout of their file."""

_BLOCKS = {2: "APPLICATION", 5: "CUESHEET"}
_PLAIN = ("", "DESCRIPTION", "ID3v1 Comment")
"""Descriptions of ID3 comments that say nothing: none, `_id3_chunk`'s, and mutagen's for ID3v1."""

_EXTENSIBLE = 0xFFFE
_MASK = "WAVEFORMATEXTENSIBLE_CHANNEL_MASK"
_FLAC_MASKS = (0x4, 0x3, 0x7, 0x33, 0x37, 0x3F, 0x70F, 0x63F)
"""The loudspeakers of a FLAC file with 1 to 8 channels that has no comment `_MASK` (RFC 9639)."""

_MAX_CHUNK = 1 << 26
_MAX_PICTURE = (1 << 24) - 64
_MAX_LEADING = 1 << 26
_MAX_NAMES = 30


@dataclass(frozen=True)
class Metadata:
    """What a file says besides its samples.

    `comments`: names (upper case) and values; `pictures`: mutagen's; `chunks`: RIFF chunks as they are, of
    which so many as `leading` says come before the samples; `blocks`: FLAC blocks that only FLAC can hold;
    `frames`: an ID3v2.4 tag or None; `channel_mask`: the loudspeakers, as WAVE_FORMAT_EXTENSIBLE numbers
    them, or None; `not_in_flac`, `not_in_wav`: names of what these cannot hold; `problem`: what could not be
    understood, or None; `bad_id3`: what is wrong with an ID3 chunk, which WAV keeps all the same, or None.
    """

    comments: tuple[tuple[str, str], ...] = ()
    pictures: tuple[flac.Picture, ...] = ()
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    leading: int = 0
    blocks: tuple[flac.MetadataBlock, ...] = ()
    frames: id3.ID3 | None = None
    channel_mask: int | None = None
    not_in_flac: tuple[str, ...] = ()
    not_in_wav: tuple[str, ...] = ()
    problem: str | None = None
    bad_id3: str | None = None

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
            return _read_mp3(path)
        if fmt == "AIFF":
            return _read_aiff(path)
        if fmt == "OGG":
            return _read_ogg(path)
        return _read_packets(path)
    except Exception as error:  # whatever a hostile tag makes the parser do: the audio is still good
        return Metadata(
            problem=f"tags of {os.fspath(path)} could not be read and were not kept: {_reason(error)}"
        )


def leading_chunks(path: str | os.PathLike[str], fmt: str) -> bytes:
    """The chunks that a WAV file has before its samples, and that stay there, as they are written; none for
    files of another format, or where they would take much memory."""
    if fmt not in WAV_FORMATS:
        return b""
    metadata = read(path, fmt)
    leading = b"".join(_written(*chunk) for chunk in metadata.chunks[: metadata.leading])
    return leading if len(leading) <= _MAX_LEADING else b""


def _written(name: bytes, data: bytes) -> bytes:
    return struct.pack("<4sI", name, len(data)) + data + b"\0" * (len(data) % 2)


def copy(
    source: str | os.PathLike[str],
    source_format: str,
    target: str | os.PathLike[str],
    target_format: str,
    name: str,
    has_leading: bool = False,
) -> tuple[str, ...]:
    """Copy the metadata of `source` into the WAV or FLAC file `target` and return warnings.

    `name`: what the warnings call `target`, which may bear another yet; `has_leading`: it has the chunks of
    `leading_chunks`. Raises OSError where `target` cannot be written.
    """
    metadata = read(source, source_format)
    warnings = [metadata.problem] if metadata.problem else []
    try:
        if target_format == "FLAC":
            lost = metadata.not_in_flac
            warnings += [metadata.bad_id3] if metadata.bad_id3 else []
            pictures = tuple(p for p in metadata.pictures if len(p.data) <= _MAX_PICTURE)
            if len(pictures) < len(metadata.pictures):
                warnings.append(f"a picture in {os.fspath(source)} of more than 16 MB was not kept")
            _write_flac(target, metadata, pictures)
        else:
            lost = metadata.not_in_wav
            chunks = metadata.chunks
            if source_format not in WAV_FORMATS:
                refused = [_not_in_id3(picture) for picture in metadata.pictures]
                says = f"a picture in {os.fspath(source)} was not kept: ID3 holds no"
                warnings += [f"{says} {why}" for why in refused if why]
                fit = tuple(p for p, why in zip(metadata.pictures, refused, strict=True) if not why)
                chunks = _id3_chunk(replace(metadata, pictures=fit))
            if has_leading:
                chunks = chunks[metadata.leading :]
            if not _append_chunks(target, chunks, metadata.channel_mask):
                warnings.append(f"metadata of {os.fspath(source)} did not fit and was not kept")
        if lost:
            warnings.append(f"left out of {name}, which cannot hold it: {_listed(lost)}")
    except OSError:
        raise
    except Exception as error:  # as in `read`: mutagen raises others for values that it cannot write
        if isinstance(error, mutagen.MutagenError) and error.args and isinstance(error.args[0], OSError):
            raise error.args[0] from None
        warnings.append(f"tags of {os.fspath(source)} were not kept: {_reason(error)}")
    return tuple(warnings)


def mp3_seconds(path: str | os.PathLike[str]) -> float | None:
    """The length that the header (Xing, Info, VBRI) of an MP3 file states; None where it has none."""
    try:
        with open(path, "rb") as file:
            found = mp3.MPEGInfo(file)
    except Exception:  # as in `read`
        return None
    return None if found.bitrate_mode == mp3.BitrateMode.UNKNOWN else float(found.length)


def _reason(error: Exception) -> str:
    # Where mutagen's errors have no words, what they wrap tells more than their own name, "error".
    words = " ".join(str(error).split())
    return words or f"damaged or cut short ({type(error.__context__ or error).__name__})"


def _label(name: bytes) -> str:
    return "".join(chr(c) if 32 <= c < 127 else "?" for c in name).strip()


def _listed(names: Iterable[str]) -> str:
    each = sorted(set(names))
    more = [f"{len(each) - _MAX_NAMES} more"] if len(each) > _MAX_NAMES else []
    return ", ".join(each[:_MAX_NAMES] + more)


def _pairs(comments: Any) -> tuple[tuple[str, str], ...]:
    return tuple((name.upper(), value) for name, value in comments or ())


def _around(path: str | os.PathLike[str]) -> Metadata:
    """ID3 tags before and behind a file that has tags of another kind of its own."""
    try:
        tag = id3_tags.read(path)
    except Exception as error:  # as in `read`
        return Metadata(
            problem=f"ID3 tags around {os.fspath(path)} could not be read and were not kept: {_reason(error)}"
        )
    found = Metadata() if tag is None else _from_id3(tag)
    ape = _ape(path)
    return replace(found, not_in_flac=found.not_in_flac + ape, not_in_wav=found.not_in_wav + ape)


def _filled_up(own: Metadata, more: Metadata) -> Metadata:
    """`own`, with the comments and pictures of `more` that it has nothing of."""
    names = {name for name, _ in own.comments}
    return replace(
        own,
        comments=own.comments + tuple(c for c in more.comments if c[0] not in names),
        pictures=own.pictures or more.pictures,
        not_in_flac=own.not_in_flac + more.not_in_flac,
        problem=own.problem or more.problem,
    )


def _read_flac(path: str | os.PathLike[str]) -> Metadata:
    around = _around(path)
    own = _of_flac(path)
    lost = own.not_in_wav + around.not_in_flac
    return replace(_filled_up(own, around), not_in_wav=lost)


def _of_flac(path: str | os.PathLike[str]) -> Metadata:
    file = flac.FLAC(path)
    known = (flac.StreamInfo, flac.VCFLACDict, flac.Picture, flac.SeekTable, flac.Padding)
    blocks = tuple(block for block in file.metadata_blocks if not isinstance(block, known))
    comments = _pairs(file.tags)
    channels = file.info.channels
    mask = _FLAC_MASKS[channels - 1] if channels > 2 else None
    for name, value in comments:
        if name == _MASK and re.fullmatch("(0[xX])?[0-9a-fA-F]{1,8}", value):
            mask = int(value, 16)
    return Metadata(
        comments,
        tuple(file.pictures),
        blocks=blocks,
        channel_mask=mask,
        not_in_wav=tuple(_BLOCKS.get(block.code, f"block {block.code}") for block in blocks),
    )


def _read_ogg(path: str | os.PathLike[str]) -> Metadata:
    file = mutagen.File(path, [oggvorbis.OggVorbis, oggopus.OggOpus])
    if file is None or file.tags is None:
        return Metadata()
    pairs = _pairs(file.tags)
    comments = tuple(pair for pair in pairs if pair[0] != "METADATA_BLOCK_PICTURE")
    pictures, problem = [], None
    for name, value in pairs:
        if name == "METADATA_BLOCK_PICTURE":
            try:
                pictures.append(flac.Picture(base64.b64decode(value)))
            except Exception as error:  # as in `read`
                problem = f"a picture in {os.fspath(path)} could not be read: {_reason(error)}"
    return Metadata(comments, tuple(pictures), problem=problem)


def _read_mp3(path: str | os.PathLike[str]) -> Metadata:
    tag = id3_tags.read(path)
    found = Metadata() if tag is None else _from_id3(tag)
    ape = _ape(path)
    return replace(found, not_in_flac=found.not_in_flac + ape, not_in_wav=found.not_in_wav + ape)


def _ape(path: str | os.PathLike[str]) -> tuple[str, ...]:
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 160))
        return ("APEv2",) if b"APETAGEX" in file.read(160) else ()  # the last 32 bytes, or before ID3v1's 128


def _read_aiff(path: str | os.PathLike[str]) -> Metadata:
    found, others = Metadata(), []
    for name, data in _chunks(path):
        if name not in (b"ID3 ", b"id3 "):
            others.append(_label(name))
        elif data is None:
            raise ValueError("the tag is too large")
        elif (tag := id3_tags.read_bytes(data)) is not None:
            found = _from_id3(tag)
    around = _around(path)
    lost = (*others, *around.not_in_flac)
    found = _filled_up(found, around)
    return replace(found, not_in_flac=found.not_in_flac + tuple(others), not_in_wav=found.not_in_wav + lost)


def _read_packets(path: str | os.PathLike[str]) -> Metadata:
    try:
        comments, covers = packets.metadata(path)
    except packets.NoAudio:
        return Metadata()
    pictures = []
    for cover in covers:
        picture = flac.Picture()
        picture.type, picture.mime, picture.data = id3.PictureType.COVER_FRONT, cover.mime, cover.data
        pictures.append(picture)
    return Metadata(comments, tuple(pictures))


def _from_id3(tag: id3.ID3) -> Metadata:
    comments: list[tuple[str, str]] = []
    pictures = []
    # What mutagen does not know it writes as it was, if in the same version of ID3.
    unknown = tuple(_label(frame[:4].rstrip(b"\0")) for frame in tag.unknown_frames)
    others = []
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
            name = "DESCRIPTION" if frame.desc == "DESCRIPTION" else "COMMENT"
            after = "" if frame.desc in _PLAIN else f" ({frame.desc})"
            comments += [(name, f"{text}{after}") for text in frame.text]
        elif frame.FrameID == "USLT":
            comments.append(("LYRICS", f"{frame.text} ({frame.desc})" if frame.desc else frame.text))
        elif frame.FrameID == "UFID" and frame.owner == "http://musicbrainz.org":
            comments.append(("MUSICBRAINZ_TRACKID", frame.data.decode("latin-1")))
        elif frame.FrameID in _NAMES:
            texts = frame.genres if frame.FrameID == "TCON" else frame.text
            comments += [(_NAMES[frame.FrameID], str(text)) for text in texts]
        else:
            others.append(frame.FrameID)
    return Metadata(
        tuple(comments),
        tuple(pictures),
        frames=tag,
        not_in_flac=(*others, *unknown),
        not_in_wav=unknown if tag.version < (2, 4) else (),
    )


def _wav_mask(path: str | os.PathLike[str]) -> int | None:
    with open(path, "rb") as file:
        for chunk in containers.chunks(file):
            if chunk.name == b"fmt ":
                file.seek(chunk.at)
                tag, mask = struct.unpack("<H18xI", file.read(24)) if chunk.size >= 40 else (0, 0)
                return mask if tag == _EXTENSIBLE else None
    return None


def _read_wav(path: str | os.PathLike[str]) -> Metadata:
    with open(path, "rb") as file:
        file.seek(containers.after_id3(file))
        if file.read(4) == b"RIFX":
            return Metadata(problem=f"tags of {os.fspath(path)}, a big-endian file, were not kept")
        place = containers.samples(file)
        samples_at = place.at if place else 0
        leading = sum(
            chunk.name not in _ABOUT_SAMPLES and chunk.size <= _MAX_CHUNK and chunk.at < samples_at
            for chunk in containers.chunks(file)
        )
    found = Metadata()
    problem = bad_id3 = None
    chunks: list[tuple[bytes, bytes]] = []
    entries: list[tuple[str, str]] = []
    others: list[str] = []
    for name, data in _chunks(path):
        if data is None:
            problem = f"a chunk {name.decode()!r} of {os.fspath(path)} was too large and not kept"
            continue
        chunks.append((name, data))
        if name in (b"id3 ", b"ID3 "):
            try:
                tag = id3_tags.read_bytes(data)
                found = Metadata() if tag is None else _from_id3(tag)
            except Exception as error:  # as in `read`; the chunk itself can still be copied
                bad_id3 = (
                    f"ID3 tags of {os.fspath(path)} could not be read and were not kept: {_reason(error)}"
                )
        elif name == b"LIST" and data[:4] == b"INFO":
            for entry, value in _info(data):
                if entry in _INFO:
                    entries.append((_INFO[entry], value))
                else:
                    others.append(_label(entry))
        else:
            others.append(f"LIST/{_label(data[:4])}" if name == b"LIST" else _label(name))
    around = _around(path)
    more, lost = _around_as_chunk(around, any(name in (b"id3 ", b"ID3 ") for name, _ in chunks))
    names = {name for name, _ in found.comments}
    own = replace(found, comments=found.comments + tuple(entry for entry in entries if entry[0] not in names))
    return replace(
        _filled_up(own, around),
        chunks=(*chunks, *more),
        leading=leading,
        channel_mask=_wav_mask(path),
        not_in_flac=(*found.not_in_flac, *others, *around.not_in_flac),
        not_in_wav=lost,
        problem=problem or around.problem,
        bad_id3=bad_id3,
    )


def _around_as_chunk(
    around: Metadata, taken: bool
) -> tuple[tuple[tuple[bytes, bytes], ...], tuple[str, ...]]:
    """The chunk in which a WAV file holds ID3 tags that lie around one, and names of what it cannot hold;
    `taken`: it has such a chunk already."""
    lost = tuple(name for name in around.not_in_flac if name == "APEv2")
    if around.frames is None:
        return (), lost
    if not around.frames:
        return (), around.not_in_flac
    return ((), (*lost, "ID3 tags around the file")) if taken else (_id3_chunk(around), around.not_in_wav)


def _info(data: bytes) -> Iterator[tuple[bytes, str]]:
    """Names and texts of the entries of a LIST INFO chunk."""
    at = 4
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        value = data[at + 8 : at + 8 + size].split(b"\0")[0]
        if value:
            try:
                yield name, value.decode()
            except UnicodeDecodeError:
                yield name, value.decode("latin-1")
        at += 8 + size + size % 2


def _chunks(path: str | os.PathLike[str]) -> Iterator[tuple[bytes, bytes | None]]:
    """The chunks of a WAV or AIFF file that are not about its samples; None in place of a huge one."""
    with open(path, "rb") as file:
        for chunk in containers.chunks(file):
            if chunk.name not in _ABOUT_SAMPLES:
                file.seek(chunk.at)
                yield chunk.name, file.read(chunk.size) if chunk.size <= _MAX_CHUNK else None


def _append_chunks(
    path: str | os.PathLike[str], chunks: tuple[tuple[bytes, bytes], ...], channel_mask: int | None
) -> bool:
    """Add chunks at the end of a RIFF or RF64 file, set its channel mask where it has one and one is given,
    and take the clock out of its PEAK chunk.

    The clock would make two outputs of the same audio differ. False where RIFF's 4 GiB do not suffice.
    """
    with open(path, "r+b") as file:
        for chunk in list(containers.chunks(file)):
            if chunk.name == b"PEAK" and chunk.size >= 8:
                file.seek(chunk.at + 4)
                file.write(bytes(4))
            if chunk.name == b"fmt " and chunk.size >= 40 and channel_mask is not None:
                file.seek(chunk.at + 20)
                file.write(struct.pack("<I", channel_mask))
        file.seek(0)
        kind, end = file.read(4), os.fstat(file.fileno()).st_size
        fits = kind == b"RF64" or end + sum(len(data) + 10 for _, data in chunks) < 0xFFFF_FFFF
        file.seek(0, os.SEEK_END)
        for name, data in chunks if fits else ():
            file.write(b"\0" * (file.tell() % 2))
            file.write(_written(name, data))
        file.write(b"\0" * (file.tell() % 2))
        size = file.tell() - 8
        if kind == b"RF64":
            file.seek(20)
            file.write(struct.pack("<Q", size))
        else:
            file.seek(4)
            file.write(struct.pack("<I", size))
    return fits


def _id3_chunk(metadata: Metadata) -> tuple[tuple[bytes, bytes], ...]:
    """An ID3v2.4 tag as a RIFF chunk: the source's own where it has one."""
    tag = metadata.frames
    if tag is None:
        tag = id3.ID3()
        for name, values in metadata.tags().items():
            if name in _FRAMES and _as_written(name, values):
                tag.add(id3.Frames[_FRAMES[name]](encoding=3, text=list(values)))
            elif name in ("COMMENT", "DESCRIPTION"):
                tag.add(
                    id3.COMM(
                        encoding=3, lang="XXX", desc="" if name == "COMMENT" else name, text=list(values)
                    )
                )
            elif name == "LYRICS":
                tag.add(id3.USLT(encoding=3, lang="XXX", desc="", text="\n".join(values)))
            elif name != _MASK or metadata.channel_mask is None:  # which goes into the chunk `fmt `
                tag.add(id3.TXXX(encoding=3, desc=name, text=list(values)))
        for number, picture in enumerate(metadata.pictures):
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


def _not_in_id3(picture: flac.Picture) -> str:
    """What of a picture an ID3v2 frame cannot hold, in words; empty where it can."""
    if not 0 <= picture.type <= 255:
        return f"picture type {picture.type}"
    try:
        picture.mime.encode("latin-1")
    except UnicodeEncodeError:
        return f"MIME type {picture.mime[:40]!a}"
    return ""


def _as_written(name: str, values: tuple[str, ...]) -> bool:
    """Whether the frame of comment `name` gives `values` back: dates are free text, ID3's are not."""
    return name not in ("DATE", "ORIGINALDATE") or all(str(id3.ID3TimeStamp(v)) == v for v in values)


def _write_flac(path: str | os.PathLike[str], metadata: Metadata, pictures: tuple[flac.Picture, ...]) -> None:
    file: Any = flac.FLAC(path)
    comments = list(metadata.comments)
    usual = (None, _FLAC_MASKS[file.info.channels - 1])
    if metadata.channel_mask not in usual and all(name != _MASK for name, _ in comments):
        comments.append((_MASK, f"0x{metadata.channel_mask:X}"))
    if not (comments or pictures or metadata.blocks):
        return
    if file.tags is None:
        file.add_tags()
    for name, value in comments:
        file.tags.append((name, value))
    for picture in pictures:
        file.add_picture(picture)
    file.metadata_blocks.extend(metadata.blocks)
    file.save()
