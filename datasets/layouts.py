"""Corpora as people have them on disk: which folder or table says whose voice or music a file is.

`librispeech:DIR` and so on name them; DIR is the corpus's own folder as it was unpacked. Clips of one
speaker, client, artist or track are one group, since they fail together; the corpus's own parts are its
splits.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from soundsafe.errors import InputError
from soundsafe.files.audio_folder import Clip
from soundsafe.files.tables import read_table

__all__ = ["LAYOUTS", "Layout"]


@dataclass(frozen=True)
class Layout:
    """How a corpus lies on disk.

    Attributes:
        title: the corpus.
        group: what its clips are grouped by.
        needs: what its folder holds, in words.
        find: its clips, in a fixed order; none where the folder is another's.

    Example:
        >>> LAYOUTS["vctk"].group
        'speaker'
    """

    title: str
    group: str
    needs: str
    find: Callable[[Path], Iterator[Clip]]

    def clips(self, folder: Path) -> tuple[Clip, ...]:
        """The corpus's clips.

        Args:
            folder: the corpus's own, or one of its parts.

        Returns:
            Clips of every split, at least one.

        Raises:
            InputError: the folder holds none.
        """
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; give that of {self.title}, with {self.needs}")
        found = tuple(self.find(folder))
        if not found:
            raise InputError(f"{folder}: not {self.title}: it holds no {self.needs}")
        return found


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    return (path for path in sorted(folder.glob(pattern)) if path.is_file())


_LIBRISPEECH = re.compile(
    r"(?:^|/)((train|dev|test)-(?:clean|other)(?:-\d+)?)/(\d+)/\d+/[^/]+\.(?:flac|wav)$"
)
_SPLITS = {"dev": "val", "validation": "val", "training": "train"}


def _librispeech(folder: Path) -> Iterator[Clip]:
    for path in _files(folder, "**/*.*"):
        found = _LIBRISPEECH.search(path.relative_to(folder.parent).as_posix())
        if found:
            yield Clip(
                path.stem, path, "speech", _SPLITS.get(found[2], found[2]), f"speaker {found[3]}",
                "CC-BY-4.0", "yes",  # it was cut from MP3 files
            )  # fmt: skip


_VCTK = re.compile(r"(?:^|/)wav48[^/]*/([ps]\d+)/[^/]+?(?:_mic(\d))?\.(?:flac|wav)$")


def _vctk(folder: Path) -> Iterator[Clip]:
    """The first of two microphones alone: the second has the same words."""
    for path in _files(folder, "**/*.*"):
        found = _VCTK.search(path.relative_to(folder.parent).as_posix())
        if found and found[2] in (None, "1"):
            yield Clip(path.stem, path, "speech", None, f"speaker {found[1]}", "CC-BY-4.0", "no")


def _common_voice(folder: Path) -> Iterator[Clip]:
    for table in (t for name in ("train", "dev", "test") for t in _files(folder, f"**/{name}.tsv")):
        for row in read_table(table, needs="path").rows:
            if "client_id" not in row:
                raise InputError(f"{table} has no column client_id")
            path = table.parent / "clips" / row["path"]
            if path.is_file():  # of a part of the corpus
                split = _SPLITS.get(table.stem, table.stem)
                group = f"client {row['client_id'][:16]}"
                yield Clip(Path(row["path"]).stem, path, "speech", split, group, "CC0-1.0", "yes")


_STEMS = ("vocals", "drums", "bass", "other")


def _musdb(stems: bool) -> Callable[[Path], Iterator[Clip]]:
    """Mixtures of MUSDB18 and of its version in WAV files, or the stems of the latter."""

    def find(folder: Path) -> Iterator[Clip]:
        for split in ("train", "test"):
            for name in _STEMS if stems else ("mixture",):
                for path in _files(folder, f"{split}/*/{name}.wav"):
                    track = path.parent.name
                    clip = f"{track}/{name}" if stems else track
                    yield Clip(clip, path, name if stems else "music", split, f"track {track}", lossy="yes")
            for path in () if stems else _files(folder, f"{split}/*.stem.mp4"):
                track = path.name.removesuffix(".stem.mp4")
                yield Clip(track, path, "music", split, f"track {track}", lossy="yes")

    return find


def _fma(folder: Path) -> Iterator[Clip]:
    tables = [*_files(folder, "**/tracks.csv"), *_files(folder.parent, "fma_metadata/tracks.csv")]
    if not tables:
        raise InputError(f"{folder}: fma_metadata/tracks.csv is needed, which names the artists")
    known = _fma_tracks(tables[0])
    for path in _files(folder, "**/*.mp3"):
        if path.stem.isdigit() and (facts := known.get(int(path.stem))) is not None:
            artist, split, genre, licence = facts
            yield Clip(path.stem, path, genre or "music", split, f"artist {artist}", licence, "yes")


def _fma_tracks(table: Path) -> dict[int, tuple[str, str, str, str]]:
    """Artist, split, genre and licence of each track, from a table with headings of two lines."""
    with table.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        above, below = next(lines, []), next(lines, [])
        columns = list(zip(above, below, strict=False))
        wanted = [("artist", "id"), ("set", "split"), ("track", "genre_top"), ("track", "license")]
        try:
            places = [columns.index(name) for name in wanted]
        except ValueError:
            raise InputError(f"{table}: not the table of tracks of FMA") from None
        out = {}
        for line in lines:
            if line and line[0].isdigit() and len(line) == len(columns):
                artist, split, genre, licence = (line[i] for i in places)
                out[int(line[0])] = (artist, _SPLITS.get(split, split), genre.lower(), licence)
        return out


LAYOUTS = {
    "librispeech": Layout("LibriSpeech", "speaker", "test-clean/SPEAKER/CHAPTER/*.flac", _librispeech),
    "vctk": Layout("VCTK", "speaker", "wav48*/SPEAKER/*.flac or *.wav", _vctk),
    "common_voice": Layout("Common Voice", "client", "test.tsv with clips/*.mp3", _common_voice),
    "musdb18": Layout("MUSDB18", "track", "test/*.stem.mp4 or test/TRACK/mixture.wav", _musdb(stems=False)),
    "musdb18_stems": Layout("MUSDB18-HQ", "track", "test/TRACK/vocals.wav and so on", _musdb(stems=True)),
    "fma": Layout("FMA", "artist", "000/000002.mp3 and fma_metadata/tracks.csv", _fma),
}
"""By the name that stands before the folder: `librispeech:DIR`."""
