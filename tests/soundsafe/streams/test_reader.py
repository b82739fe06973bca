"""Streams are read to their end, whatever a search of their beginning found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

import soundsafe
from soundsafe.aliases import Audio
from soundsafe.attacks.speed import change_speed
from soundsafe.cells.profile import with_code
from soundsafe.streams import reader

Cut = Callable[..., Audio]
Mark = Callable[..., Any]

RATE = 44_100


@pytest.mark.slow
def test_a_file_is_searched_in_its_first_seconds_and_read_to_its_end(
    marked: Mark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "SEARCH_S", 4.0)
    m = marked("rock", 8.0)
    soundfile.write(tmp_path / "m.wav", change_speed(m.audio, 0.97).T, RATE, subtype="PCM_16")
    answer = soundsafe.decode_file(tmp_path / "m.wav")
    assert answer.payload == m.payload
    assert answer.speed == pytest.approx(0.97, rel=2e-6)
    assert len(answer.euls) == 8


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "seconds"), [(1.0, 4), (1.0004, 8)])
def test_an_inverted_file_is_read_to_its_end(
    factor: float, seconds: int, marked: Mark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "SEARCH_S", seconds / 2)
    m = marked("rock", seconds)
    audio = m.audio if factor == 1.0 else change_speed(m.audio, factor)
    soundfile.write(tmp_path / "m.wav", -audio.T, RATE, subtype="PCM_16")
    answer = soundsafe.decode_file(tmp_path / "m.wav")
    assert answer.payload == m.payload
    assert answer.speed == pytest.approx(factor, rel=2e-6)
    assert len(answer.euls) == seconds


@pytest.mark.slow
def test_polarity_is_found_behind_a_change_of_speed(cut: Cut) -> None:
    answer = soundsafe.embed(cut("rock", 8.0), RATE, b"upside down", quality="fast")
    assert answer.audio is not None
    found = soundsafe.decode(-change_speed(answer.audio, 0.97), RATE)
    assert (found.payload, found.layer) == (b"upside down", "eul")
    assert found.speed == pytest.approx(0.97, rel=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.953, 1.05])
def test_a_change_of_speed_is_undone_without_tiles(factor: float, cut: Cut) -> None:
    audio = soundsafe.embed(cut("rock", 8.0), RATE, b"speed", quality="fast", layers=("eul",)).audio
    assert audio is not None
    answer = soundsafe.decode(change_speed(audio, factor), RATE)
    assert (answer.ok, answer.payload, answer.layer) == (True, b"speed", "eul")
    assert answer.speed == answer.tempo == answer.pitch == pytest.approx(factor, rel=1e-6)
    assert sum(e.ok for e in answer.euls) >= 7


@pytest.mark.slow
def test_audio_turned_upside_down_is_read(marked: Mark) -> None:
    m = marked("rock", 2.0)
    answer = soundsafe.decode(-m.audio, RATE)
    assert (answer.payload, answer.layer, answer.tempo) == (m.payload, "eul", 1.0)
    assert sum(e.ok for e in answer.euls) == 2
    assert not soundsafe.decode(-m.audio, RATE, bytes(32)).ok


def test_a_mark_with_the_other_code_is_read_and_named(cut: Cut) -> None:
    audio = soundsafe.embed(
        cut("rock", 2.0), RATE, b"by Reed and Solomon", quality="fast", layers="eul", profile=with_code("rs")
    ).audio
    found = soundsafe.decode(audio, RATE)
    assert (found.payload, found.code) == (b"by Reed and Solomon", "rs")
