"""Writing audio files: WAV and FLAC, whole or not at all.

What an output holds, given its suffix and the input:

- ``.wav``: the input's own sample format, integer or float; ``.flac``: its bits, at most 24 (float: 24);
- from codecs with loss, which have no sample format of their own, 24 bits: rounding to 16 would add noise
  to passages that these codecs keep far below it;
- from companded or ADPCM files, 16 bits: written as mu-law again, marks in speech and choral music no longer
  read back.

Integer samples are written by rounding to the nearest (ties to even) and clipping, so what was not changed
comes out as it was, up to 24 bits, and nothing wraps around. A warning says so where the input's sample
format could not be kept. WAV files that name the loudspeakers of their channels, and those made of FLAC files
that do, are WAVE_FORMAT_EXTENSIBLE. WAV files that might outgrow 4 GiB become RF64. Nothing is ever
half-written: an output is made under another name in its folder and gets its own by a rename.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

import numpy as np
import soundfile
from numpy.typing import NDArray

from soundsafe.errors import InputError, reason
from soundsafe.files import audio_tags
from soundsafe.files.audio_info import BITS, AudioInfo, PathLike
from soundsafe.files.partial import hold, partial_beside, sweep

__all__ = ["AudioWriter", "check_output"]

_WAV_SUBTYPE = {8: "PCM_U8", 16: "PCM_16", 24: "PCM_24", 32: "PCM_32"}
_FLAC_SUBTYPE = {8: "PCM_S8", 16: "PCM_16", 24: "PCM_24"}
_NOT_IN_FLAC = {
    "PCM_32": "libsndfile writes no 32-bit FLAC",
    "FLOAT": "FLAC holds no 32-bit float",
    "DOUBLE": "FLAC holds no 64-bit float",
}
_COMPANDED = ("ULAW", "ALAW", "GSM610", "G721_32", "G723_24", "G723_40")
_COMPANDED_KINDS = ("ADPCM", "DPCM", "DWVW")
_RF64_FROM = 3 << 30  # leaves room for metadata
T = TypeVar("T")


def check_output(source: PathLike, target: PathLike) -> None:
    """Raise InputError where `target` cannot become an output made from `source`; touches nothing."""
    name = os.fspath(target)
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.lstat(name)  # for names that cannot be
        if Path(target).suffix.lower() not in (".wav", ".flac"):
            raise InputError(f"{name}: the output's name must end in .wav or .flac")
        folder = os.path.dirname(name) or "."
        if not os.path.exists(folder):
            raise InputError(f"cannot write {name}: there is no folder {folder}")
        if not os.path.isdir(folder):
            raise InputError(f"cannot write {name}: {folder} is not a folder")
        if os.path.exists(name):
            if os.path.exists(source) and os.path.samefile(source, name):
                raise InputError(
                    f"{os.fspath(source)} and {name} are the same file: the output needs another"
                )
            if os.path.isdir(name):
                raise InputError(f"cannot write {name}: it is a folder")
            if not os.path.isfile(name):
                raise InputError(f"cannot write {name}: it is not a regular file")
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot write {name}: {reason(error)}") from None


def _companded(info: AudioInfo) -> bool:
    return info.subtype in _COMPANDED or any(kind in info.subtype for kind in _COMPANDED_KINDS)


def _stored_as(info: AudioInfo, suffix: str) -> tuple[str, str]:
    """libsndfile's format and subtype for an output with `suffix` from an input like `info`."""
    floating = info.subtype in ("FLOAT", "DOUBLE")
    bits = BITS.get(info.subtype, 16 if _companded(info) else 24)
    if suffix == ".flac":
        return "FLAC", _FLAC_SUBTYPE[min(bits, 24)]
    subtype = info.subtype if floating else _WAV_SUBTYPE[bits]
    width = 8 if subtype == "DOUBLE" else 4 if floating else bits // 8
    large = info.frames * info.channels * width > _RF64_FROM
    if large or info.format == "RF64":
        return "RF64", subtype
    return ("WAV" if info.channel_mask is None and info.format != "WAVEX" else "WAVEX"), subtype


def _changed(info: AudioInfo, fmt: str, subtype: str, name: str) -> tuple[str, ...]:
    """A warning where the output `name` has not the sample format of an input that has one, else none."""
    own = info.subtype in BITS or info.subtype in ("FLOAT", "DOUBLE") or _companded(info)
    if not own or info.subtype == subtype or BITS.get(info.subtype) == BITS.get(subtype):
        return ()
    why = f"no mark is written as {info.subtype}, which might not keep it"
    if fmt == "FLAC":
        why = _NOT_IN_FLAC.get(info.subtype, f"FLAC holds no {info.subtype}")
    return (f"{name} has {BITS[subtype]}-bit samples: {why}",)


def _to_samples(audio: NDArray[np.floating], subtype: str) -> NDArray[np.generic]:
    """`audio` in the type that libsndfile stores as `subtype` without rounding anything itself."""
    if subtype in ("FLOAT", "DOUBLE"):
        return np.asarray(audio, np.float32)
    bits = BITS[subtype]
    scale = 2.0 ** (bits - 1)
    levels = np.clip(np.rint(np.asarray(audio, np.float64) * scale), -scale, scale - 1)
    return levels.astype(np.int32) << np.int32(32 - bits)


class _Sink:
    """A file as libsndfile writes it. Errors, and signals that end the program in the midst of it, are kept
    for the writer to raise: C cannot pass them on.

    Once `leave_room` was called the file holds bytes in its midst that libsndfile does not see: it knows no
    chunks before the samples.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.error: BaseException | None = None
        self._room, self._room_at = 0, 0

    def leave_room(self, content: bytes) -> None:
        """Put `content` before the chunk of the samples, in a file that has a header and no samples yet."""
        self.file.flush()
        end = self.file.seek(0, os.SEEK_END)
        self.file.seek(0)
        head = self.file.read(end)
        self._room_at, self._room = head.rindex(b"data"), len(content)
        self.file.seek(self._room_at)
        self.file.write(content + head[self._room_at :])

    def _place(self, offset: int) -> int:
        return offset + self._room if offset >= self._room_at else offset

    def _told(self, offset: int) -> int:
        return offset - self._room if offset >= self._room_at + self._room else min(offset, self._room_at)

    def write(self, data: bytes) -> int:
        return self._try(lambda: self._write(data), 0)

    def _write(self, data: bytes) -> int:
        at = self._told(self.file.tell())
        before = max(0, min(len(data), self._room_at - at)) if self._room else 0
        if before:
            self.file.write(data[:before])
        if self._room and before < len(data) and at + before == self._room_at:
            self.file.seek(self._place(self._room_at))
        return before + self.file.write(data[before:])

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._try(lambda: self._seek(offset, whence), -1)  # writes what the buffer holds

    def _seek(self, offset: int, whence: int) -> int:
        if whence == os.SEEK_CUR:
            offset += self._told(self.file.tell())
        elif whence == os.SEEK_END:
            offset += self._told(self.file.seek(0, os.SEEK_END))
        self.file.seek(self._place(offset) if self._room else offset)
        return offset

    def tell(self) -> int:
        return self._try(lambda: self._told(self.file.tell()) if self._room else self.file.tell(), 0)

    def read(self, count: int) -> bytes:
        return self._try(lambda: self.file.read(count), b"")  # of the header alone

    def _try(self, action: Callable[[], T], otherwise: T) -> T:
        # libsndfile may come back after the file was closed, when an object that failed is collected.
        if self.file.closed:
            return otherwise
        try:
            return action()
        except BaseException as error:
            self.error = self.error or error
            return otherwise


class AudioWriter:
    """An output like `info` at `target`, made beside it and renamed when all is well; a context manager.

    `write` the blocks, `finish` (then the file at `partial` is complete, tags included, and can be read
    back), and `commit`. Leaving the context without `commit`, by whatever way, leaves no file and an older
    `target` as it was. `warnings` names what could not be kept: the sample format, tags. Raises InputError
    for a target that cannot be written, when made or later (full disk).
    """

    def __init__(self, target: PathLike, info: AudioInfo) -> None:
        check_output(info.path, target)
        self.info = info
        self.warnings: tuple[str, ...] = ()
        self.frames = 0
        self._name = os.fspath(target)
        # A rename would replace a link, not what it points to.
        self._target = Path(os.path.realpath(target))
        self.partial = partial_beside(self._target)
        self._held: int | None = None
        self._format, self._subtype = _stored_as(info, Path(target).suffix.lower())
        if self._format == "FLAC" and info.rate > 0xFFFF and info.rate % 10:
            raise InputError(f"FLAC cannot hold a rate of {info.rate} Hz: give an output that ends in .wav")
        self._encoder: soundfile.SoundFile | None = None
        self._has_leading = False
        self._sink: _Sink | None = None
        try:
            with self._errors():
                sweep(self._target.parent)
                descriptor = os.open(self.partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
                self._held = hold(descriptor)
                self._sink = _Sink(os.fdopen(descriptor, "w+b"))
                self._encoder = soundfile.SoundFile(
                    self._sink, "w", info.rate, info.channels, self._subtype, format=self._format
                )
                leading = b"" if self._format == "FLAC" else audio_tags.leading_chunks(info.path, info.format)
                self._has_leading = bool(leading)
                if leading:
                    self._sink.leave_room(leading)
        except BaseException:
            self.discard()
            raise

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Errors of the system and of libsndfile as one line that names the output."""
        try:
            yield
            if self._sink and self._sink.error:
                raise self._sink.error
        except (OSError, soundfile.SoundFileError, AssertionError) as error:
            # soundfile asserts that everything was written.
            cause = self._sink.error if self._sink and self._sink.error else error
            if not isinstance(cause, (OSError, soundfile.SoundFileError, AssertionError)):
                raise cause from None
            raise InputError(f"cannot write {self._name}: {reason(cause)}") from None

    @property
    def fine(self) -> bool:
        """Whether the samples that are written have steps finer than those of 16 bits."""
        return BITS.get(self._subtype, 32) > 16

    def write(self, audio: NDArray[np.floating]) -> None:
        """Add ``[channels, samples]``. Raises InputError where it cannot be written, ValueError for a wrong
        number of channels or samples that are not finite."""
        if audio.ndim != 2 or audio.shape[0] != self.info.channels:
            raise ValueError(f"expected {self.info.channels} channels, not an array of shape {audio.shape}")
        if not np.isfinite(audio).all():
            raise ValueError("samples must be finite numbers")
        if self._encoder is None:
            raise ValueError("the output is finished")
        with self._errors():
            self._encoder.write(np.ascontiguousarray(_to_samples(audio, self._subtype).T))
        self.frames += audio.shape[1]

    def finish(self) -> Path:
        """Complete the file with the input's tags and return where it lies until `commit`."""
        if self._encoder is None:
            return self.partial
        with self._errors():
            self._close()
        with self._errors():
            self.warnings = _changed(self.info, self._format, self._subtype, self._name) + audio_tags.copy(
                self.info.path,
                self.info.format,
                self.partial,
                self._format,
                self._name,
                self._has_leading,
            )
        with self._errors(), open(self.partial, "rb") as file:
            os.fsync(file.fileno())
        return self.partial

    def commit(self) -> None:
        """Give the finished file its name, in place of whatever had it."""
        self.finish()
        with self._errors():
            os.replace(self.partial, self._target)
        self._let_go()

    def discard(self) -> None:
        """Remove what was made; nothing after `commit`."""
        with contextlib.suppress(OSError, soundfile.SoundFileError, AssertionError):
            self._close()
        with contextlib.suppress(OSError):
            os.unlink(self.partial)
        self._let_go()

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            os.close(held)

    def _close(self) -> None:
        encoder, self._encoder = self._encoder, None
        try:
            if encoder is not None:
                encoder.close()
        finally:
            # After the encoder, which writes the header last.
            if self._sink is not None:
                self._sink.file.close()

    def __enter__(self) -> AudioWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()
