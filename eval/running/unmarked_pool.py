"""Audio without a mark that runs have in common: its scores say where a threshold lies.

A run's own clips are too few for small rates of false positives. A pool is any dataset; each piece of it is
read once by each system and attack, and what was measured is kept in a folder that runs share, under an
address made of the system, the code, the audio itself and the attack.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soundsafe import datasets
from soundsafe.datasets import Clip
from soundsafe.errors import InputError
from soundsafe.eval.running.plan import content

__all__ = ["SUITE", "Piece", "pieces", "shared_folder"]

SUITE = "pool"
"""What rows of a pool are filed under."""

_SHORTEST = 0.5
"""Share of a piece's length that the end of a clip must have to be a piece too."""


@dataclass(frozen=True)
class Piece(Clip):
    """A part of a clip of a pool, named by what is in the clip: `seconds` from `start_s` on."""

    start_s: float = 0.0
    seconds: float | None = None

    def read(self) -> tuple[NDArray[np.float32], int]:
        """As `Clip.read`, the piece alone."""
        audio, rate = super().read()
        first = round(self.start_s * rate)
        last = None if self.seconds is None else first + round(self.seconds * rate)
        return np.ascontiguousarray(audio[:, first:last]), rate


def pieces(dataset: str | os.PathLike[str], seconds: float | None, apart_from: set[str]) -> tuple[Piece, ...]:
    """The pieces of a pool, from all its splits.

    Args:
        dataset: name of a dataset, or a folder of audio.
        seconds: length of a piece; a score may depend on it, so that of the run's clips. None: whole clips.
        apart_from: contents of the run's own clips, which are no pool.

    Returns:
        At least one piece; those of a clip are of its group.

    Raises:
        InputError: there are none.
    """
    found = datasets.load(os.fspath(dataset))
    out = [piece for clip in found.clips for piece in _cut(clip, seconds, apart_from)]
    if not out:
        raise InputError(f"{found.name} has no audio beside the run's own: it is no pool")
    return tuple({piece.clip: piece for piece in out}.values())


def _cut(clip: Clip, seconds: float | None, apart_from: set[str]) -> Iterator[Piece]:
    digest = content(clip)
    if digest is None or digest in apart_from:
        return
    whole = Piece(
        **vars(clip) | {"clip": f"pool-{digest}", "group": clip.group or clip.clip}, seconds=seconds
    )
    if seconds is None:
        yield whole
        return
    length = _length(clip)
    for k in range(max(1, int(length / seconds + 1 - _SHORTEST))):
        yield replace(whole, clip=f"{whole.clip}-{k}", start_s=k * seconds)


def _length(clip: Clip) -> float:
    try:
        return clip.duration()
    except InputError:
        return 0.0


def shared_folder() -> Path:
    """Where scores of pools are kept: SOUNDSAFE_POOL, else a folder of the user's cache."""
    if named := os.environ.get("SOUNDSAFE_POOL"):
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "soundsafe" / "unmarked"
