"""The clock of spliced audio, found by pilots in its pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import soundsafe
from soundsafe.aliases import Audio
from soundsafe.attacks import get
from soundsafe.cells.code import CellCode
from soundsafe.recovery.speed import resample_by
from soundsafe.recovery.splice_search import refine_pitch, search_splices

CODE = CellCode()

RATE = 44_100


def attacked(audio: Audio, name: str) -> Audio:
    return get(name).apply(audio, RATE, np.random.default_rng(0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "tempo"), [("tempo_wsola_+5%", 1.05), ("tempo_atempo_-5%", 0.95), ("tempo_wsola_+2%", 1.02)]
)
def test_four_seconds_tell_tempo_and_place(marked: Callable[..., Any], name: str, tempo: float) -> None:
    heard = attacked(marked("rock").audio, name)[:, round(0.3 * RATE) :]
    clock = search_splices(heard, CODE)
    assert clock is not None
    assert clock.tempo == pytest.approx(tempo, abs=4e-3)
    cycle = 4 * RATE / clock.tempo
    off = (clock.start + 0.3 * RATE + cycle / 2) % cycle - cycle / 2
    assert abs(off) < 0.012 * RATE


def test_untouched_audio_has_tempo_one(marked: Callable[..., Any]) -> None:
    clock = search_splices(marked("rock").audio, CODE)
    assert clock is not None
    assert clock.tempo == pytest.approx(1.0, abs=1e-5)


def test_no_clock_without_the_mark_or_its_key(cut: Callable[..., Audio], marked: Callable[..., Any]) -> None:
    assert search_splices(cut("rock"), CODE) is None
    assert search_splices(marked("rock").audio, CellCode(bytes(32))) is None
    assert search_splices(np.zeros((2, 4 * RATE), np.float32), CODE) is None
    assert search_splices(cut("rock")[:, :1000], CODE) is None


def test_the_pitch_of_pieces_becomes_exact(marked: Callable[..., Any]) -> None:
    heard = attacked(marked("rock").audio, "pitch_wsola_+5%")
    pitch = refine_pitch(heard, 1.0512, CODE)
    assert pitch == pytest.approx(1.05, abs=1e-4)
    clock = search_splices(resample_by(heard, pitch), CODE)
    assert clock is not None
    assert clock.tempo == pytest.approx(1 / 1.05, abs=4e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "tempo"), [("tempo_wsola_+5%", 1.05), ("tempo_atempo_+5%", 1.05)])
def test_the_cell_layer_alone_is_read_from_pieces(
    marked: Callable[..., Any], name: str, tempo: float
) -> None:
    clip = marked("rock")
    answer = soundsafe.decode(attacked(clip.audio, name), RATE)
    assert (answer.payload, answer.layer) == (clip.payload, "eul")
    assert answer.tempo == pytest.approx(tempo, abs=4e-3)
    assert (answer.speed, answer.pitch) == (1.0, 1.0)
    assert answer.offset_samples == pytest.approx(0, abs=0.012 * RATE)
    assert not soundsafe.decode(attacked(clip.audio, name), RATE, bytes(32)).ok


def test_most_of_a_second_is_enough(marked: Callable[..., Any]) -> None:
    clip = marked("rock")
    assert soundsafe.decode(clip.audio[:, : round(0.9 * RATE)], RATE).payload == clip.payload
