"""`soundsafe train steps`: from a folder of audio to a model that marks and reads."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

import soundsafe
from soundsafe.cells.learned import model_card, with_model
from soundsafe.cli import main
from soundsafe.datasets import load
from soundsafe.files.audio_folder import read_folder
from soundsafe.stft import RATE
from soundsafe.training.map_command import MAP_CONFIG, train_map


@pytest.mark.slow
def test_it_writes_a_model_that_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = load("bundled").clips[0].path.parent
    monkeypatch.setattr("soundsafe.training.map_command.clips_of", lambda data, split: read_folder(data))
    monkeypatch.setattr("soundsafe.training.map_command._CLIPS", 1)
    monkeypatch.setattr("soundsafe.training.map_command._SECONDS", 3)
    monkeypatch.setattr("soundsafe.training.map_command.MAP_SIZES", ("small",))
    cfg = dataclasses.replace(MAP_CONFIG, steps=12)
    out = tmp_path / "run"
    lines = train_map(folder, out, lambda share, words: None, cfg)
    assert lines[-1].endswith("(small)")
    assert {"none", "static", "small"} == {row["map"] for row in csv.DictReader((out / "table.csv").open())}
    profile = with_model(str(out / "steps.npz"))
    assert model_card(profile)["config"] == MAP_CONFIG.to_json() | {"steps": 12}
    x = np.random.default_rng(0).normal(0, 0.1, (1, RATE)).astype(np.float32)
    marked = soundsafe.embed(x, RATE, b"trained", profile=profile, quality="fast", layers="eul")
    assert soundsafe.decode(marked.audio, RATE, profile=profile).payload == b"trained"


@pytest.mark.parametrize("arguments", [["--out", "x"], ["--resume"], ["--data", "nowhere", "--out", "x"]])
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["train", "steps", *arguments])
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
