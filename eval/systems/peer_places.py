"""Where peers live on this machine: their environments and weights, in a folder of the user's cache.

    ~/.cache/soundsafe/peers/perth/          an environment, as `soundsafe-eval peer install perth` makes it
    ~/.cache/soundsafe/peers/audioseal.json  where its weights lie, and what they must be

`SOUNDSAFE_PEERS` names another folder. `SOUNDSAFE_PYTHON_PERTH` and `SOUNDSAFE_WEIGHTS_AUDIOSEAL` name a
Python and weights of one's own, and win.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from soundsafe.errors import InputError

__all__ = ["MARKER", "Weights", "digest", "environment_folder", "keep_weights", "python_of", "weights_of"]

MARKER = "installed.json"
"""Written last into an environment: one without it is not whole."""


@dataclass(frozen=True)
class Weights:
    """A file or folder of weights, and the SHA-256 that it must have; '' where none was ever kept."""

    path: str
    sha256: str = ""


def _root() -> Path:
    own = os.environ.get("SOUNDSAFE_PEERS")
    if own:
        return Path(own)
    cached = os.environ.get("XDG_CACHE_HOME")
    return (Path(cached) if cached else Path.home() / ".cache") / "soundsafe" / "peers"


def environment_folder(environment: str) -> Path:
    """The folder of an environment, whether it is there or not."""
    return _root() / environment


def python_of(environment: str) -> str:
    """The Python that runs an environment's peers: the user's choice, the installed one, or this one."""
    own = os.environ.get(f"SOUNDSAFE_PYTHON_{environment.upper()}")
    if own:
        return own
    folder = environment_folder(environment)
    return str(folder / "bin" / "python") if (folder / MARKER).is_file() else sys.executable


@cache
def digest(path: Path) -> str:
    """SHA-256, 64 hex digits, of a file, or of the names and contents of a folder's files."""
    if path.is_file():
        with path.open("rb") as data:
            return hashlib.file_digest(data, "sha256").hexdigest()
    total = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        total.update(str(file.relative_to(path)).encode() + b"\0")
        with file.open("rb") as data:
            total.update(hashlib.file_digest(data, "sha256").digest())
    return total.hexdigest()


def keep_weights(peer: str, path: Path, wanted: str = "") -> Weights:
    """Remember where a peer's weights lie, and what they are.

    Args:
        peer: its name.
        path: a file or a folder.
        wanted: the SHA-256 that its publisher states, or another user's; '' takes what is there.

    Raises:
        InputError: nothing is there, or something else.
    """
    if not path.exists():
        raise InputError(f"{path} is not there")
    found = digest(path.resolve())
    if wanted and found != wanted.strip().lower():
        raise InputError(f"{path} is not what was asked for: its SHA-256 is {found}")
    kept = Weights(str(path.resolve()), found)
    _root().mkdir(parents=True, exist_ok=True)
    (_root() / f"{peer}.json").write_text(json.dumps(vars(kept)) + "\n", encoding="utf-8")
    return kept


def weights_of(peer: str) -> Weights:
    """Where a peer's weights lie: `path` is '' where that is not known.

    Raises:
        InputError: they are not what was kept.
    """
    own = os.environ.get(f"SOUNDSAFE_WEIGHTS_{peer.upper().replace('-', '_')}")
    if own:
        return Weights(own)
    try:
        kept = Weights(**json.loads((_root() / f"{peer}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Weights("")
    if os.path.exists(kept.path) and digest(Path(kept.path)) != kept.sha256:
        raise InputError(f"{kept.path} has changed: soundsafe-eval peer weights {peer} PATH keeps it anew")
    return kept
