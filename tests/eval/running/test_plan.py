"""What a run will do is looked up before any work, and refused in one line."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from soundsafe.errors import InputError
from soundsafe.eval.running.plan import make_plan


def test_unmarked_audio_is_attacked_as_suites_are(fakes: ModuleType, clips: Path, suite_file: Path) -> None:
    def names(asked: list[str], attacked: bool | None) -> list[str]:
        plan = make_plan(fakes.Toy(), asked, clips, limit=1, attacked_controls=attacked)
        return [cell.name for cell, _ in plan.cells if "+then+" in cell.name]

    suite = [str(suite_file)]
    assert names(suite, None) == ["unmarked+then+gain_-3dB", "unmarked+then+gain_+3dB"]
    assert names(suite, False) == names(["none", "unmarked", "gain_-3dB"], None) == []
    assert names([*suite, "gain_-6dB"], None) == names(suite, None)
    assert names(["gain_-6dB"], True) == ["unmarked+then+gain_-6dB", "wrong_key+then+gain_-6dB"]


def test_attacked_controls(fakes: ModuleType, clips: Path) -> None:
    plan = make_plan(fakes.Toy(), ["none", "gain_-3dB"], clips, limit=1, attacked_controls=True)
    names = [cell.name for cell, _ in plan.cells]
    assert names == ["none", "gain_-3dB", "unmarked+then+gain_-3dB", "wrong_key+then+gain_-3dB"]
    assert [cell.control for cell, _ in plan.cells] == ["", "", "unmarked", "wrong_key"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"systems": "nobody"}, "unknown system nobody"),
        ({"attacks": "no_such"}, "unknown attack no_such"),
        ({"dataset": "/no/such/folder"}, "no such folder"),
        ({"limit": 0}, "at least 1"),
        ({"seconds": -1.0}, "positive"),
        ({"seconds": float("nan")}, "positive"),
        ({"seconds": float("inf")}, "positive"),
        ({"split": "nowhere"}, "no clip in split"),
        ({"attacks": []}, "no attacks"),
    ],
)
def test_what_cannot_be_run_is_refused(
    fakes: ModuleType, clips: Path, arguments: dict[str, Any], text: str
) -> None:
    good: dict[str, Any] = {"systems": "toy", "attacks": "none", "dataset": clips}
    with pytest.raises(InputError, match=text):
        make_plan(**(good | arguments))


def test_a_split_that_no_manifest_names_is_refused(fakes: ModuleType, clips: Path, tmp_path: Path) -> None:
    shutil.copy(clips / "c0.wav", tmp_path)
    for split in ("test", None):
        assert len(make_plan("toy", "none", tmp_path, split=split).clips) == 1
    for text in ("", "file\nc0.wav\n", "file,split\nc0.wav,\n"):
        if text:
            (tmp_path / "manifest.csv").write_text(text)
        with pytest.raises(InputError, match=r"no manifest\.csv puts a clip into split typo"):
            make_plan("toy", "none", tmp_path, split="typo")
