"""Datasets by name: the corpus that comes with the package, and any folder of audio files."""

from __future__ import annotations

from pathlib import Path

from soundsafe.errors import InputError
from soundsafe.files.audio_folder import MONO, Dataset, read_folder, require_utf8

__all__ = ["BUNDLED", "load", "names"]

BUNDLED = "bundled"

_FOLDERS = {BUNDLED: Path(__file__).parent / "corpus"}


def names() -> tuple[str, ...]:
    """Datasets that come with this package; any folder is one too, and `:mono` after either mixes clips.

    Returns:
        Their names.

    Example:
        >>> names()
        ('bundled',)
    """
    return tuple(_FOLDERS)


def load(name: str | Path, split: str | None = None, *, mono: bool = False) -> Dataset:
    """The dataset of a name, or in a folder.

    Args:
        name: `bundled`, or a folder; with `:mono` at its end the same as `mono=True`.
        split: only clips of this split; clips of which no split is known belong to each.
        mono: read clips as the mean of their channels.

    Returns:
        The dataset, of at least one clip.

    Raises:
        InputError: no such folder, nothing in it, a manifest that cannot be used, no clip of that split, a
            name that is not UTF-8.

    Example:
        >>> {clip.read()[0].shape[0] for clip in load("bundled", mono=True).clips}
        {1}
    """
    text = str(name)
    if text.endswith(MONO):
        text, mono = text.removesuffix(MONO), True
    folder = _FOLDERS.get(text, Path(text))
    require_utf8(text)
    if not folder.exists():
        raise InputError(f"{text}: no such folder; give one (with the package comes {', '.join(names())})")
    return read_folder(folder, split, mono=mono, name=text)
