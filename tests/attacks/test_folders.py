"""Folders of the user's recordings: which variable names them, and what they must hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from soundsafe.attacks.folders import Folder
from soundsafe.errors import InputError

FOLDER = Folder("SOUNDSAFE_TEST_FOLDER", "anything")


def test_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER.variable, raising=False)
    assert FOLDER.missing() == "needs recordings: SOUNDSAFE_TEST_FOLDER names their folder (anything)"
    monkeypatch.setenv(FOLDER.variable, str(tmp_path / "nowhere"))
    assert "names no folder" in FOLDER.missing()
    monkeypatch.setenv(FOLDER.variable, str(tmp_path))
    assert "holds no WAV" in FOLDER.missing()
    with pytest.raises(InputError, match="holds no WAV"):
        FOLDER.recordings()


def test_finds_recordings_at_any_depth_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.WAV", "deep/a.flac", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.setenv(FOLDER.variable, str(tmp_path))
    assert FOLDER.missing() == ""
    assert FOLDER.recordings() == (tmp_path / "b.WAV", tmp_path / "deep" / "a.flac")
