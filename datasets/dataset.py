"""Datasets by name: the corpus that comes with the package, corpora that people have, any folder of audio."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from soundsafe.datasets.layouts import LAYOUTS
from soundsafe.datasets.recipe import recipes
from soundsafe.errors import InputError
from soundsafe.files.audio_folder import MONO, Clip, Dataset, read_folder, require_utf8

__all__ = ["BUNDLED", "PARENT", "load", "names", "with_groups"]

BUNDLED = "bundled"

PARENT = "parent"
"""Groups by the folder that a clip lies in."""

_FOLDERS = {BUNDLED: Path(__file__).parent / "corpus"}
_GROUP_BY = ":group-by="


def names() -> tuple[str, ...]:
    """Datasets that come with this package; any folder is one too, and `:mono` after either mixes clips.

    Returns:
        Their names.

    Example:
        >>> names()
        ('bundled',)
    """
    return tuple(_FOLDERS)


def with_groups(name: str, group_by: str) -> str:
    """The name of a dataset with other groups, by which `load` finds it again.

    Args:
        name: of a dataset.
        group_by: as in `load`.

    Returns:
        The name.

    Example:
        >>> with_groups("speeches:mono", "parent")
        'speeches:group-by=parent:mono'
    """
    bare = name.removesuffix(MONO)
    return f"{bare}{_GROUP_BY}{group_by}{name[len(bare) :]}"


def load(
    name: str | Path, split: str | None = None, *, mono: bool = False, group_by: str | None = None
) -> Dataset:
    """The dataset of a name, or in a folder.

    Args:
        name: `bundled`, a folder, or a corpus in its own folder as `LAYOUT:DIR`, with a name of
            `soundsafe.datasets.LAYOUTS`; with `:mono` at its end the same as `mono=True`.
        split: only clips of this split; clips of which no split is known belong to each.
        mono: read clips as the mean of their channels.
        group_by: `parent`: clips in one folder are one group; otherwise a regular expression that is searched
            in each file's path below the dataset's folder, whose first bracket (or match) names its group.

    Returns:
        The dataset, of at least one clip.

    Raises:
        InputError: no such folder, nothing in it, a manifest that cannot be used, no clip of that split, a
            name that is not UTF-8, a pattern that is none or that a file does not match.

    Example:
        >>> {clip.read()[0].shape[0] for clip in load("bundled", mono=True).clips}
        {1}
    """
    text = str(name)
    if text.endswith(MONO):
        text, mono = text.removesuffix(MONO), True
    if _GROUP_BY in text:
        text, _, group_by = text.partition(_GROUP_BY)
    require_utf8(text)
    layout, _, at = text.partition(":")
    if layout in LAYOUTS and at and not Path(text).exists():
        folder = Path(at)
        dataset = _of_layout(text, layout, folder, split, mono)
    else:
        folder = _FOLDERS.get(text, Path(text))
        _require(folder, text)
        dataset = read_folder(folder, split, mono=mono, name=text)
    return dataset if group_by is None else _grouped(dataset, folder, group_by)


def _require(folder: Path, name: str) -> None:
    if folder.exists():
        return
    if name in recipes():
        raise InputError(
            f"{name} is made first: soundsafe-eval dataset make {name} DIR, and DIR is the dataset then"
        )
    raise InputError(f"{name}: no such folder; give one (with the package comes {', '.join(names())})")


def _of_layout(name: str, layout: str, folder: Path, split: str | None, mono: bool) -> Dataset:
    found = [replace(clip, mono=mono) for clip in LAYOUTS[layout].clips(folder)]
    clips = tuple(c for c in found if split is None or c.split in (None, split))
    if not clips:
        splits = sorted({c.split for c in found if c.split is not None})
        raise InputError(f"{name}: no clip in split {split}; it has {', '.join(splits)}")
    return Dataset(name + (MONO if mono else ""), clips)


def _grouped(dataset: Dataset, folder: Path, group_by: str) -> Dataset:
    """The dataset with groups by the folder of each file, or by a pattern in its path."""
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise InputError(f"--group-by {group_by}: no regular expression ({error})") from None

    def group(clip: Clip) -> str:
        path = clip.path.relative_to(folder).as_posix()
        if group_by == PARENT:
            return path.rpartition("/")[0] or "."
        found = pattern.search(path)
        if found is None:
            raise InputError(f"--group-by {group_by}: {path} does not match")
        return str(found[1] if pattern.groups and found[1] is not None else found[0])

    clips = tuple(replace(clip, group=group(clip)) for clip in dataset.clips)
    return Dataset(with_groups(dataset.name, group_by), clips)
