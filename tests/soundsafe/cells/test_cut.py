"""A second cut from a stream in which every second carries the same word."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import soundsafe
from soundsafe.aliases import Audio
from soundsafe.cells.code import CellCode
from soundsafe.cells.cut import read_cut
from soundsafe.cells.sync import Lock, scan
from soundsafe.message.words import read_block

RATE = 44_100
CODE = CellCode()


@pytest.fixture(scope="module")
def stream(cut: Callable[..., Audio]) -> Audio:
    audio = soundsafe.embed(cut("rock", 3.0), RATE, bytes(range(175)), layers="eul", quality="fast").audio
    assert audio is not None
    return audio


@pytest.mark.parametrize("begin", [5_000, RATE - 5_000])
def test_near_its_ends_a_cut_of_a_stream_reads(stream: Audio, begin: int) -> None:
    part = np.ascontiguousarray(stream[:, begin : begin + RATE])
    lock = scan(part, CODE)
    reading = read_cut(part, lock, CODE)
    assert reading is not None
    assert reading.start == pytest.approx(RATE - begin, abs=1)
    assert read_block(reading.llr, "ldpc") is not None


def test_bits_of_which_no_slot_is_there_say_nothing(stream: Audio) -> None:
    """Half way a quarter of all, since slots change places from second to second."""
    part = np.ascontiguousarray(stream[:, RATE // 2 : RATE // 2 + RATE])
    reading = read_cut(part, scan(part, CODE), CODE)
    assert reading is not None
    assert (reading.llr == 0).mean() == pytest.approx(0.25, abs=0.05)


def test_too_little_of_either_is_nothing() -> None:
    assert read_cut(np.ones((1, 1000), np.float32), Lock(990.0, 0, 9.0), CODE) is None
