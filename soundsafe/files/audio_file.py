"""Audio files, in blocks of bounded memory: whatever libsndfile reads, to WAV and FLAC.

Audio is float32 ``[channels, samples]``, full scale +-1. Integer samples read as multiples of 2^(1 - bits)
and are written by rounding to the nearest (ties to even) and clipping, so what was not changed comes out as
it was, up to 24 bits, and nothing wraps around.

What an output holds, given its suffix and the input:

- ``.wav``: the input's own sample format, integer or float; ``.flac``: its bits, at most 24 (float: 24);
- from MP3, Vorbis and Opus, which have no sample format of their own, 24 bits: rounding to 16 would add noise
  to passages that these codecs keep far below it;
- from companded or ADPCM files, 16 bits: written as mu-law again, marks in speech and choral music no longer
  read back.

A warning says so where the input's sample format could not be kept. WAV files that name the loudspeakers of
their channels, and those made of FLAC files that do, are WAVE_FORMAT_EXTENSIBLE. WAV files that might outgrow
4 GiB become RF64. Nothing is ever half-written: an output is made under another name in its folder and gets
its own by a rename.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

import numpy as np
import soundfile
from numpy.typing import NDArray

from soundsafe.errors import InputError
from soundsafe.files import audio_tags
from soundsafe.files.mpeg_frames import MpegFrames

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

MIN_RATE, MAX_RATE = 8_000, 192_000
MAX_CHANNELS = 8
LOUDEST = 1e4
"""Largest sample that is worked on: what lies 80 dB above full scale is no audio, and libraries that get it
may end the process."""

_BLOCK = 1 << 18

_BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_WAV_SUBTYPE = {8: "PCM_U8", 16: "PCM_16", 24: "PCM_24", 32: "PCM_32"}
_FLAC_SUBTYPE = {8: "PCM_S8", 16: "PCM_16", 24: "PCM_24"}
_NOT_IN_FLAC = {
    "PCM_32": "libsndfile writes no 32-bit FLAC",
    "FLOAT": "FLAC holds no 32-bit float",
    "DOUBLE": "FLAC holds no 64-bit float",
}
_LOSSY = ("MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III", "VORBIS", "OPUS")
_RF64_FROM = 3 << 30  # leaves room for metadata
_UNKNOWN_FRAMES = 1 << 48
_CUT_OFF = re.compile(r"^data : (\d+) \(should be (\d+)\)$", re.MULTILINE)
_CUT_OGG = "lacks an end-of-stream bit"
_SHORT_S = 0.1
_UNKNOWN_SIZE = 0x7FFFF000
"""A chunk that claims so much was written to a pipe, by a program that could not know its size."""

_OGG_PAGE = re.compile(rb"OggS\0([\0-\7])")
_MPEG_TRIMMED = 2 * 4095
"""Samples that an MP3 file's header may take from its ends, as the encoder's own."""
Path_ = str | os.PathLike[str]
T = TypeVar("T")


@dataclass(frozen=True)
class AudioInfo:
    """What a file says of itself.

    `rate` in Hz, `frames` samples in each channel (a damaged MP3 file may give others), `format` and
    `subtype` as libsndfile names them, `tags` by upper-case Vorbis comment names, `channel_mask` the
    loudspeakers as WAVE_FORMAT_EXTENSIBLE numbers them, None where the file does not say.
    """

    path: Path
    rate: int
    channels: int
    frames: int
    format: str
    subtype: str
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    channel_mask: int | None = None

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.frames / self.rate


def _is_chained(path: Path_) -> bool:
    """Whether an OGG file holds streams one after another: a page that begins one, after pages of data."""
    data = False
    rest = b""
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            block = rest + block
            for page in _OGG_PAGE.finditer(block):
                begins = page[1][0] & 2
                if begins and data:
                    return True
                data = data or not begins
            rest = block[-5:]
    return False


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


class AudioReader:
    """A file opened for reading; a context manager.

    Raises InputError for what is not there, not a file, empty, not audio, damaged, or outside 8 to 192 kHz
    and 1 to 8 channels, and for files of which libsndfile reads the beginning alone (MP3 files joined, OGG
    chained); reading raises it for damage further on and for samples that are not finite. After the last
    block `warnings` says whether an MP3 or OGG file, of which any piece is sound, seems cut off.
    """

    info: AudioInfo

    def __init__(self, path: Path_) -> None:
        self.warnings: tuple[str, ...] = ()
        self._name = os.fspath(path)
        self._spool = contextlib.ExitStack()
        self._file = self._open()
        self._position = 0
        self._held_s = 0.0  # what an MP3 file's frames add up to
        self._states_length = False
        try:
            frames = self._whole()
            file = self._file
            if file.frames >= _UNKNOWN_FRAMES:
                raise InputError(
                    f"{self._name} does not tell its length (FLAC made in a pipe): encode it into a file"
                )
            if frames <= 0:
                raise InputError(f"{self._name} holds no audio: it has a header and no samples")
            cut = _CUT_OFF.search(file.extra_info)
            if cut and int(cut[2]) < int(cut[1]) < _UNKNOWN_SIZE:
                raise InputError(f"{self._name} is cut off: it holds {cut[2]} of {cut[1]} bytes of audio")
            if not 1 <= file.channels <= MAX_CHANNELS:
                raise InputError(f"{self._name} has {file.channels} channels: 1 to {MAX_CHANNELS} work")
            if not MIN_RATE <= file.samplerate <= MAX_RATE:
                raise InputError(f"{self._name} has a rate of {file.samplerate} Hz: 8000 to 192000 Hz work")
            metadata = audio_tags.read(path, file.format)
            self.info = AudioInfo(
                Path(path),
                file.samplerate,
                file.channels,
                frames,
                file.format,
                file.subtype,
                metadata.tags(),
                metadata.channel_mask,
            )
        except BaseException:
            self.close()
            raise

    def _open(self) -> soundfile.SoundFile:
        try:
            status = os.stat(self._name)
            if stat.S_ISDIR(status.st_mode):
                raise InputError(f"{self._name} is a folder, not an audio file")
            if not stat.S_ISREG(status.st_mode):
                raise InputError(f"{self._name} is not a regular file")
            if status.st_size == 0:
                raise InputError(f"{self._name} is empty")
            if audio_tags.never_ends(self._name):
                raise InputError(f"{self._name}: its header is damaged (a list with an endless entry)")
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"cannot read {self._name}: {_reason(error)}") from None
        try:
            return soundfile.SoundFile(os.fsencode(self._name) if os.name == "posix" else self._name)
        except (soundfile.LibsndfileError, TypeError, ValueError):
            # TypeError: headerless formats. libsndfile's own words mislead here ("possibly a pipe?").
            raise InputError(
                f"{self._name} is not audio that can be read, or its header is damaged:"
                " WAV, FLAC, MP3 and OGG files work"
            ) from None

    def _whole(self) -> int:
        """The number of samples; raises InputError where libsndfile would read less than the file holds."""
        file = self._file
        try:
            if file.format == "OGG" and _is_chained(self._name):
                raise InputError(
                    f"{self._name} holds several OGG streams, one after another, of which the first alone"
                    " can be read: convert it to WAV or FLAC first"
                )
            if file.format != "MP3":
                return int(file.frames)
            mpeg = MpegFrames(self._name)
            self._held_s = mpeg.seconds
            self._states_length = audio_tags.mp3_states_length(self._name)
            frames = int(file.frames)
            if mpeg.seconds and not self._states_length:
                held = round(mpeg.seconds * file.samplerate)
                if frames < held and file.subtype == "MPEG_LAYER_III":
                    self._open_behind_quiet(mpeg)
                frames = min(held, int(self._file.frames))
        except (OSError, RuntimeError) as error:
            raise InputError(f"cannot read {self._name}: {_reason(error)}") from None
        self._refuse_the_rest(frames)
        return frames

    def _open_behind_quiet(self, mpeg: MpegFrames) -> None:
        """Open, in place of the file, a copy of it behind a small silent frame, which is read away.

        Where no header states the length, libsndfile takes all frames to be as large as the first, and reads
        no further than the length that follows.
        """
        quiet, samples = mpeg.quiet()
        with contextlib.ExitStack() as stack, open(self._name, "rb") as file:
            spool = stack.enter_context(tempfile.TemporaryFile())
            spool.write(quiet)
            file.seek(mpeg.start)
            shutil.copyfileobj(file, spool)
            spool.seek(0)
            opened = soundfile.SoundFile(spool.fileno(), closefd=False)
            self._spool = stack.pop_all()
        self._file.close()
        self._file = opened
        opened.read(samples)

    def _refuse_the_rest(self, frames: int) -> None:
        rate = self._file.samplerate
        if self._held_s * rate - frames > _SHORT_S * rate + _MPEG_TRIMMED:
            raise InputError(
                f"{self._name} holds {self._held_s:.1f} s, of which {frames / rate:.1f} s can be read:"
                " convert it to WAV or FLAC first, or take an undamaged copy"
            )

    def read(self, frames: int) -> NDArray[np.float32]:
        """The next `frames` samples, ``[channels, samples]``; fewer at the end, none after it."""
        try:
            left = max(0, self.info.frames - self._position)
            block = self._file.read(min(frames, left), dtype="float32", always_2d=True)
            if len(block) < frames and self.info.format == "MP3":
                # Rarely frames that were not counted, among damage; often what libsndfile takes for damage.
                with contextlib.suppress(soundfile.LibsndfileError, RuntimeError):
                    more = self._file.read(frames - len(block), dtype="float32", always_2d=True)
                    block = np.concatenate([block, more])
        except (soundfile.LibsndfileError, RuntimeError) as error:
            with contextlib.suppress(soundfile.SoundFileError):
                self._position = max(self._position, self._file.tell())  # how far it came in this block
            why = _reason(error).removeprefix("Error : ").rstrip(".")
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
        if len(block) < frames:
            self._check_end()
        return np.ascontiguousarray(block.T)

    def _check_end(self) -> None:
        """Refuse, or note in `warnings`, an end that comes before the one that the file's header states."""
        info, missing = self.info, self.info.frames - self._position
        if info.format == "MP3":
            self._refuse_the_rest(self._position)
            # Without such a header the length is that of the frames, and says nothing of a lost end.
            if missing > _SHORT_S * info.rate and self._states_length:
                says = f"its header says {info.seconds:.1f} s"
                self.warnings = (f"{self._name} ends after {self._seconds():.1f} s, {says}",)
        elif missing > 0:
            raise InputError(
                f"{self._name} is damaged: it ends after {self._position} of {info.frames} samples:"
                " take an undamaged copy"
            )
        elif _CUT_OGG in self._file.extra_info:
            self.warnings = (
                f"{self._name} ends after {self._seconds():.1f} s without the page that ends an OGG file:"
                " it may be cut off",
            )

    def blocks(self, frames: int = _BLOCK) -> Iterator[NDArray[np.float32]]:
        """What is left, in blocks of `frames` samples, the last one shorter."""
        while (block := self.read(frames)).shape[1]:
            yield block

    def _seconds(self) -> float:
        return self._position / self._file.samplerate

    def close(self) -> None:
        """Close the file; no harm when done twice."""
        self._file.close()
        self._spool.close()

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_audio(path: Path_) -> tuple[NDArray[np.float32], AudioInfo]:
    """A whole file at once: ``[channels, samples]`` and what the file says of itself. Raises InputError."""
    with AudioReader(path) as reader:
        blocks = list(reader.blocks())
        empty = np.zeros((reader.info.channels, 0), np.float32)
        return np.concatenate([empty, *blocks], axis=1), reader.info


def check_output(source: Path_, target: Path_) -> None:
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
        raise InputError(f"cannot write {name}: {_reason(error)}") from None


def _stored_as(info: AudioInfo, suffix: str) -> tuple[str, str]:
    """libsndfile's format and subtype for an output with `suffix` from an input like `info`."""
    floating = info.subtype in ("FLOAT", "DOUBLE")
    bits = _BITS.get(info.subtype, 24 if floating or info.subtype in _LOSSY else 16)
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
    if info.subtype in (subtype, *_LOSSY) or _BITS.get(info.subtype) == _BITS.get(subtype):
        return ()
    why = f"no mark is written as {info.subtype}, which might not keep it"
    if fmt == "FLAC":
        why = _NOT_IN_FLAC.get(info.subtype, f"FLAC holds no {info.subtype}")
    return (f"{name} has {_BITS[subtype]}-bit samples: {why}",)


def _to_samples(audio: NDArray[np.floating], subtype: str) -> NDArray[np.generic]:
    """`audio` in the type that libsndfile stores as `subtype` without rounding anything itself."""
    if subtype in ("FLOAT", "DOUBLE"):
        return np.asarray(audio, np.float32)
    bits = _BITS[subtype]
    scale = 2.0 ** (bits - 1)
    levels = np.clip(np.rint(np.asarray(audio, np.float64) * scale), -scale, scale - 1)
    return levels.astype(np.int32) << np.int32(32 - bits)


class _Sink:
    """A file as libsndfile writes it. Errors, and signals that end the program in the midst of it, are kept
    for the writer to raise: C cannot pass them on."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.error: BaseException | None = None

    def write(self, data: bytes) -> int:
        return self._try(lambda: self.file.write(data), 0)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._try(lambda: self.file.seek(offset, whence), -1)  # writes what the buffer holds

    def tell(self) -> int:
        return self._try(self.file.tell, 0)

    def read(self, count: int) -> bytes:
        return self._try(lambda: self.file.read(count), b"")

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

    def __init__(self, target: Path_, info: AudioInfo) -> None:
        check_output(info.path, target)
        self.info = info
        self.warnings: tuple[str, ...] = ()
        self.frames = 0
        self._name = os.fspath(target)
        # A rename would replace a link, not what it points to.
        self._target = Path(os.path.realpath(target))
        self.partial = self._target.with_name(f".soundsafe-{secrets.token_hex(6)}.tmp")
        self._format, self._subtype = _stored_as(info, Path(target).suffix.lower())
        if self._format == "FLAC" and info.rate > 0xFFFF and info.rate % 10:
            raise InputError(f"FLAC cannot hold a rate of {info.rate} Hz: give an output that ends in .wav")
        self._encoder: soundfile.SoundFile | None = None
        self._sink: _Sink | None = None
        try:
            with self._errors():
                descriptor = os.open(self.partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
                self._sink = _Sink(os.fdopen(descriptor, "w+b"))
                self._encoder = soundfile.SoundFile(
                    self._sink, "w", info.rate, info.channels, self._subtype, format=self._format
                )
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
            raise InputError(f"cannot write {self._name}: {_reason(cause)}") from None

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
                self.info.path, self.info.format, self.partial, self._format, self._name
            )
        with self._errors(), open(self.partial, "rb") as file:
            os.fsync(file.fileno())
        return self.partial

    def commit(self) -> None:
        """Give the finished file its name, in place of whatever had it."""
        self.finish()
        with self._errors():
            os.replace(self.partial, self._target)

    def discard(self) -> None:
        """Remove what was made; nothing after `commit`."""
        with contextlib.suppress(OSError, soundfile.SoundFileError, AssertionError):
            self._close()
        with contextlib.suppress(OSError):
            os.unlink(self.partial)

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
