"""Streams are marked alike however they come, and silence stays silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch

import soundsafe
from soundsafe.aliases import Audio
from soundsafe.cells.code import CellCode
from soundsafe.streams import marker as marking
from soundsafe.streams.marker import Marker, words_of_seconds
from soundsafe.tiles.geometry import TileCode

Cut = Callable[..., Audio]

RATE = 44_100
OTHER_KEY = bytes(range(32))
CODE = CellCode()


def at_rate(audio: Audio, rate: int) -> Audio:
    return np.ascontiguousarray(soxr.resample(audio.T, RATE, rate, quality="VHQ").T, dtype=np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_both_layers_across_blocks(rate: int, cut: Cut) -> None:
    """Twenty-one seconds are two blocks: in one piece or in many, the same samples."""
    audio = np.concatenate([cut(name, 7.0) for name in ("rock", "strings_canon", "rock")], axis=1)
    audio = (at_rate(audio, rate) if rate != RATE else audio)[:1]
    answer = soundsafe.embed(audio, rate, b"blocks", quality="fast", layers=("eul", "tile"))
    assert answer.audio is not None
    assert answer.euls_verified >= 19
    marker = Marker(rate, 1, b"blocks", CODE, TileCode(), "fast")
    parts: list[Audio] = []
    for start in range(0, audio.shape[1], 123_456):
        parts += marker.feed(audio[:, start : start + 123_456])
    assert np.array_equal(np.concatenate([*parts, *marker.finish()], axis=1), answer.audio)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_nothing_is_added_to_silence(rate: int, cut: Cut) -> None:
    audio = at_rate(cut("rock", 6.0), rate) if rate != RATE else cut("rock", 6.0).copy()
    audio[:, int(1.9 * rate) : int(4.1 * rate)] = 0.0
    audio[1, int(4.5 * rate) : int(4.7 * rate)] = 0.0  # one channel alone
    answer = soundsafe.embed(audio, rate, b"silence")
    assert answer.audio is not None
    assert np.count_nonzero(answer.audio[:, int(1.9 * rate) : int(4.1 * rate)]) == 0
    assert np.count_nonzero(answer.audio[1, int(4.5 * rate) : int(4.7 * rate)]) == 0
    assert {2, 3} <= set(answer.unmarked_seconds)
    assert len(answer.warnings) == len(answer.unmarked_seconds)
    assert any("second 2" in w and "silence" in w for w in answer.warnings)
    assert soundsafe.decode(answer.audio, rate).payload == b"silence"


@pytest.mark.slow
def test_the_mark_fades_out_before_silence(cut: Cut) -> None:
    audio = cut("rock", 4.0).copy()
    audio[:, 2 * RATE :] = 0.0
    answer = soundsafe.embed(audio, RATE, b"silence", quality="fast")
    assert answer.audio is not None
    change = np.abs(answer.audio - audio)
    assert change[:, 2 * RATE - 20 : 2 * RATE].max() < 0.1 * change[:, RATE : 2 * RATE].max()


@pytest.mark.slow
def test_threads_do_not_matter(cut: Cut) -> None:
    audio = cut("rock", 2.0)
    before = torch.get_num_threads()
    try:
        answers = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            answers.append(soundsafe.embed(audio, RATE, b"threads", quality="fast").audio)
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2])


@pytest.mark.slow
@pytest.mark.parametrize("rate", [RATE, 32_000])
def test_file_and_array_are_the_same(
    rate: int, cut: Cut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven seconds in blocks of three EULs: by file or array, in one piece or in many, the same samples."""
    monkeypatch.setattr(marking, "BLOCK_EULS", 3)
    audio = np.concatenate([cut("strings_canon", 3.3), cut("rock", 3.7)], axis=1)
    audio = at_rate(audio, rate) if rate != RATE else audio
    soundfile.write(tmp_path / "in.wav", audio.T, rate, subtype="FLOAT")
    by_array = soundsafe.embed(audio, rate, b"blocks", quality="fast", layers=("eul",))
    by_file = soundsafe.embed_file(
        tmp_path / "in.wav", tmp_path / "out.wav", b"blocks", quality="fast", layers=("eul",)
    )
    out, _ = soundfile.read(tmp_path / "out.wav", dtype="float32", always_2d=True)
    assert by_file.audio is None
    for name in ("euls", "euls_verified", "warnings"):
        assert getattr(by_file, name) == getattr(by_array, name)

    # A file of floating point keeps finer steps than is assumed of an array that is not quiet throughout.
    for fine, whole in ((True, out.T), (False, by_array.audio)):
        marker = Marker(rate, 2, b"blocks", CODE, None, "fast", fine=fine)
        parts: list[Audio] = []
        for start in range(0, audio.shape[1], 12_345):
            parts += marker.feed(audio[:, start : start + 12_345])
        assert np.array_equal(np.concatenate([*parts, *marker.finish()], axis=1), whole)


@pytest.mark.slow
def test_every_eul_reads_back_across_blocks(cut: Cut, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marking, "BLOCK_EULS", 2)
    answer = soundsafe.embed(cut("strings_canon", 7.0), RATE, b"blocks", layers=("eul",))
    assert answer.euls_verified == answer.euls == 7


def test_coded_bits_cycle_through_the_parts() -> None:
    bits = soundsafe.coded_bits(bytes(range(256)) + bytes(144), None, 8)
    assert bits.shape == (8, 2040)
    assert bits.dtype == np.uint8
    assert np.array_equal(bits[:3], bits[3:6])
    assert np.array_equal(bits[:2], bits[6:])
    assert not np.array_equal(bits[0], bits[1])
    assert not np.array_equal(bits, soundsafe.coded_bits(bytes(400), OTHER_KEY, 8))
    two = soundsafe.coded_bits(bytes(176), None, 6)  # the first comes twice
    assert np.array_equal(two[:3], two[3:])
    assert np.array_equal(two[2], two[0])


def test_coded_bits_of_a_later_block() -> None:
    payload = bytes(range(256)) * 2  # three parts
    whole = words_of_seconds(payload, CODE, 40)
    assert (words_of_seconds(payload, CODE, 7, first=31) == whole[31:38]).all()
    assert words_of_seconds(payload, CODE, 2, first=10**6).base is None
    assert (soundsafe.coded_bits(payload, None, 7, first=31) == whole[31:38]).all()


def test_above_the_band_nothing_changes(cut: Cut) -> None:
    """Audio at 96 kHz with content above 30 kHz: the mark is added, the rest is left as it is."""
    audio = at_rate(cut("rock", 2.0), 96_000)
    t = np.arange(audio.shape[1]) / 96_000
    audio = audio * np.float32(0.8) + np.float32(0.05) * np.sin(2 * np.pi * 35_000 * t).astype(np.float32)
    answer = soundsafe.embed(audio, 96_000, b"x")
    difference = np.fft.rfft((answer.audio - audio).astype(np.float64), axis=1)
    hz = np.fft.rfftfreq(audio.shape[1], 1 / 96_000)
    assert np.sum(np.abs(difference[:, hz > 23_000]) ** 2) < 1e-5 * np.sum(np.abs(difference) ** 2)
