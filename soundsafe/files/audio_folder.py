"""A folder of audio files, with a `manifest.csv` or without: a dataset.

Manifest columns: `file` (relative to the folder and within it; the only one that must be there), `clip` (a
unique name; else the file's name without its suffix), `category` (else "all"), `split` (else none), `group`
(clips of one source, which are not independent; else the file), `license`, `lossy` ("yes" where the source
was coded lossily). Further columns are kept; names of columns may have capitals. Without a manifest every
audio file in or below the folder is a clip, but hidden ones.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundsafe.errors import InputError
from soundsafe.files.names import existing
from soundsafe.files.tables import read_table

__all__ = ["MONO", "SUFFIXES", "UNGROUPED", "Clip", "Dataset", "read_folder", "require_utf8"]

UNGROUPED = (
    "nothing says which clips come from one source, so each counts as independent and intervals may be too "
    "narrow: --group-by parent|REGEX, or a column `group` in manifest.csv"
)
"""The note on a dataset of which no groups are known."""

MONO = ":mono"
"""Suffix of a dataset's name: each clip is read as the mean of its channels."""

SUFFIXES = frozenset(
    {".wav", ".flac", ".mp3", ".ogg", ".opus", ".aif", ".aiff", ".w64", ".caf", ".au", ".m4a", ".aac", ".wma"}
)


@dataclass(frozen=True)
class Clip:
    """One audio file and what the manifest says of it.

    Attributes:
        clip: its name, unique in the dataset.
        path: of the file.
        category: for figures by kind of audio.
        split: the part of the dataset that it belongs to; None where none is known.
        group: clips of one source, which are not independent, share it.
        license: as the manifest has it.
        lossy: ``yes`` where the source was coded lossily.
        mono: read it as the mean of its channels.
        columns: its line in the manifest; {} without one.

    Example:
        >>> from soundsafe.datasets import load
        >>> audio, rate = load("bundled").clips[0].read()
        >>> audio.dtype, audio.ndim, rate
        (dtype('float32'), 2, 44100)
    """

    clip: str
    path: Path
    category: str = "all"
    split: str | None = None
    group: str = ""
    license: str = ""
    lossy: str = ""
    mono: bool = False
    columns: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def read(self) -> tuple[NDArray[np.float32], int]:
        """The audio of the clip.

        Returns:
            float32 `[channels, samples]`, one channel where `mono` is set, and the rate in Hz.

        Raises:
            InputError: no audio that can be read, none at all, or samples that are not finite.
        """
        from soundsafe.files.audio_file import read_audio  # late: listing clips needs no decoder

        try:
            audio, info = read_audio(self.path, tags=False)
        except InputError as error:
            raise self._unreadable(error) from error
        except MemoryError:
            raise InputError(f"{self.path}: too large for this machine's memory") from None
        if self.mono:
            audio = audio.mean(axis=0, keepdims=True)
        return np.ascontiguousarray(audio, dtype=np.float32), info.rate

    def duration(self) -> float:
        """Its length, as its file states it or else holds it.

        Returns:
            Seconds.

        Raises:
            InputError: no audio that can be read.

        Example:
            >>> from soundsafe.datasets import load
            >>> load("bundled").clips[0].duration()
            8.0
        """
        from soundsafe.files.audio_file import AudioReader  # late, as above

        try:
            with AudioReader(self.path, tags=False) as reader:
                return reader.info.seconds
        except InputError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: InputError) -> InputError:
        return InputError(f"{self.path}: not readable as audio ({error})")


@dataclass(frozen=True)
class Dataset:
    """A set of clips.

    Attributes:
        name: as it was asked for.
        clips: in the manifest's order, else sorted by path.
        note: what a reader of figures should know of it, in one line; '' for nothing.

    Example:
        >>> from soundsafe.datasets import load
        >>> len(load("bundled").clips)
        8
    """

    name: str
    clips: tuple[Clip, ...]
    note: str = ""


def read_folder(
    folder: Path, split: str | None = None, *, mono: bool = False, name: str | None = None
) -> Dataset:
    """The audio files of a folder, as its manifest lists them or as they lie there.

    Args:
        folder: where they are.
        split: only clips of this split; clips of which no split is known belong to each.
        mono: read clips as the mean of their channels.
        name: of the dataset; None: the folder's.

    Returns:
        The dataset, of at least one clip.

    Raises:
        InputError: no such folder, nothing in it, a manifest that cannot be used, no clip of that split, a
            name that is not UTF-8.
    """
    text = str(folder) if name is None else name
    require_utf8(text)
    if not folder.exists():
        raise InputError(f"{text}: no such folder; give a folder of audio files")
    if not folder.is_dir():
        raise InputError(f"{text}: not a folder; a dataset is a folder of audio files")
    manifest = folder / "manifest.csv"
    try:
        found = tuple(_listed(manifest, mono) if manifest.exists() else _scanned(folder, mono))
    except OSError as error:
        raise InputError(f"{text}: cannot be read ({error.strerror})") from error
    if not found:
        raise InputError(f"{text}: no audio files in it ({', '.join(sorted(SUFFIXES))})")
    clips = tuple(c for c in found if split is None or c.split is None or c.split == split)
    if not clips:
        splits = sorted({c.split for c in found if c.split is not None})
        raise InputError(f"{text}: no clip in split {split}; it has {', '.join(splits)}")
    named = any(clip.columns.get("group") for clip in clips)
    return Dataset(text + (MONO if mono else ""), clips, "" if named or len(clips) < 2 else UNGROUPED)


def _listed(manifest: Path, mono: bool) -> Iterator[Clip]:
    table = read_table(manifest)
    if table.note:
        warnings.warn(table.note, stacklevel=3)
    rows = table.rows
    if not rows:
        raise InputError(f"{manifest}: lists no clips")
    seen: set[str] = set()
    for number, row in enumerate(rows, start=2):
        file = _cell(row, "file")
        if not file:
            raise InputError(f"{manifest}: line {number} has no file")
        if os.path.isabs(file) or os.path.normpath(file).split(os.sep)[0] == os.pardir:
            raise InputError(f"{manifest}: line {number}: {file} is outside the manifest's folder")
        path = existing(manifest.parent / file)
        if not path.is_file():
            raise InputError(f"{path}: listed in {manifest.name}, but not there")
        clip = _cell(row, "clip") or Path(file).with_suffix("").as_posix()
        if clip in seen:
            raise InputError(f"{manifest}: line {number} names the clip {clip} again")
        seen.add(clip)
        yield Clip(
            clip=clip,
            path=path,
            category=_cell(row, "category") or "all",
            split=_cell(row, "split") or None,
            group=_cell(row, "group") or file,
            license=_cell(row, "license"),
            lossy=_cell(row, "lossy").lower(),
            mono=mono,
            columns={column: _cell(row, column) for column in table.columns if column},
        )


def _cell(row: Mapping[str, str], column: str) -> str:
    return row.get(column, "").strip()


def require_utf8(path: str) -> None:
    """Raise InputError for a name that no table or document can hold."""
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = path.encode(errors="backslashreplace").decode()
        raise InputError(f"{shown}: the name is not UTF-8; rename it") from None


def _scanned(folder: Path, mono: bool) -> Iterator[Clip]:
    found = (p.relative_to(folder) for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    files = sorted(file for file in found if not any(part.startswith(".") for part in file.parts))
    for file in files:
        require_utf8(str(folder / file))
    stems = Counter(f.with_suffix("") for f in files)
    short = [f.with_suffix("") if stems[f.with_suffix("")] == 1 else f for f in files]
    # `a.wav` beside `a.flac` keeps its suffix, and is then what `a.wav.wav` is called without.
    clips = short if len(set(short)) == len(files) else files
    for name, file in zip(clips, files, strict=True):
        yield Clip(clip=name.as_posix(), path=folder / file, group=file.as_posix(), mono=mono)
