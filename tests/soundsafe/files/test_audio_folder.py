"""Folders of audio without names of datasets; `tests/datasets/test_dataset.py` has what manifests say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundsafe.errors import InputError
from soundsafe.files.audio_folder import read_folder


def test_a_folder_is_read_with_and_without_a_manifest(tmp_path: Path) -> None:
    for name in ("b.wav", "a.flac"):
        soundfile.write(tmp_path / name, np.zeros((100, 2)), 44_100)
    assert [clip.clip for clip in read_folder(tmp_path).clips] == ["a", "b"]
    (tmp_path / "manifest.csv").write_text("file,split\nb.wav,train\na.flac,val\n")
    assert [clip.clip for clip in read_folder(tmp_path, "val").clips] == ["a"]
    assert read_folder(tmp_path, mono=True).clips[0].read()[0].shape == (1, 100)
    assert read_folder(tmp_path, name="mine").name == "mine"


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read_folder(tmp_path / "gone")
    with pytest.raises(InputError, match="no audio files in it"):
        read_folder(tmp_path)
