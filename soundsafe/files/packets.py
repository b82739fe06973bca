"""Audio in packets, as FFmpeg reads it: MP3, AAC, Opus, WMA, ALAC and others, also beside a video.

The file is given to FFmpeg open, and to formats of a list alone: others name further files, or addresses,
that FFmpeg would open.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from soundsafe.codecs import frame_samples
from soundsafe.errors import InputError

__all__ = ["NoAudio", "PacketReader", "Picture", "decoded_samples", "metadata", "samples_of"]

_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,ogg,tak,tta,"
    "wav,wv"
)
_OPEN = {"format_whitelist": _FORMATS}

_LOSSLESS = frozenset(
    ["alac", "ape", "flac", "tak", "truehd", "tta", "wavpack", "wmalossless", "mlp", "als", "shorten"]
)
_NAMES = {"mp1": "MPEG_LAYER_I", "mp2": "MPEG_LAYER_II", "mp3": "MPEG_LAYER_III"}
"""Codecs that libsndfile has a name for."""

_LOUDSPEAKERS = (
    "FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR",
    "TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR",
)  # fmt: skip
"""In the order of their bits in WAVE_FORMAT_EXTENSIBLE."""

_HEADERLESS = frozenset(["aac", "ac3", "eac3", "mp3", "amr", "mpeg", "mpegts"])
"""Formats that state no length: FFmpeg guesses it by the bit rate."""

_FRAME = 1152
_SHORT_S = 0.25
"""Seconds by which a file may be shorter than it says: codecs add some at both ends."""

_COMMENTS = {
    "ALBUM_ARTIST": "ALBUMARTIST",
    "TRACK": "TRACKNUMBER",
    "DISC": "DISCNUMBER",
    "ENCODED_BY": "ENCODED-BY",
    "YEAR": "DATE",
}
_TECHNICAL = frozenset(
    ["MAJOR_BRAND", "MINOR_VERSION", "COMPATIBLE_BRANDS", "DURATION", "HANDLER_NAME", "VENDOR_ID"]
)
_LONGEST_TAG = 1 << 20


class NoAudio(Exception):
    """FFmpeg finds nothing to play in the file; the message says why, if it is known."""


@dataclass(frozen=True)
class Picture:
    """A cover: `mime` type and the bytes of the image."""

    mime: str
    data: bytes


def _open(file: BinaryIO) -> av.container.InputContainer:
    file.seek(0)
    try:
        return av.open(file, mode="r", options=dict(_OPEN), metadata_errors="replace")
    except (FFmpegError, ValueError, OSError) as error:
        raise NoAudio(str(error)) from None


def _best(container: av.container.InputContainer) -> av.AudioStream:
    best = container.streams.best("audio")
    for stream in container.streams.audio:
        if best is not None and stream.index == best.index:
            return stream
    raise NoAudio("it has no audio track")


def samples_of(file: BinaryIO) -> int:
    """How many samples the packets of a file hold; nothing is decoded. Raises NoAudio."""
    with _open(file) as container:
        stream = _best(container)
        length = 0
        with contextlib.suppress(FFmpegError):  # what comes before the damage counts
            for packet in container.demux(stream):
                length += packet.duration or 0
        return round(length * (stream.time_base or 0) * stream.codec_context.sample_rate)


def decoded_samples(file: BinaryIO) -> int:
    """How many samples a file gives; all of it is decoded. Raises NoAudio."""
    with _open(file) as container:
        stream = _best(container)
        count = 0
        with contextlib.suppress(FFmpegError):
            for packet in container.demux(stream):
                with contextlib.suppress(FFmpegError):
                    count += sum(frame.samples for frame in stream.decode(packet))
        return count


class PacketReader:
    """The best audio stream of an open file, decoded.

    Attributes:
        rate: in Hz.
        channels: their number.
        frames: samples in each channel, as the file states them or as its packets add up.
        format: FFmpeg's name of the container, in capitals.
        subtype: libsndfile's name of the sample format for a lossless codec, else the codec's in capitals.
        channel_mask: the loudspeakers, for more than two channels.
        warnings: remarks on the file; complete after the last block.

    Args:
        file: open for reading; belongs to the caller.
        name: of the file, for messages.
        frames: samples in each channel, where they were counted before.
        seconds: how long the audio is, by a header that FFmpeg may not trust.

    Raises:
        NoAudio: nothing in the file can be decoded.
    """

    def __init__(
        self, file: BinaryIO, name: str, frames: int | None = None, seconds: float | None = None
    ) -> None:
        self.warnings: tuple[str, ...] = ()
        self._name = name
        self._container = _open(file)
        try:
            streams = self._container.streams.audio
            stream = self._stream = _best(self._container)
            if len(streams) > 1:
                self.warnings = (
                    f"{name} has {len(streams)} audio tracks, of which number {streams.index(stream) + 1} is"
                    " read",
                )
            self._codec: str = stream.codec_context.codec.canonical_name
            if self._codec in _LOSSLESS:
                stream.codec_context.options = {"err_detect": "crccheck+explode"}
            self._damage: float | None = None
            self._bad = 0
            self._errors_since_good = 0
            self._read = 0
            self._parts: list[NDArray[np.float32]] = []
            self._waiting = 0
            self._decoded = self._decode()
            self._describe()
            self._stated = self._stated_frames(seconds) if frames is None else frames
            self.frames = self._stated or self._counted(file) or self._waiting
            self._ends_exactly = self._codec in _NAMES and seconds is not None
        except BaseException:
            self.close()
            raise

    def _describe(self) -> None:
        first = next(self._decoded, None)
        if first is None:
            raise NoAudio("no part of it can be decoded")
        context = self._stream.codec_context
        self._parts.append(first)
        self._waiting = len(first)
        self.channels = first.shape[1]
        name = self._container.format.name
        self.format = "MP4" if name.startswith("mov,") else name.partition(",")[0].upper()
        self.subtype = _NAMES.get(self._codec, self._codec.upper())
        if self._codec in _LOSSLESS or self._codec.startswith("pcm_"):
            known = {"u8": "PCM_U8", "s16": "PCM_16", "flt": "FLOAT", "dbl": "DOUBLE"}
            self.subtype = known.get(context.format.name.removesuffix("p"), "PCM_24")
        speakers = [channel.name for channel in context.layout.channels]
        self.channel_mask = None
        if self.channels > 2 and all(speaker in _LOUDSPEAKERS for speaker in speakers):
            self.channel_mask = sum(1 << _LOUDSPEAKERS.index(speaker) for speaker in speakers)

    def _counted(self, file: BinaryIO) -> int:
        at = file.tell()  # reading goes on from there
        try:
            return samples_of(file)
        finally:
            file.seek(at)

    def _stated_frames(self, seconds: float | None) -> int | None:
        own = self._ffmpegs_frames()
        if seconds is None:
            return None if self._container.format.name in _HEADERLESS else own
        near = own is not None and abs(own - seconds * self.rate) < _SHORT_S * self.rate
        return own if near else round(seconds * self.rate)  # FFmpeg's leaves out what encoders add

    def _ffmpegs_frames(self) -> int | None:
        stream = self._stream
        if stream.duration and stream.time_base:
            return round(stream.duration * stream.time_base * self.rate)
        if self._container.duration:
            return round(self._container.duration * self.rate / 1_000_000)
        return None

    def _decode(self) -> Iterator[NDArray[np.float32]]:
        """The samples, `[samples, channels]`, frame by frame."""
        form = None
        try:
            for packet in self._container.demux(self._stream):
                try:
                    frames = self._stream.decode(packet)
                except FFmpegError:
                    self._errors_since_good += 1
                    continue
                for frame in frames:
                    if form is None:
                        self.rate = frame.sample_rate
                    now = frame.sample_rate, frame.layout.nb_channels
                    if form not in (None, now):
                        raise InputError(
                            f"{self._name} changes to {now[0]} Hz and {now[1]} channels at"
                            f" {self._seconds():.1f} s: convert it to WAV or FLAC first"
                        )
                    form = now
                    if self._errors_since_good and self._seconds() > 0:
                        self._note_damage()
                    self._errors_since_good = 0
                    yield frame_samples(frame).T
        except (FFmpegError, EOFError):
            self._errors_since_good += 1  # the container itself is damaged: nothing comes after it

    def _seconds(self) -> float:
        """How far the decoding has come."""
        return (self._read + self._waiting) / self.rate

    def _note_damage(self) -> None:
        at = self._seconds()
        if self._codec in _LOSSLESS:
            raise InputError(f"{self._name} is damaged near {at:.1f} s: take an undamaged copy")
        self._bad += self._errors_since_good
        self._damage = at if self._damage is None else self._damage

    def _fill(self, frames: int) -> None:
        while self._waiting < frames and (part := next(self._decoded, None)) is not None:
            self._parts.append(part)
            self._waiting += len(part)

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next `frames` samples, `[samples, channels]`; fewer at the end, none after it."""
        end = self.frames if self._ends_exactly else math.inf
        self._fill(frames)
        if self._read + self._waiting > end >= self._read:
            # What is left of a last frame is the encoder's own; anything longer is audio that goes on.
            self._fill(int(end) - self._read + 2 * _FRAME)
            more = self._read + self._waiting - int(end)
            if more < 2 * _FRAME:
                self._cut(more)
            else:
                self._ends_exactly = False
                says = f"its header says {self.frames / self.rate:.1f} s"
                self.warnings += (f"{self._name} goes on after its end, {says}: all of it is read",)
        whole = np.concatenate([np.zeros((0, self.channels), np.float32), *self._parts])
        block, rest = whole[:frames], whole[frames:]
        self._parts, self._waiting = [rest], len(rest)
        self._read += len(block)
        if len(block) < frames:
            self._check_end()
        return block

    def _cut(self, samples: int) -> None:
        if samples:
            whole = np.concatenate(self._parts)
            self._parts = [whole[:-samples]]
            self._waiting -= samples

    def _check_end(self) -> None:
        if self._errors_since_good and self._codec in _LOSSLESS:
            self._note_damage()
        if self._damage is not None:
            self.warnings += (
                f"{self._name} is damaged near {self._damage:.1f} s: {self._bad} packets are unreadable",
            )
            self._damage = None
        stated, self._stated = self._stated, None
        if stated and stated - self._read > _SHORT_S * self.rate:
            self.warnings += (
                f"{self._name} ends after {self._read / self.rate:.1f} s, its header says"
                f" {stated / self.rate:.1f} s",
            )

    def close(self) -> None:
        """End the decoding; no harm when done twice."""
        self._container.close()


def metadata(path: str | os.PathLike[str]) -> tuple[tuple[tuple[str, str], ...], tuple[Picture, ...]]:
    """Comments, by upper-case Vorbis names, and pictures of a file, as FFmpeg reads them.

    Raises:
        NoAudio: FFmpeg cannot read it.
        OSError: it cannot be opened.
    """
    comments: list[tuple[str, str]] = []
    pictures: list[Picture] = []
    with open(path, "rb") as file, _open(file) as container:
        tags = [*container.metadata.items()]
        with contextlib.suppress(NoAudio):
            tags += _best(container).metadata.items()
        for name, value in tags:
            name = _COMMENTS.get(name.upper(), name.upper())
            known = any(name == other for other, _ in comments) or name in _TECHNICAL
            if value and value != "und" and not known and len(value) <= _LONGEST_TAG:
                comments.append((name, value))
        for video in container.streams.video:
            if video.disposition & av.stream.Disposition.attached_pic:
                mime = {"png": "image/png", "mjpeg": "image/jpeg"}.get(video.codec_context.name, "")
                packet = next(iter(container.demux(video)), None)
                if mime and packet is not None and packet.size:
                    pictures.append(Picture(mime, bytes(packet)))
                container.seek(0)
    return tuple(comments), tuple(pictures)
