"""The study of what a key gives away: its rows, and its answer where there is too little audio."""

from __future__ import annotations

import json

import numpy as np
import pytest

from soundsafe import datasets
from soundsafe.errors import InputError
from soundsafe.eval.commands.learn_key import Learned, Outcome, joined, main, pieces, study
from soundsafe.stft import RATE


@pytest.mark.slow
def test_rows_of_one_file_of_version_1() -> None:
    clips = datasets.load("bundled").clips
    rows = list(study(clips[4:6], [1], 8.0, own=False, targets=1, seed=0, learnable=True))
    learned, *outcomes = rows
    assert isinstance(learned, Learned)
    assert (learned.files, learned.seconds, learned.of_symbols, learned.of_pilots) == (1, 8.0, 296, 8)
    assert learned.pilots >= 3  # of one clip; its tiles have no repetition yet
    assert learned.symbols < 60
    assert learned.cpu_s > 0
    assert all(isinstance(row, Outcome) for row in outcomes)
    by = {(row.step, row.by): row for row in outcomes if isinstance(row, Outcome)}
    assert len(by) == 5
    assert not by["forge", "learned word"].ok
    noise, lot = by["remove", "white noise"], by["remove", "patterns by lot"]
    assert noise.snr_db == pytest.approx(by["remove", "learned pilots"].snr_db, abs=0.1)
    assert noise.zimtohrli > 10 * by["remove", "learned pilots"].zimtohrli
    assert lot.ok
    assert lot.seconds_ok == lot.seconds == 8


def test_what_files_leave_is_cut_into_targets() -> None:
    """An hour to learn from needs no second hour for its targets."""
    clips = datasets.load("bundled").clips[:3]
    whole = np.concatenate([clip.read()[0].mean(axis=0) for clip in clips])
    first, *targets = joined(clips, [12 * RATE, RATE, 2 * RATE])
    assert [audio.shape for audio in (first, *targets)] == [(1, 12 * RATE), (1, RATE), (1, 2 * RATE)]
    np.testing.assert_array_equal(np.concatenate([first, *targets], axis=1)[0], whole[: 15 * RATE])
    assert len(list(joined(clips, [20 * RATE, 2 * RATE, 20 * RATE, RATE]))) == 2


def test_pieces_start_with_a_cycle_of_32_s() -> None:
    hour = np.arange(200 * RATE, dtype=np.float32)[None]
    starts = [int(piece[0, 0]) / RATE for piece in pieces([hour], 30 * RATE, 3)]
    assert starts == [0.0, 64.0, 128.0]
    assert all(piece.shape == (1, 30 * RATE) for piece in pieces([hour], 30 * RATE, 3))
    assert [int(piece[0, 0]) for piece in pieces([hour, hour + 1, hour + 2], 200 * RATE, 2)] == [0, 1]
    assert [int(piece[0, 0]) // RATE for piece in pieces([hour, hour], 40 * RATE, 3)] == [0, 96, 0]


def test_too_little_audio_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="3 files of 30 s are needed, the clips make 2"):
        list(study(datasets.load("bundled").clips, [2], 30.0, own=False, targets=1, seed=0))
    with pytest.raises(InputError, match="1 files of 30 s and 20 of 2 s are needed, the clips make 2"):
        list(study(datasets.load("bundled").clips[:4], [1], 30.0, False, 20, 0, target_seconds=2.0))
    assert main(["--files", "9", "--seconds", "30"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1


@pytest.mark.slow
def test_lines_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--files", "1", "--seconds", "4", "--targets", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["step"] for line in lines] == ["learn", "learn_described"]
