"""`soundsafe train carrier`, and what the command refuses."""

import json

import numpy as np
import pytest

from soundsafe.cells.profile import ROBUST, Profile
from soundsafe.cli import main
from soundsafe.datasets import load
from soundsafe.files.audio_folder import read_folder
from soundsafe.training.command import evenly, train_carrier


def test_command_writes_a_profile(tmp_path, monkeypatch):
    monkeypatch.setattr("soundsafe.training.command._CLIPS", 1)
    monkeypatch.setattr("soundsafe.training.command._EULS", 1)
    monkeypatch.setattr(
        "soundsafe.training.command.fit_carrier",
        lambda clips, profile, report: __import__("soundsafe.training.carrier", fromlist=["x"]).fit_carrier(
            clips, profile, rounds=0, report=report
        ),
    )
    monkeypatch.setattr("soundsafe.training.command.clips_of", lambda data, split: read_folder(data))
    lines = train_carrier(load("bundled").clips[0].path.parent, tmp_path / "out", lambda share, words: None)
    fields = json.loads((tmp_path / "out" / "carrier.json").read_text())
    assert Profile(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}) == ROBUST
    assert any(line.startswith("step ") for line in lines)
    assert not list((tmp_path / "out").glob(".*"))


@pytest.mark.parametrize(("many", "last"), [(0, None), (5, 4), (12, 11), (13, 11), (23, 21), (24, 22)])
def test_clips_are_drawn_evenly(many, last):
    drawn = evenly(range(many), 12)
    assert len(drawn) == min(12, many)
    assert (drawn[-1] if drawn else None) == last
    assert max(np.diff(drawn), default=0) - min(np.diff(drawn), default=0) <= 1


def test_other_names_are_refused_in_one_line(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "enormous"])
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_nothing_to_train_on_is_said(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "carrier"])
    assert stop.value.code == 2
    assert "give --data DIR" in capsys.readouterr().err
