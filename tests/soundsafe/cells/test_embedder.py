"""The informed embedder: what it changes, and that the detector's own soft values say the right bits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import soundsafe
from soundsafe.cells.code import CellCode
from soundsafe.cells.embedder import HEADROOM, ShortBlock, codec_by_pairs, mark_block
from soundsafe.cells.mixtures import mix_channels
from soundsafe.cells.profile import EUL_SAMPLES, PHASES
from soundsafe.cells.reading import read_second
from soundsafe.cells.settings import QUALITIES, SHORT_QUALITIES
from soundsafe.distance.zimtohrli import worst_channel
from soundsafe.stft import RATE

CODE = CellCode()

Cut = Callable[..., NDArray[np.float32]]

FAST = QUALITIES["fast"]


def mark(audio: NDArray[np.float32], first: int, euls: int, phase: int = 0) -> NDArray[np.float32]:
    coded = soundsafe.coded_bits(b"embedder", None, euls)
    return mark_block(audio, first, coded, phase, CODE, FAST)


def test_mix_channels() -> None:
    x = torch.complex(torch.randn(3, 5, 7), torch.randn(3, 5, 7))
    torch.testing.assert_close(mix_channels(x, np.array([0, 1, 0], np.float32)), x[1])
    torch.testing.assert_close(mix_channels(x, np.full(3, 1 / 3, np.float32)), x.mean(0))


def test_codecs_see_channels_two_by_two() -> None:
    seen: list[int] = []

    def codec(audio: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(len(audio))
        return 2 * audio

    x = np.arange(15, dtype=np.float32).reshape(5, 3)
    assert np.array_equal(codec_by_pairs(x, codec, 0).numpy(), 2 * x)
    assert seen == [2, 2, 1]


@pytest.mark.parametrize("phase", range(PHASES))
def test_the_detector_reads_what_was_marked(phase: int, cut: Cut) -> None:
    audio = cut("strings_canon", 3.0).copy()
    marked = mark(audio, EUL_SAMPLES, 1, phase)
    bits = soundsafe.coded_bits(b"embedder", None, 1)[0]
    reading = read_second(marked, EUL_SAMPLES, phase, CODE)
    assert reading is not None
    assert np.mean((reading.llr < 0) != bits) < 0.03
    other = read_second(marked, EUL_SAMPLES, (phase + 1) % PHASES, CODE)
    assert other is not None
    assert np.mean((other.llr < 0) != bits) > 0.3


def test_only_the_euls_are_changed(cut: Cut) -> None:
    audio = cut("rock", 4.0).copy()
    marked = mark(audio, EUL_SAMPLES, 2)
    assert marked.shape == audio.shape
    assert marked.dtype == np.float32
    assert np.abs(marked - audio)[:, EUL_SAMPLES : 3 * EUL_SAMPLES].max() > 1e-3
    # A frame reaches half its length to either side; beyond, the transform's rounding is all.
    assert np.abs(marked - audio)[:, : EUL_SAMPLES - 441].max() < 1e-6
    assert np.abs(marked - audio)[:, 3 * EUL_SAMPLES + 441 :].max() < 1e-6


def test_no_clipping_is_added(cut: Cut) -> None:
    audio = cut("rock", 2.0).copy()
    audio *= 1.02 / np.abs(audio).max()
    marked = mark(audio, 0, 2)
    assert np.abs(audio).max() > 1.0  # what was above full scale may stay there
    assert (np.abs(marked) <= np.maximum(np.abs(audio), HEADROOM)).all()


def test_the_same_twice(cut: Cut) -> None:
    audio = cut("piano_moonlight", 2.0).copy()
    kept = audio.copy()
    assert np.array_equal(mark(audio, 0, 2), mark(audio, 0, 2))
    assert np.array_equal(audio, kept)


def test_more_steps_leave_fewer_errors(cut: Cut) -> None:
    audio = cut("soundtrack_a_new_journey", 2.0).copy()
    coded = soundsafe.coded_bits(b"embedder", None, 2)
    wrong = []
    for steps in (1, 6):
        quality = dataclasses.replace(FAST, steps=steps)
        marked = mark_block(audio, 0, coded, 0, CODE, quality)
        readings = [read_second(marked, i * EUL_SAMPLES, i, CODE) for i in range(2)]
        wrong.append(sum(int(((r.llr < 0) != c).sum()) for r, c in zip(readings, coded, strict=True) if r))
    assert wrong[1] < wrong[0]


def test_marking_again_changes_the_seconds_that_get_another_scale(cut: Cut) -> None:
    audio = cut("soundtrack_a_new_journey", 4.0).copy()
    coded = soundsafe.coded_bits(b"embedder", None, 4)
    block = ShortBlock(audio, 0, coded, 0, CODE, SHORT_QUALITIES["default"])
    first = block.mark(audio, np.ones(4), 3)
    again = block.mark(audio, np.array([1.0, 1.0, 1.0, 0.5]), 3)
    moved = [
        np.abs(again[:, at : at + EUL_SAMPLES] - first[:, at : at + EUL_SAMPLES]).mean()
        for at in range(0, 4 * EUL_SAMPLES, EUL_SAMPLES)
    ]
    assert max(moved[:3]) < 0.3 * moved[3]
    for marked in (first, again):
        for i in range(4):
            reading = read_second(marked, i * EUL_SAMPLES, i, CODE)
            assert reading is not None
            assert np.mean((reading.short.llr < 0) != coded[i]) < 0.05


def test_steps_that_reach_further_need_to_be_fewer(cut: Cut) -> None:
    audio = cut("soundtrack_a_new_journey", 2.0).copy()
    coded = soundsafe.coded_bits(b"embedder", None, 2)
    wrong = []
    for reach, steps in ((1.0, 2), (1.0, 4), (1.9, 2)):
        quality = dataclasses.replace(SHORT_QUALITIES["default"], reach=reach, strength=0.5)
        marked = ShortBlock(audio, 0, coded, 0, CODE, quality).mark(audio, np.ones(2), steps)
        readings = [read_second(marked, i * EUL_SAMPLES, i, CODE) for i in range(2)]
        soft = [r.short.llr * (1.0 - 2.0 * c) for r, c in zip(readings, coded, strict=True) if r]
        wrong.append(float(np.mean(np.logaddexp(0.0, -np.concatenate(soft)))))
    assert wrong[2] < wrong[1] < wrong[0]


@pytest.mark.slow
def test_no_second_of_a_sparse_clip_is_far_from_the_original(marked: Callable[..., Any]) -> None:
    clip = marked("caribbean")
    for i in range(4):
        here = slice(i * RATE, (i + 1) * RATE)
        assert worst_channel(clip.original[:, here], clip.audio[:, here], RATE) < 2.8e-4
