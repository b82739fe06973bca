"""A marked part inside other audio, changed in speed, tempo or pitch or with an echo, wherever it lies.

::

    audio     ~~~~~~~~~~~~~~~~~[part]~~~~~~~~~~~~~~~~~~
    windows   |------|------|------|        each overlaps the next by two thirds
                 |------|------|------|

Every window is looked at by its middle alone, for some seventh of a second for each second of audio; the
likeliest few are searched, for some seconds each, whatever the length of the audio.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from soundsafe.aliases import Audio
from soundsafe.cells.code import CellCode
from soundsafe.cells.detector import Detection
from soundsafe.message.container import Tally
from soundsafe.recovery.echo import read_echoed
from soundsafe.recovery.speed_search import search_speed
from soundsafe.recovery.splice_search import search_splices
from soundsafe.recovery.warped import Recovered, read_warped
from soundsafe.stft import RATE
from soundsafe.tiles.geometry import TileCode
from soundsafe.tiles.warp import Spectrogram, likeliest

__all__ = ["LENGTH_S", "Window", "read_windows", "windows"]

LENGTH_S, HOP_S = 15.0, 5.0
"""A part of ten seconds lies in some window whole, and covers its middle third."""

_MOST = 6
"""Windows that are searched."""

_LIKELY_Z = 5.3
"""Agreement of a window's pilots from which it may be searched: one window in four has as much by chance."""


@dataclass(frozen=True)
class Window:
    """`audio` ``[channels, samples]`` at 44.1 kHz from sample `start` of all of it on."""

    start: int
    audio: Audio


def windows(blocks: Iterable[Audio]) -> Iterator[Window]:
    """Windows over a stream of blocks; the last one ends with it.

    Example:
        >>> [(w.start / RATE, w.audio.shape[1] / RATE) for w in windows([np.zeros((1, 22 * RATE))])]
        [(0.0, 15.0), (5.0, 15.0), (7.0, 15.0)]
    """
    length, hop = round(LENGTH_S * RATE), round(HOP_S * RATE)
    held: Audio | None = None
    start, next_start = 0, 0
    for block in blocks:
        held = block if held is None else np.concatenate([held, block], axis=1)
        while start + held.shape[1] >= next_start + length:
            held, start = held[:, next_start - start :], next_start
            yield Window(start, held[:, :length])
            next_start += hop
    if held is None:
        return
    end = start + held.shape[1]
    last = max(start, end - length)
    if end > next_start - hop + length or next_start == 0:
        yield Window(last, held[:, last - start :])


def _likelihood(window: Window, code: CellCode, tiles: TileCode) -> float:
    """How well pilots of either layer agree in the middle of a window, at the best of usual changes."""
    seconds = window.audio.shape[1] / RATE
    middle = (seconds - HOP_S) / 2
    best = likeliest(Spectrogram(window.audio, tiles.geometry), middle, middle + HOP_S)
    clock = search_splices(window.audio, code)
    lock = search_speed(window.audio, code, stretches=1)
    return max(best, 0.0 if clock is None else clock.z, 0.0 if lock is None else lock.z)


def read_windows(
    every: Iterable[Window], code: CellCode, tiles: TileCode, tally: Tally
) -> Recovered | Detection | None:
    """What the likeliest windows hold.

    Args:
        every: all windows of some audio.
        code: key and profile of the cell layer.
        tiles: key and profile of the tile layer.
        tally: to which all attempts are added.

    Returns:
        The first payload, as a search gave it or as it was read without echoes, in the time of all the audio;
        else an identifier; else None.
    """
    likely: list[tuple[float, int, Window]] = []
    for window in every:
        z = _likelihood(window, code, tiles)
        if z >= _LIKELY_Z:
            likely = sorted([*likely, (z, -window.start, window)], key=lambda item: item[:2])[-_MOST:]
    identified: Recovered | None = None
    for _, _, window in reversed(likely):
        found = read_warped(window.audio, code, tiles, tally=tally)
        if found is not None and found.identifier is not None:
            placed = replace(found, begins=window.start, offset=found.offset + window.start)
            if found.payload is not None:
                return placed
            identified = identified or placed
        echoed = read_echoed(window.audio, 0.0, code, tally)
        if echoed is not None:
            return _placed(echoed[0], window.start)
    return identified


def _placed(found: Detection, start: int) -> Detection:
    """`found`, in the time of audio in which it begins at sample `start`."""
    seconds = start / RATE
    return replace(
        found,
        start=None if found.start is None else found.start + start,
        euls=[replace(eul, start_s=eul.start_s + seconds) for eul in found.euls],
        payloads=tuple(each.later(seconds) for each in found.payloads),
    )
