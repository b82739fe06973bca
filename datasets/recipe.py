"""Recipes of public corpora: from which file of which Debian package each clip is cut, and what comes out.

A recipe is a table in `recipes/`, a line for each clip. Its columns: `clip`, `category`, `split`, `group`,
`license` (of the files it is made of), `lossy`, `package`, `version` (that it was made with), `paths` (inside
the package, `;` between files that are joined), `start_s`, `length_s`, `rate`, `channels`, `sha256`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundsafe.errors import InputError
from soundsafe.files.tables import read_table

__all__ = ["Entry", "Recipe", "read_recipe", "recipe_of", "recipes", "sha256_of"]

_FOLDER = Path(__file__).parent / "recipes"
_NAME = re.compile(r"[A-Za-z0-9_.+-]+")


@dataclass(frozen=True)
class Entry:
    """One clip of a recipe.

    Attributes:
        clip: its name, and that of its file without `.flac`.
        category, split, group, license, lossy: as in a manifest.
        package, version: of Debian; another version may hold the same files.
        paths: of audio files in the package, without a leading slash, joined one after another.
        start_s, length_s: what is cut from that, in seconds; the end comes earlier where the files do.
        rate, channels: of the files.
        sha256: of the clip, see `sha256_of`; '' where it is not known yet.
    """

    clip: str
    category: str
    split: str
    group: str
    license: str
    lossy: str
    package: str
    version: str
    paths: tuple[str, ...]
    start_s: float
    length_s: float
    rate: int
    channels: int
    sha256: str


@dataclass(frozen=True)
class Recipe:
    """A corpus's name and its clips."""

    name: str
    entries: tuple[Entry, ...]

    def by_package(self) -> dict[str, list[Entry]]:
        """The clips of each package, in the order in which packages first appear."""
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.package, []).append(entry)
        return found


def recipes() -> tuple[str, ...]:
    """Corpora that can be made.

    Returns:
        Their names.

    Example:
        >>> recipes()
        ('open-audio', 'open-audio-long')
    """
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.csv")))


@cache
def read_recipe(name: str) -> Recipe:
    """The recipe of a corpus.

    Args:
        name: one of `recipes()`, or a `.csv` file of one.

    Returns:
        The recipe.

    Raises:
        InputError: there is none, or a line of it cannot be used.

    Example:
        >>> recipe = read_recipe("open-audio")
        >>> len({entry.group for entry in recipe.entries}) >= 50
        True
    """
    path = Path(name) if name.endswith(".csv") else _FOLDER / f"{name}.csv"
    if not path.is_file():
        raise InputError(f"{name}: no such recipe; there is {', '.join(recipes())}")
    entries = []
    for number, row in enumerate(read_table(path, needs="clip").rows, start=2):
        try:
            entries.append(_entry(row))
        except (KeyError, ValueError) as error:
            raise InputError(f"{path}: line {number} cannot be used ({error})") from None
    clips = [entry.clip for entry in entries]
    if len(set(clips)) < len(clips):
        raise InputError(f"{path}: {next(c for c in clips if clips.count(c) > 1)} is named twice")
    return Recipe(path.stem, tuple(entries))


def recipe_of(lines: Iterable[Mapping[str, str]]) -> str:
    """The recipe that clips were made by, wherever they lie.

    Args:
        lines: of their manifest; `clip` and `sha256` are looked at.

    Returns:
        The name of the recipe that has all of them, with these hashes; '' where there is none.

    Example:
        >>> first = read_recipe("open-audio").entries[0]
        >>> recipe_of([{"clip": first.clip, "sha256": first.sha256}])
        'open-audio'
    """
    asked = {(line.get("clip", ""), line.get("sha256", "")) for line in lines}
    for name in recipes() if asked else ():
        if asked <= {(entry.clip, entry.sha256) for entry in read_recipe(name).entries if entry.sha256}:
            return name
    return ""


def _entry(row: dict[str, str]) -> Entry:
    if not _NAME.fullmatch(row["clip"]) or not _NAME.fullmatch(row["package"]):
        raise ValueError(f"no name of a clip and a package: {row['clip']}, {row['package']}")
    return Entry(
        clip=row["clip"],
        category=row["category"],
        split=row["split"],
        group=row["group"],
        license=row["license"],
        lossy=row["lossy"],
        package=row["package"],
        version=row["version"],
        paths=tuple(path.strip() for path in row["paths"].split(";")),
        start_s=float(row["start_s"]),
        length_s=float(row["length_s"]),
        rate=int(row["rate"]),
        channels=int(row["channels"]),
        sha256=row["sha256"],
    )


def sha256_of(samples: NDArray[np.int16], rate: int) -> str:
    """What a recipe knows a clip by: its samples, however they are stored.

    Args:
        samples: 16 bits, `[samples, channels]`.
        rate: in Hz.

    Returns:
        64 hexadecimal digits of the SHA-256 of the line `RATE CHANNELS`, ended by a line feed, and the
        samples as little-endian 16-bit integers, channel by channel within each sample.

    Example:
        >>> sha256_of(np.zeros((1, 2), np.int16), 44100)[:8]
        'aa1793f8'
    """
    head = f"{rate} {samples.shape[1]}\n".encode()
    return hashlib.sha256(head + np.ascontiguousarray(samples, dtype="<i2").tobytes()).hexdigest()
