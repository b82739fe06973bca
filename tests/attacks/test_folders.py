"""Folders of the user's recordings: which variable names them, and what they must hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

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


def test_recordings_are_read_whatever_their_headers_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "a.wav", np.full((8_000, 1), 0.25), 16_000, subtype="PCM_16")
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(content[:40] + bytes(4) + content[44:])
    endless = b"LIST\x10\0\0\0INFOABCD\xf8\xff\xff\xffMe\0\0"
    (tmp_path / "b.wav").write_bytes(content[:36] + endless + content[36:])
    monkeypatch.setenv(FOLDER.variable, str(tmp_path))
    for number in (0, 2):
        audio, rate = FOLDER.sound(number)
        assert (audio.shape, rate) == ((1, 8_000), 16_000)
    with pytest.raises(InputError, match="endless entry"):
        FOLDER.sound(1)
