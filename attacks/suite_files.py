"""Suites of attacks: versioned TOML files in `suites/`, or anywhere else.

A file has `suite` (its name: letters, digits, `_`, `-` and `.`, no `.` first), `version` (an integer, raised
with every change of the list), `description`, `attacks` (names), and optionally `include` (suites whose
attacks come after its own), `source` (where its parameters come from) and `leaves_out` (what of that source
it does not cover, and why).
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundsafe.attacks.registry import get
from soundsafe.errors import InputError, unknown

__all__ = ["CONTROLS", "Suite", "suite", "suites"]

CONTROLS = ("none", "unmarked", "wrong_key")
"""What every suite holds, before its own attacks."""

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_FOLDER = Path(__file__).parent / "suites"


@dataclass(frozen=True)
class Suite:
    """A list of attacks, and where it comes from.

    Attributes:
        name: of the suite.
        version: raised with every change of the list.
        attacks: names, in order, the controls first.
        description: one line.
        source: where its parameters come from.
        leaves_out: what of that source it does not cover, and why.

    Example:
        >>> suite("gain").attacks[:3]
        ('none', 'unmarked', 'wrong_key')
    """

    name: str
    version: int
    attacks: tuple[str, ...]
    description: str = ""
    source: str = ""
    leaves_out: tuple[str, ...] = ()


def suites() -> tuple[str, ...]:
    """Names of the suites that come with this package.

    Returns:
        Sorted names.

    Example:
        >>> "mp3" in suites()
        True
    """
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def suite(name: str) -> Suite:
    """A suite by name, or from a file.

    Args:
        name: of a suite that comes with the package, or the path of a TOML file where it ends in `.toml`.

    Returns:
        The suite, included ones taken in.

    Raises:
        InputError: no such suite, a file that is not one, or an attack in it that does not exist.

    Example:
        >>> suite("mp3").name
        'mp3'
    """
    return _read(_path(name), ())


def _path(name: str) -> Path:
    if name.endswith(".toml"):
        if "\0" in name:
            raise InputError(f"unknown suite {name!r}")
        return Path(name)
    if name not in suites():
        raise InputError(unknown("suite", name, suites(), "soundsafe-eval list suites"))
    return _FOLDER / f"{name}.toml"


def _read(path: Path, outer: tuple[Path, ...]) -> Suite:
    if path in outer:
        raise InputError(f"{path}: includes itself")
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; soundsafe-eval list suites names all suites") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a readable suite ({error})") from error
    name, version, own = data.get("suite"), data.get("version"), data.get("attacks", [])
    included, left_out = data.get("include", []), data.get("leaves_out", [])
    if (
        not isinstance(name, str)
        or not isinstance(version, int)
        or isinstance(version, bool)
        or not all(
            isinstance(x, list) and all(isinstance(a, str) for a in x) for x in (own, included, left_out)
        )
    ):
        raise InputError(
            f"{path}: a suite needs suite = name, version = integer, and attacks, include and leaves_out"
            " = lists of texts"
        )
    if not _NAME.fullmatch(name):
        raise InputError(f"{path}: suite = {name!r}: letters, digits, _, - and . are allowed, no . first")
    names = [*CONTROLS, *own]
    for other in included:
        names.extend(_read(path.parent / _path(other), (*outer, path)).attacks)
    attacks = tuple(dict.fromkeys(names))
    for attack in attacks:
        get(attack)
    return Suite(
        name,
        version,
        attacks,
        str(data.get("description", "")),
        str(data.get("source", "")),
        tuple(left_out),
    )
