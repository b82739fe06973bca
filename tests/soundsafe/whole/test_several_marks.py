"""Marks of two owners in one file: the second lies over the first, and both read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import soundsafe

FIRST, SECOND = b"1" * 32, b"2" * 32


@pytest.mark.slow
def test_two_marks_with_different_keys_both_read(cut: Callable[..., NDArray[np.float32]]) -> None:
    audio = cut("rock", 4.0)
    once = soundsafe.embed(audio, 44_100, b"of the first", FIRST, quality="fast")
    twice = soundsafe.embed(once.audio, 44_100, b"of the second", SECOND, quality="fast")
    assert soundsafe.decode(twice.audio, 44_100, FIRST).payload == b"of the first"
    assert soundsafe.decode(twice.audio, 44_100, SECOND).payload == b"of the second"
