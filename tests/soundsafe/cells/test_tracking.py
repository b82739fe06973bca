"""The walk through a stream, on marks that are no audio: only where they lie and how well they fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe.cells import tracking
from soundsafe.cells.code import CellCode
from soundsafe.cells.profile import PHASES
from soundsafe.cells.reading import Reading
from soundsafe.cells.sync import Lock
from soundsafe.stft import RATE

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Mark:
    """From `start` to `end` in seconds; `fit` of its seconds."""

    start: float
    end: float
    fit: float = 30.0

    def seconds(self) -> Iterator[tuple[float, int]]:
        for number in range(int(self.end - self.start)):
            yield self.start + number, number % PHASES


def walked(
    monkeypatch: pytest.MonkeyPatch, length: float, *marks: Mark, readable: bool = False
) -> list[float]:
    """Where the seconds begin that were read, of those that fit or are `readable`."""
    audio = (np.arange(round(length * RATE)) / RATE)[None].astype(np.float32)

    def scan(window: Audio, code: CellCode, scores: object = None) -> Lock:
        first, last = float(window[0, 0]), float(window[0, -1])

        def overlap(mark: Mark) -> float:
            return min(last, mark.end) - max(first, mark.start)

        best = max(marks, key=overlap)
        number = max(0, math.ceil(first - best.start - 1e-4))
        z = 20.0 * max(0.0, overlap(best)) / (last - first)
        return Lock((best.start + number - first) * RATE, number % PHASES, z)

    def read(held: Audio, at: float, phase: int, *_: object) -> Reading | None:
        if at + RATE > held.shape[1]:
            return None
        begin = float(held[0, 0]) + at / RATE
        fits = [m.fit for m in marks for start, n in m.seconds() if abs(start - begin) < 1e-3 and n == phase]
        return Reading(at, np.zeros(1), (None,), (1.0,), max(fits, default=1.0))  # type: ignore[arg-type]

    monkeypatch.setattr(tracking, "scan", scan)
    monkeypatch.setattr(tracking, "place_scores", lambda *_: None)
    monkeypatch.setattr(tracking, "agreement", lambda *_: 0.0)
    monkeypatch.setattr(tracking.SummedScan, "add", lambda *_: Lock(0.0, 0, 0.0))
    monkeypatch.setattr(tracking, "read_second", read)
    monkeypatch.setattr(tracking, "try_offsets", lambda *_: Lock(0.0, 0, 0.0))
    monkeypatch.setattr(tracking, "nudge", lambda *_: 0.0)
    monkeypatch.setattr(tracking, "read_equalised", lambda *_: None)
    code = SimpleNamespace(profile=SimpleNamespace(host_bound=False))
    reads: Callable[[tracking.TrackedSecond], bool] = lambda second: readable and second.reading.fit > 1.0  # noqa: E731
    tracker = tracking.Tracker([audio], code, reads=reads)  # type: ignore[arg-type]
    return [
        round(second.reading.start / RATE, 3)
        for second in tracker
        if second.reading.fit > tracker.settings.keep_fit or reads(second)
    ]


def test_a_short_mark_between_one_that_does_not_fit_and_a_longer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = walked(monkeypatch, 20.0, Mark(0.55, 4.6, 2.0), Mark(4.7, 7.4), Mark(7.5, 15.3))
    assert found == [4.7, 5.7, *(7.5 + n for n in range(7))]


def test_several_short_marks_in_one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    found = walked(monkeypatch, 12.0, Mark(0.0, 3.0), Mark(3.1, 4.4), Mark(4.5, 9.0))
    assert found == [0.0, 1.0, 2.0, 3.1, 4.5, 5.5, 6.5, 7.5]


def test_a_second_that_reads_needs_no_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    # The next mark begins at once and is clearer: without its word the last second would be given up.
    marks = Mark(0.0, 4.0, 3.0), Mark(4.05, 9.5)
    assert walked(monkeypatch, 10.0, *marks, readable=True)[:4] == [0.0, 1.0, 2.0, 3.0]


def test_a_clock_that_has_ended_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    of = tracking.Tracker._tracked

    def tracked(self: tracking.Tracker, reading: Reading) -> tracking.TrackedSecond:
        looked.append(reading)
        return of(self, reading)

    monkeypatch.setattr(tracking.Tracker, "_tracked", tracked)
    found = walked(monkeypatch, 300.0, Mark(1.0, 5.0), Mark(290.2, 295.2))
    assert found == [*(1.0 + n for n in range(4)), *(290.2 + n for n in range(5))]
    assert len(looked) < 50  # of 300
