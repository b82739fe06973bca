"""Finding the second, to the sample, from the audio and the key alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soxr
import torch
from numpy.typing import NDArray
from scipy.stats import norm

from soundsafe import datasets
from soundsafe.cells.code import CellCode
from soundsafe.cells.profile import EUL_SAMPLES, PHASES
from soundsafe.cells.sync import (
    LOCK_Z,
    SecondSums,
    SummedScan,
    agreement,
    false_alarm,
    nudge,
    place_scores,
    scan,
    try_offsets,
)
from soundsafe.stft import RATE

OTHER_KEY = bytes(range(32))
CODE, OTHER = CellCode(), CellCode(OTHER_KEY)


def away(start: float, offset: int) -> float:
    """Distance in samples between a found start and the nearest real one in audio cut at `offset`."""
    rest = (start + offset) % EUL_SAMPLES
    return min(rest, EUL_SAMPLES - rest)


@pytest.mark.slow
@pytest.mark.parametrize("clip", ["rock", "strings_canon", "piano_moonlight", "soundtrack_a_new_journey"])
def test_lock_at_the_sample(clip: str, marked: Callable[..., Any]) -> None:
    audio = marked(clip).audio.copy()
    for offset in np.random.default_rng(5).integers(1, 44_000, 3):
        lock = scan(audio[:, offset : offset + 3 * RATE], CODE)
        assert lock.z > 2 * LOCK_Z
        assert away(lock.start, int(offset)) <= 0.25
        assert 0 <= lock.start < EUL_SAMPLES
        assert lock.phase == round((lock.start + offset) / EUL_SAMPLES) % PHASES


def test_half_a_sample(marked: Callable[..., Any]) -> None:
    """Audio that was moved by half a sample: up to twice the rate, one sample less, and down again."""
    audio = marked("strings_canon").audio[:, : 3 * RATE]
    double = soxr.resample(audio.T, RATE, 2 * RATE, quality="VHQ")
    moved = soxr.resample(double[2 * 1001 - 1 :], 2 * RATE, RATE, quality="VHQ").T.astype(np.float32)
    lock = scan(moved, CODE)
    assert lock.start == pytest.approx(EUL_SAMPLES - 1001 + 0.5, abs=0.25)


def test_a_nudge(marked: Callable[..., Any]) -> None:
    audio = marked("rock").audio.copy()
    for phase, off in ((1, 0), (2, 1), (3, -2)):
        start = phase * EUL_SAMPLES
        assert nudge(audio, start - off, phase, CODE) == pytest.approx(off, abs=0.13)


def test_a_known_offset(marked: Callable[..., Any]) -> None:
    audio = marked("rock").audio.copy()
    right = try_offsets(audio[:, : 2 * RATE], [0], CODE)
    assert (right.start, right.phase) == (pytest.approx(0.0, abs=0.13), 0)
    assert right.z > 2 * LOCK_Z
    assert try_offsets(audio[:, : 2 * RATE], [200], CODE).z < LOCK_Z
    delayed = np.pad(audio[:, : 2 * RATE], ((0, 0), (1105, 0)))
    assert try_offsets(delayed, [0, 1105], CODE).start == pytest.approx(1105, abs=0.13)


@pytest.mark.parametrize("clip", [c.clip for c in datasets.load("bundled").clips])
def test_unmarked_audio_does_not_lock(clip: str, cut: Callable[..., NDArray[np.float32]]) -> None:
    lock = scan(cut(clip, 3.0, 1.0).copy(), CODE)
    assert lock.z < LOCK_Z


def test_another_key_does_not_lock(marked: Callable[..., Any]) -> None:
    lock = scan(marked("rock").audio[:, : 3 * RATE].copy(), OTHER)
    assert lock.z < LOCK_Z


@pytest.mark.parametrize("kind", ["zeros", "constant", "impulse", "sine", "noise"])
def test_strange_audio_does_not_lock(kind: str) -> None:
    t = np.arange(2 * RATE)
    audio = {
        "zeros": np.zeros(len(t)),
        "constant": np.full(len(t), 0.5),
        "impulse": (t == 50_000) * 1.0,
        "sine": 0.3 * np.sin(2 * math.pi * 1000 * t / RATE),
        "noise": 0.1 * np.random.default_rng(0).standard_normal(len(t)),
    }[kind]
    lock = scan(audio[None].astype(np.float32), CODE)
    assert math.isfinite(lock.z)
    assert lock.z < LOCK_Z


@pytest.mark.slow
@pytest.mark.parametrize("mix", ["both", "left", "right", "mean", "swapped"])
def test_whatever_the_channels(mix: str, marked: Callable[..., Any]) -> None:
    # Three seconds that hold the one in which each channel has a mark of its own.
    audio = marked("piano_moonlight", 6.0).audio[:, 100_000 : 100_000 + 3 * RATE].copy()
    heard = {
        "both": audio,
        "left": audio[:1],
        "right": audio[1:],
        "mean": audio.mean(axis=0, keepdims=True),
        "swapped": audio[::-1],
    }[mix]
    lock = scan(np.ascontiguousarray(heard), CODE)
    assert lock.z > LOCK_Z
    assert away(lock.start, 100_000) <= 0.25


def test_false_alarm_is_a_union_bound() -> None:
    assert false_alarm(LOCK_Z, PHASES * EUL_SAMPLES) == pytest.approx(PHASES * EUL_SAMPLES * norm.sf(LOCK_Z))
    assert false_alarm(LOCK_Z, PHASES * EUL_SAMPLES) < 1e-5
    assert false_alarm(0.0, 100) == 1.0


def noisy(audio: NDArray[np.float32], times: float, seed: int = 0) -> NDArray[np.float32]:
    """Audio in white noise of so many times its size."""
    noise = np.random.default_rng(seed).standard_normal(audio.shape).astype(np.float32)
    return audio + np.float32(times * audio.std()) * noise


def test_windows_that_show_nothing_show_a_clock_together(marked: Callable[..., Any]) -> None:
    audio = noisy(marked("strings_canon", 8.0).audio[:, 5000:], 0.3)
    summed = SummedScan(3 * RATE, 8)
    alone, together = [], []
    for first in range(0, 5 * RATE, 2 * RATE):
        scores = place_scores(audio[:, first : first + 3 * RATE], CODE)
        alone.append(scan(audio[:, first : first + 3 * RATE], CODE, scores).z)
        together.append(summed.add(scores, first))
    assert together[0].z == pytest.approx(alone[0], abs=0.8)
    assert together[-1].z > max(alone)
    assert away(together[-1].start, 5000 + 4 * RATE) <= 1.0


def test_summed_windows_begin_anew(marked: Callable[..., Any]) -> None:
    scores = place_scores(marked("rock").audio[:, : 3 * RATE].copy(), CODE)
    summed = SummedScan(3 * RATE, 2)
    first = summed.add(scores, 0)
    summed.add(torch.zeros_like(scores), 4 * RATE)
    assert summed.add(scores, 8 * RATE).z == pytest.approx(first.z)  # the third of at most two
    assert summed.add(scores, 8 * RATE + 100).z == pytest.approx(first.z)  # by no whole number of frames
    summed.clear()
    assert summed.add(scores, 8 * RATE + 100).z == pytest.approx(first.z)


def test_summed_windows_without_a_mark_stay_normal() -> None:
    noise = np.random.default_rng(0).standard_normal((1, 9 * RATE)).astype(np.float32)
    summed = SummedScan(3 * RATE, 8)
    z = [
        summed.add(place_scores(noise[:, at : at + 3 * RATE], CODE), at).z
        for at in range(0, 7 * RATE, 2 * RATE)
    ]
    assert 3.5 < max(z) < LOCK_Z - 0.8


def test_pilots_agree_with_their_own_clock_alone(marked: Callable[..., Any]) -> None:
    audio = noisy(marked("rock").audio, 0.1)
    assert agreement(audio, RATE, 3, 1, CODE) > 6.0
    assert agreement(audio, RATE, 3, 2, CODE) < 4.0
    assert agreement(audio, RATE + 300, 3, 1, CODE) < 4.0
    assert agreement(audio, RATE, 3, 1, OTHER) < 4.0


def test_no_second_is_looked_at_twice(marked: Callable[..., Any]) -> None:
    audio = noisy(marked("rock").audio, 0.1)
    seen: SecondSums = {}
    z = agreement(audio, RATE, 3, 1, CODE)
    assert agreement(audio, RATE, 3, 1, CODE, seen) == z
    assert len(seen) == 3
    assert agreement(np.zeros_like(audio), RATE, 3, 1, CODE, seen) == z
    assert agreement(audio, 0, 3, 0, CODE, seen) == agreement(audio, 0, 3, 0, CODE)
    assert len(seen) == 4
