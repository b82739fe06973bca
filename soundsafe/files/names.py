"""Names of files that look alike: an accent may be one character or two.

macOS writes `é` as `e` and a combining accent (NFD), nearly everything else as one character (NFC). A name is
looked for as it is, and where it is not there as any that is equal after composition.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

__all__ = ["composed", "existing", "value_of"]

T = TypeVar("T")


def composed(name: str) -> str:
    """`name` in Unicode's composed form (NFC).

    >>> composed("Cafe\\u0301") == "Caf\\u00e9"
    True
    """
    return unicodedata.normalize("NFC", name)


def existing(path: Path) -> Path:
    """The file or folder that `path` names, its parts as they are written on disk; `path` where none is.

    Args:
        path: relative or absolute; the part of it that is there by its exact name is not looked for.
    """
    if os.path.lexists(path):
        return path
    parent = path.parent
    if parent == path:
        return path
    folder = existing(parent)
    wanted = composed(path.name)
    try:
        found = sorted(name for name in os.listdir(folder) if composed(name) == wanted)
    except (OSError, ValueError):
        return path
    return folder / found[0] if len(found) == 1 else path


def value_of(table: Mapping[str, T], name: str) -> T | None:
    """What a table holds under `name`, or else under the one name that equals it after composition.

    >>> value_of({"Caf\\u00e9.wav": 1}, "Cafe\\u0301.wav")
    1
    """
    if name in table:
        return table[name]
    if name.isascii():
        return None
    other = {unicodedata.normalize(form, name) for form in ("NFC", "NFD")} - {name}
    found = [table[each] for each in other if each in table]
    return found[0] if len(found) == 1 else None
