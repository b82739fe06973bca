from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import soundsafe
from soundsafe import attacks
from soundsafe.recovery.windows import HOP_S, LENGTH_S, windows
from soundsafe.stft import RATE

Audio = NDArray[np.float32]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 12 * RATE), min_size=1, max_size=8))
def test_windows_cover_all_of_a_stream(lengths: list[int]) -> None:
    total = sum(lengths)
    audio = np.arange(total, dtype=np.float32)[None]
    blocks = np.split(audio, np.cumsum(lengths)[:-1], axis=1)
    found = list(windows(blocks))
    for window in found:
        assert (window.audio[0] == audio[0, window.start : window.start + window.audio.shape[1]]).all()
        assert window.audio.shape[1] == min(total, round(LENGTH_S * RATE))
    starts = [window.start for window in found]
    assert starts[0] == 0
    assert found[-1].start + found[-1].audio.shape[1] == total
    assert all(0 < b - a <= HOP_S * RATE for a, b in pairwise(starts))


def test_nothing_has_no_window() -> None:
    assert list(windows([])) == []


@pytest.fixture(scope="module")
def part(cut: Callable[..., Audio]) -> Audio:
    audio = np.concatenate([cut("rock", 8.0), cut("caribbean", 4.0)], axis=1)[:1]
    marked = soundsafe.embed(audio, RATE, b"a marked part", quality="fast").audio
    assert marked is not None
    return marked


@pytest.mark.slow
@pytest.mark.parametrize("change", ["speed", "echo"])
def test_a_changed_part_is_found_where_it_lies(part: Audio, cut: Callable[..., Audio], change: str) -> None:
    if change == "speed":
        changed = soxr.resample(part.T, 1.08, 1.0).T.astype(np.float32)
    else:
        changed = attacks.get("echo_0.3s_30%").apply(part, RATE, np.random.default_rng(0))
    other = np.concatenate([cut("strings_canon", 6.0)[:1], cut("speech_ukrainian", 6.0)[:1]] * 6, axis=1)
    place = 61 * RATE  # beyond the first minute
    assert other.shape[1] == 72 * RATE
    audio = np.concatenate([other[:, :place], changed[:, : 10 * RATE], other[:, place:]], axis=1)
    found = soundsafe.decode(audio, RATE)
    assert found.payload == b"a marked part"
    if change == "speed":
        assert found.speed == pytest.approx(1.08, abs=1e-3)
    (only,) = found.payloads
    assert all(60 <= start < end <= 74 for start, end in only.ranges)
    assert found.false_accept_bound < 1e-6
