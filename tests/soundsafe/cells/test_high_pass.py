"""High-passes found by what they did to the pilots, and undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.signal import butter, sosfilt, sosfreqz

from soundsafe.aliases import Audio
from soundsafe.cells.code import CellCode
from soundsafe.cells.detector import detect
from soundsafe.cells.high_pass import ORDERS, HighPass, find_high_pass, without_high_pass
from soundsafe.cells.profile import EUL_SAMPLES
from soundsafe.cells.settings import REPEATED
from soundsafe.stft import RATE

CODE = CellCode()


def behind(audio: Audio, hz: float, order: int) -> Audio:
    """Audio after a Butterworth filter, in 16 bits."""
    out = sosfilt(butter(order, hz, "high", fs=RATE, output="sos"), audio.astype(np.float64))
    return (np.round(out * 32_768) / 32_768).astype(np.float32)


@pytest.mark.parametrize("order", ORDERS)
def test_phases_and_losses_are_those_of_butterworth_filters(order: int) -> None:
    which, hz = HighPass(500.0, order), np.geomspace(200.0, 8000.0, 50)
    _, response = sosfreqz(butter(order, 500.0, "high", fs=RATE, output="sos"), hz, fs=RATE)
    assert np.abs(np.angle(response * np.exp(-1j * which.phases(hz)))).max() < 0.05
    assert np.abs(20.0 * np.log10(np.abs(response) * which.losses(hz)))[hz < 6000.0].max() < 1.0
    other = which.like(2)
    assert other.phases(np.array([20_000.0]))[0] == pytest.approx(
        which.phases(np.array([20_000.0]))[0], rel=0.01
    )


def test_a_filter_is_undone() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (2, RATE)).astype(np.float32)
    again = without_high_pass(behind(noise, 500.0, 4), HighPass(500.0, 4))
    inside = slice(RATE // 4, -RATE // 4)
    assert np.square(again - noise)[:, inside].mean() < 0.02 * np.square(noise).mean()
    assert without_high_pass(noise, HighPass()) is noise


@pytest.mark.parametrize(("hz", "order"), [(300.0, 2), (500.0, 4), (900.0, 6)])
def test_a_filter_is_found(hz: float, order: int, marked: Callable[..., Any]) -> None:
    audio = behind(marked("rock", 8.0).audio, hz, order)
    before = find_high_pass(audio[:, : 2 * EUL_SAMPLES], 0, 0, CODE)
    assert before.which.lead == pytest.approx(HighPass(hz, order).lead, rel=0.05)
    assert find_high_pass(audio[:, EUL_SAMPLES:], 0, 1, CODE, before.which).which == before.which


def test_none_is_found_where_none_was(marked: Callable[..., Any]) -> None:
    found = find_high_pass(marked("rock", 8.0).audio[:, : 2 * EUL_SAMPLES], 0, 0, CODE)
    assert (found.which.lead, found.shift) == (pytest.approx(0.0, abs=100.0), 0.0)


@pytest.mark.slow
def test_seconds_are_read_behind_a_high_pass(marked: Callable[..., Any]) -> None:
    m = marked("rock", 8.0)
    audio = behind(m.audio, 800.0, 4)
    unaided, answer = detect([audio], CODE, REPEATED), detect([audio], CODE)
    assert answer.payload == m.payload
    assert sum(e.ok for e in answer.euls) >= 4 + sum(e.ok for e in unaided.euls)
    assert detect([audio], CellCode(bytes(range(32)))).payload is None
