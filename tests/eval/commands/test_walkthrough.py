"""The walk through the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile


@pytest.mark.slow
def test_a_plot_for_each_stage(command: Any, tmp_path: Path) -> None:
    code, text, errors = command("walkthrough", "rock", "--out", tmp_path / "walk")
    assert (code, errors) == (0, "")
    plots = sorted((tmp_path / "walk").iterdir())
    assert [p.name[0] for p in plots] == list("12345678w")  # and all on one page
    assert text.split() == [str(p) for p in plots]
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in plots)


def test_what_cannot_be_walked(command: Any, tmp_path: Path) -> None:
    code, _, errors = command("walkthrough", tmp_path / "none.wav", "--out", tmp_path)
    assert code == 2
    assert errors.count("\n") == 1
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(4 * 44_100), 44_100)
    code, _, errors = command("walkthrough", silent, "--out", tmp_path)
    assert code == 1
    assert errors.count("\n") == 1
    assert command("walkthrough", "rock", "--attack", "nothing", "--out", tmp_path)[0] == 2


@pytest.mark.slow
def test_attacks_that_leave_one_channel_or_cut_the_beginning(command: Any, tmp_path: Path) -> None:
    code, _, errors = command("walkthrough", "rock", "--attack", "downmix_mono", "--out", tmp_path / "walk")
    assert (code, errors) == (0, "")
    code, _, errors = command("walkthrough", "rock", "--attack", "crop_0.1s", "--out", tmp_path)
    assert (code, errors.count("\n")) == (2, 1)
    assert "cuts the beginning off" in errors
