"""Making a corpus from its recipe: packages got, files unpacked in memory, clips cut, hashed and written."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from soundsafe.datasets import debian
from soundsafe.datasets.recipe import Entry, Recipe, read_recipe, sha256_of
from soundsafe.errors import InputError
from soundsafe.files.partial import partial_beside, sweep

__all__ = ["Made", "make"]

_MARK = "recipe.txt"
_KEPT = ".packages"
_COLUMNS = (
    "clip", "file", "category", "split", "group", "license", "lossy", "source_package", "source_version",
    "source_files", "start_s", "duration_s", "rate", "channels", "sha256",
)  # fmt: skip

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Made:
    """A corpus that has been made.

    Attributes:
        folder: where it is.
        clips, groups: how many.
        kept: clips that were there from an earlier call.
        different: clips whose samples are not those of the recipe, as from another version of a package or of
            the decoder. They are there, with their own hash in the manifest.
    """

    folder: Path
    clips: int
    groups: int
    kept: int
    different: tuple[str, ...]


def make(name: str, folder: Path, *, packages: Path | None = None, progress: Progress | None = None) -> Made:
    """Make a corpus; called again after it was stopped, it goes on where it was.

    Args:
        name: of its recipe (`soundsafe.datasets.recipe.recipes`), or a `.csv` file of one.
        folder: for `manifest.csv`, a FLAC file for each clip, and the packages' statements of copyright. New,
            empty, or begun by an earlier call.
        packages: a folder of `.deb` files to take; None: `apt-get download` gets each when its clips are cut,
            and it is deleted after that.
        progress: called with clips done, clips in all, and what is being done.

    Returns:
        What was made.

    Raises:
        InputError: no such recipe, a folder of something else, a package that is missing or lacks files.
    """
    recipe = read_recipe(name)
    _prepare(folder, recipe)
    tell = progress or (lambda done, total, what: None)
    there = {entry.clip: _there(folder / f"{entry.clip}.flac", entry) for entry in recipe.entries}
    wanted = {p: [e for e in part if not there[e.clip]] for p, part in recipe.by_package().items()}
    missing = {
        p: part for p, part in wanted.items() if part or not (folder / "licenses" / f"{p}.txt").is_file()
    }
    if packages is not None:
        _all_there(missing, recipe, packages)
    done = sum(map(bool, there.values()))
    versions = _versions(folder)
    different = []
    for package in missing:
        version = recipe.by_package()[package][0].version
        tell(done, len(recipe.entries), f"getting {package}")
        file = _package(package, version, folder, packages)
        versions[package] = debian.version_of(file) or version
        for entry, same in _cut(file, package, missing[package], folder):
            done += 1
            tell(done, len(recipe.entries), f"cutting clips of {package}")
            different += [] if same else [entry.clip]
        _write(folder / _MARK, _begun(recipe, versions))
        if packages is None:
            file.unlink()
    shutil.rmtree(folder / _KEPT, ignore_errors=True)
    _write(folder / "manifest.csv", _manifest(recipe, folder, versions))
    return Made(
        folder,
        len(recipe.entries),
        len({entry.group for entry in recipe.entries}),
        sum(map(bool, there.values())),
        tuple(different),
    )


def _prepare(folder: Path, recipe: Recipe) -> None:
    """The folder, marked as that of this recipe."""
    mark = folder / _MARK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not mark.is_file():
            if any(folder.iterdir()):
                raise InputError(f"{folder} holds something else: give a new folder")
            _write(mark, _begun(recipe, {}))
        elif mark.read_text(encoding="utf-8").split()[:1] != [recipe.name]:
            raise InputError(f"{folder} is begun with another recipe: give a new folder")
        (folder / "licenses").mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made ({error.strerror})") from error
    sweep(folder)


def _there(path: Path, entry: Entry) -> bool:
    """Whether the clip was made before, with the recipe's hash."""
    try:
        samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    except (soundfile.SoundFileError, OSError):
        return False
    return sha256_of(samples, rate) == entry.sha256


def _all_there(missing: Mapping[str, object], recipe: Recipe, packages: Path) -> None:
    """Raise InputError that names every package that the user's folder lacks."""
    if not packages.is_dir():
        raise InputError(f"{packages}: no such folder; give one of .deb files")
    versions = {p: part[0].version for p, part in recipe.by_package().items()}
    lacking = [p for p in missing if debian.find(p, versions[p], packages) is None]
    if lacking:
        raise InputError(f"{packages} lacks {', '.join(lacking)}: apt-get download {' '.join(lacking)}")


def _package(name: str, version: str, folder: Path, packages: Path | None) -> Path:
    if packages is not None:
        found = debian.find(name, version, packages)
        if found is None:
            raise InputError(f"{packages} lacks {name}_*.deb")
        return found
    own = folder / _KEPT
    own.mkdir(exist_ok=True)
    return debian.find(name, version, own) or debian.download(name, version, own)


def _cut(file: Path, package: str, entries: Sequence[Entry], folder: Path) -> Iterator[tuple[Entry, bool]]:
    """Write a package's clips and its statement of copyright; yields whether each is the recipe's."""
    said = f"usr/share/doc/{package}/copyright"
    found = debian.members(file, {said, *(path for entry in entries for path in entry.paths)})
    _write(folder / "licenses" / f"{package}.txt", found[said])
    for entry in entries:
        samples = clip_of(entry, found)
        _write_flac(folder / f"{entry.clip}.flac", samples, entry.rate)
        yield entry, sha256_of(samples, entry.rate) == entry.sha256


def clip_of(entry: Entry, files: Mapping[str, bytes]) -> NDArray[np.int16]:
    """A clip's samples.

    Args:
        entry: of a recipe.
        files: contents of audio files by their paths in the package.

    Returns:
        16 bits, `[samples, channels]`, rounded to the nearest.

    Raises:
        InputError: files that are no audio, or of another rate or number of channels than the recipe says.
    """
    start, length = round(entry.start_s * entry.rate), round(entry.length_s * entry.rate)
    parts: list[NDArray[np.float32]] = []
    left = start + length
    for path in entry.paths:
        if left <= 0:
            break
        try:
            with soundfile.SoundFile(io.BytesIO(files[path])) as sound:
                if (sound.samplerate, sound.channels) != (entry.rate, entry.channels):
                    found = f"{sound.samplerate} Hz, {sound.channels} channels"
                    raise InputError(f"{path} of {entry.package}: {found}, which the recipe does not expect")
                parts.append(sound.read(left, dtype="float32", always_2d=True))
        except soundfile.SoundFileError as error:
            raise InputError(f"{path} of {entry.package}: not readable as audio ({error})") from error
        left -= len(parts[-1])
    audio = np.concatenate(parts)[start:]
    return np.clip(np.rint(audio.astype(np.float64) * 32768), -32768, 32767).astype(np.int16)


def _write_flac(path: Path, samples: NDArray[np.int16], rate: int) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="FLAC", subtype="PCM_16")
    _write(path, buffer.getvalue())


def _write(path: Path, data: bytes) -> None:
    own = partial_beside(path)
    try:
        own.write_bytes(data)
        os.replace(own, path)
    except OSError as error:
        own.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error


def _begun(recipe: Recipe, versions: Mapping[str, str]) -> bytes:
    """The file that says of which recipe a folder is, and which packages it has used."""
    return "".join([f"{recipe.name}\n", *(f"{p} {v}\n" for p, v in versions.items())]).encode()


def _versions(folder: Path) -> dict[str, str]:
    """Of packages that were used so far."""
    lines = (folder / _MARK).read_text(encoding="utf-8").splitlines()[1:]
    return {package: version for package, _, version in (line.partition(" ") for line in lines)}


def _manifest(recipe: Recipe, folder: Path, versions: Mapping[str, str]) -> bytes:
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(_COLUMNS)
    for entry in recipe.entries:
        file = f"{entry.clip}.flac"
        samples, rate = soundfile.read(folder / file, dtype="int16", always_2d=True)
        table.writerow(
            [
                entry.clip, file, entry.category, entry.split, entry.group, entry.license, entry.lossy,
                entry.package, versions.get(entry.package, entry.version), "; ".join(entry.paths),
                f"{entry.start_s:g}", f"{len(samples) / rate:.3f}", rate, samples.shape[1],
                sha256_of(samples, rate),
            ]
        )  # fmt: skip
    return buffer.getvalue().encode()
