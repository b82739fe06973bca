"""The walk through a stream: what it remembers; what it finds is in `test_detector.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from soundsafe.cells.code import CellCode
from soundsafe.cells.profile import EUL_SAMPLES
from soundsafe.cells.settings import DetectorSettings
from soundsafe.cells.tracking import Tracker


def test_a_walk_gives_each_second_once_and_keeps_its_state(marked: Callable[..., Any]) -> None:
    audio = marked("rock").audio.copy()
    tracker = Tracker([audio], CellCode())
    seconds = [(second.reading.start, second.phase) for second in tracker]
    assert [round(start) for start, _ in seconds] == [i * EUL_SAMPLES for i in range(4)]
    assert [phase for _, phase in seconds] == [0, 1, 2, 3]
    assert (tracker.start, tracker.clock, tracker.samples) == (0.0, 0.0, audio.shape[1])
    assert tracker.score > 6.8


def test_a_lock_that_nothing_reaches_finds_no_second(marked: Callable[..., Any]) -> None:
    tracker = Tracker(
        [marked("rock").audio.copy()],
        CellCode(),
        DetectorSettings(lock_z=1e3, sure_z=1e3, known_offsets=(7,)),
    )
    assert list(tracker) == []
    assert tracker.start is None
    assert tracker.score > 6.8


def test_an_empty_stream_has_no_seconds() -> None:
    tracker = Tracker(iter([]), CellCode())
    assert list(tracker) == []
    assert tracker.samples == 0


def test_silence_has_no_seconds() -> None:
    assert list(Tracker([np.zeros((1, 2 * EUL_SAMPLES), np.float32)], CellCode())) == []
