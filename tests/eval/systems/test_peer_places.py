"""Weights are what they were when they were kept; a Python of one's own wins over an installed one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from soundsafe.errors import InputError
from soundsafe.eval.systems import peer_places as places


def test_weights_that_changed_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDSAFE_PEERS", str(tmp_path / "peers"))
    monkeypatch.setattr(places, "digest", places.digest.__wrapped__)
    file = tmp_path / "model.pkl"
    file.write_bytes(b"weights")
    kept = places.keep_weights("wavmark", file)
    assert kept.sha256 == places.keep_weights("wavmark", file, kept.sha256.upper()).sha256
    assert places.weights_of("wavmark") == kept
    assert places.weights_of("timbre").path == ""
    with pytest.raises(InputError, match="is not what was asked for"):
        places.keep_weights("wavmark", file, "00")
    file.write_bytes(b"others")
    with pytest.raises(InputError, match="has changed"):
        places.weights_of("wavmark")
    monkeypatch.setenv("SOUNDSAFE_WEIGHTS_WAVMARK", "elsewhere")
    assert places.weights_of("wavmark").path == "elsewhere"


def test_which_python_runs_a_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUNDSAFE_PEERS", str(tmp_path))
    assert places.python_of("perth") == sys.executable
    (tmp_path / "perth").mkdir()
    (tmp_path / "perth" / places.MARKER).touch()
    assert places.python_of("perth") == str(tmp_path / "perth" / "bin" / "python")
    monkeypatch.setenv("SOUNDSAFE_PYTHON_PERTH", "mine")
    assert places.python_of("perth") == "mine"
