"""Reading audio files, in blocks of bounded memory: whatever libsndfile or FFmpeg reads.

Audio is float32 ``[channels, samples]``, full scale +-1. Integer samples read as multiples of 2^(1 - bits).

libsndfile reads WAV, FLAC, OGG, AIFF and others like them, from a mended header where theirs does not state
what the file holds (`soundsafe.files.containers`). What comes in packets, such as MP3 (in a WAV file too),
AAC, Opus and WMA, alone or beside a video, FFmpeg reads (`soundsafe.files.packets`).
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from soundsafe.errors import InputError, reason
from soundsafe.files import audio_tags, containers, packets
from soundsafe.files.audio_info import (
    LOUDEST,
    MAX_CHANNELS,
    MAX_RATE,
    MIN_RATE,
    WAV_FORMATS,
    AudioInfo,
    PathLike,
)
from soundsafe.files.audio_writer import AudioWriter, check_output

__all__ = [
    "LOUDEST",
    "MAX_CHANNELS",
    "MAX_RATE",
    "MIN_RATE",
    "AudioInfo",
    "AudioReader",
    "AudioWriter",
    "check_output",
    "read_audio",
]

_BLOCK = 1 << 18
_UNKNOWN_FRAMES = 1 << 48
_CUT_OGG = "lacks an end-of-stream bit"
_OGG_PAGE = re.compile(rb"OggS\0([\0-\7])")
_FORMATS = "WAV, FLAC, MP3, OGG, M4A and most others work"


def _is_chained(file: BinaryIO) -> bool:
    """Whether an OGG file holds streams one after another: a page that begins one, after pages of data."""
    data = False
    rest = b""
    file.seek(0)
    while block := file.read(_BLOCK):
        block = rest + block
        for page in _OGG_PAGE.finditer(block):
            begins = page[1][0] & 2
            if begins and data:
                return True
            data = data or not begins
        rest = block[-5:]
    return False


@functools.lru_cache(1 << 8)
def _samples_in_flac(path: str, size: int, changed_ns: int) -> int:
    """Counted, since a file is opened several times; `size` and `changed_ns` tell another file apart."""
    with open(path, "rb") as file, contextlib.suppress(packets.NoAudio):
        return packets.samples_of(file)
    return 0


@functools.lru_cache(1 << 8)
def _samples_of_mp3(path: str, size: int, changed_ns: int) -> int:
    """Of a file without a header that states them; as above."""
    with open(path, "rb") as file, contextlib.suppress(packets.NoAudio):
        return packets.decoded_samples(file)
    return 0


def _opened(name: str) -> BinaryIO:
    """The file, open for reading; raises InputError where there is none, or nothing in it."""
    try:
        status = os.stat(name)
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{name} is a folder, not an audio file")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{name} is not a regular file")
        if status.st_size == 0:
            raise InputError(f"{name} is empty")
        return open(name, "rb")
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot read {name}: {reason(error)}") from None


class AudioReader:
    """A file opened for reading; a context manager.

    Args:
        path: of the file.
        tags: whether `info` is to hold the file's tags and its channels' loudspeakers.

    Attributes:
        info: what the file says of itself.
        warnings: remarks on the file, such as a header that states another length than the file
            has; after the last block also whether a compressed file, of which any piece is sound, seems cut
            off.

    Raises:
        InputError: what is not there, not a file, empty, not audio, damaged, cut off, or outside 8 to
            192 kHz and 1 to 8 channels; reading raises it for damage further on and for samples that are not
            finite.
    """

    info: AudioInfo

    def __init__(self, path: PathLike, tags: bool = True) -> None:
        self._name = os.fspath(path)
        self._notes: tuple[str, ...] = ()
        self._sound: soundfile.SoundFile | None = None
        self._packets: packets.PacketReader | None = None
        self._position = 0
        self._file = self._source = _opened(self._name)
        try:
            with self._errors():
                self._check_header()
                self._open()
                fmt, subtype, rate, channels, frames = self._found()
            if frames <= 0:
                raise InputError(f"{self._name} holds no audio: it has a header and no samples")
            if not 1 <= channels <= MAX_CHANNELS:
                raise InputError(f"{self._name} has {channels} channels: 1 to {MAX_CHANNELS} work")
            if not MIN_RATE <= rate <= MAX_RATE:
                raise InputError(f"{self._name} has a rate of {rate} Hz: 8000 to 192000 Hz work")
            self.info = AudioInfo(Path(path), rate, channels, frames, fmt, subtype)
            if tags:
                self.info = self._with_tags()
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Errors of the system and of libsndfile as one line that names the file."""
        try:
            yield
        except InputError:
            raise
        except (OSError, RuntimeError) as error:
            raise InputError(f"cannot read {self._name}: {reason(error)}") from None

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._notes + (self._packets.warnings if self._packets else ())

    def _check_header(self) -> None:
        """Take the samples as they lie in the file, with a note where the header says something else."""
        if containers.never_ends(self._file):
            raise InputError(f"{self._name}: its header is damaged (a list with an endless entry)")
        found = containers.samples(self._file)
        if found is None:
            self._check_flac()
            return
        if found.held == 0:
            return  # libsndfile says what it is
        if found.cut_off:
            raise InputError(
                f"{self._name} is cut off: it holds {found.held} of {found.stated} bytes of audio: take a"
                " whole copy, or mend its header"
            )
        if found.truthful and found.start == 0 and not found.ignored:
            return
        if found.ignored:
            self._notes += (
                f"{self._name} has {found.ignored} bytes behind its audio that are left out: no chunk begins"
                " there",
            )
        if found.stated is not None and not found.truthful:
            self._notes += (
                f"the header of {self._name} states {found.stated} bytes of audio, of which it holds"
                f" {found.held}: all of it is read",
            )
        try:
            self._source = containers.mended(self._file, found)
        except InputError as error:
            raise InputError(f"{self._name}: {error}") from None

    def _check_flac(self) -> None:
        start = containers.after_id3(self._file)
        self._file.seek(start)
        head = self._file.read(26)
        if head[:4] != b"fLaC" or len(head) < 26:
            return
        stated = int.from_bytes(head[21:26], "big") & (1 << 36) - 1
        status = os.fstat(self._file.fileno())
        held = _samples_in_flac(self._name, status.st_size, status.st_mtime_ns)
        if held > stated:
            if stated:  # 0: made in a pipe
                self._notes += (
                    f"the header of {self._name} states {stated} samples, of which it holds {held}:"
                    " all of it is read",
                )
            length = head[21] >> 4 << 36 | held
            self._source = containers.with_head(
                self._file, head[:21] + length.to_bytes(5, "big"), start + 26, status.st_size
            )

    def _open(self) -> None:
        name = os.fsencode(self._name) if os.name == "posix" else self._name
        try:
            self._sound = soundfile.SoundFile(name if self._source is self._file else self._source)
        except (soundfile.LibsndfileError, TypeError, ValueError):
            # TypeError: headerless formats.
            self._open_packets()
            return
        if self._sound.subtype.startswith("MPEG_LAYER") or (
            self._sound.format == "OGG" and _is_chained(self._file)
        ):
            self._sound.close()
            frames, seconds = None, None
            if self._sound.format == "MP3" and (seconds := audio_tags.mp3_seconds(self._name)) is None:
                status = os.fstat(self._file.fileno())
                frames = _samples_of_mp3(self._name, status.st_size, status.st_mtime_ns)
            self._open_packets(frames, seconds)

    def _open_packets(self, frames: int | None = None, seconds: float | None = None) -> None:
        self._sound = None
        try:
            self._packets = packets.PacketReader(self._source, self._name, frames, seconds)
        except packets.NoAudio as error:
            # libsndfile's own words mislead here ("possibly a pipe?"), FFmpeg's say nothing.
            known = f" ({error})" if str(error).startswith("it has") else ""
            raise InputError(
                f"{self._name} is not audio that can be read{known}, or its header is damaged: {_FORMATS}"
            ) from None

    def _found(self) -> tuple[str, str, int, int, int]:
        """Format, subtype, rate, channels and samples."""
        if self._packets is not None:
            found = self._packets
            return found.format, found.subtype, found.rate, found.channels, found.frames
        assert self._sound is not None
        sound = self._sound
        kind = containers.format_of(self._file) if self._source is not self._file else None
        frames = 0 if sound.frames >= _UNKNOWN_FRAMES else int(sound.frames)
        return kind or sound.format, sound.subtype, sound.samplerate, sound.channels, frames

    def _with_tags(self) -> AudioInfo:
        info = self.info
        found = audio_tags.read(info.path, info.format)
        mask = found.channel_mask
        if mask is None and self._packets is not None and info.format not in WAV_FORMATS:
            mask = self._packets.channel_mask
        return AudioInfo(
            info.path, info.rate, info.channels, info.frames, info.format, info.subtype, found.tags(), mask
        )

    def _next(self, frames: int) -> NDArray[np.float32]:
        if self._packets is not None:
            return self._packets.read(frames)
        assert self._sound is not None
        left = max(0, self.info.frames - self._position)
        block: NDArray[np.float32] = self._sound.read(min(frames, left), dtype="float32", always_2d=True)
        return block

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next `frames` samples, ``[channels, samples]``; fewer at the end, none after it."""
        try:
            block = self._next(frames)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            if self._sound is not None:
                with contextlib.suppress(soundfile.SoundFileError):
                    self._position = max(self._position, self._sound.tell())  # how far it came in this block
            why = reason(error).removeprefix("Error : ").rstrip(".")
            raise InputError(
                f"{self._name} is damaged near {self._seconds():.1f} s ({why}): take an undamaged copy"
            ) from None
        finite = np.isfinite(block).all(axis=1)
        if not finite.all():
            self._position += int(np.argmin(finite))
            raise InputError(
                f"{self._name} has samples that are not finite numbers (NaN or infinity), the first at"
                f" {self._seconds():.3f} s"
            )
        peaks = np.abs(block).max(axis=1, initial=0.0)
        if peaks.max(initial=0.0) > LOUDEST:
            self._position += int(np.argmax(peaks > LOUDEST))
            raise InputError(
                f"{self._name} has a sample of {peaks.max():.3g} (full scale is 1) near"
                f" {self._seconds():.3f} s"
            )
        self._position += len(block)
        if len(block) < frames and self._sound is not None:
            self._check_end(self._sound)
        return np.ascontiguousarray(block.T)

    def _check_end(self, sound: soundfile.SoundFile) -> None:
        """Refuse, or note in `warnings`, an end that comes before the one that the file's header states."""
        if self._position < self.info.frames:
            raise InputError(
                f"{self._name} is damaged: it ends after {self._position} of {self.info.frames} samples:"
                " take an undamaged copy"
            )
        if _CUT_OGG in sound.extra_info:
            note = (
                f"{self._name} ends after {self._seconds():.1f} s without the page that ends an OGG file:"
                " it may be cut off"
            )
            self._notes += () if note in self._notes else (note,)

    def blocks(self, frames: int = _BLOCK) -> Iterator[NDArray[np.float32]]:
        """What is left, in blocks of `frames` samples, the last one shorter."""
        while (block := self.read(frames)).shape[1]:
            yield block

    def _seconds(self) -> float:
        return self._position / self.info.rate

    def close(self) -> None:
        """Close the file; no harm when done twice."""
        for opened in (self._sound, self._packets, self._source, self._file):
            if opened is not None:
                opened.close()

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_audio(path: PathLike, tags: bool = True) -> tuple[NDArray[np.float32], AudioInfo]:
    """A whole file at once: ``[channels, samples]`` and what the file says of itself, with its `tags` or not.

    Raises:
        InputError: as `AudioReader` does.
    """
    with AudioReader(path, tags) as reader:
        blocks = list(reader.blocks())
        empty = np.zeros((reader.info.channels, 0), np.float32)
        return np.concatenate([empty, *blocks], axis=1), reader.info
