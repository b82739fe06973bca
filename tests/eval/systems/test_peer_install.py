"""An environment is whole or not there at all."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from soundsafe import datasets
from soundsafe.errors import InputError
from soundsafe.eval.systems import peer_install
from soundsafe.eval.systems.interface import Found, Marked
from soundsafe.eval.systems.peer_catalogue import ENVIRONMENTS, PEERS, Environment, Peer
from soundsafe.eval.systems.peer_places import MARKER, environment_folder

ANY = ((3, 0), (4, 0))


@pytest.mark.slow
def test_an_environment_is_made_and_says_what_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOUNDSAFE_PEERS", str(tmp_path))
    said: list[str] = []
    folder = peer_install.install(Environment("small", "pip", (), ANY), say=said.append)
    about = json.loads((folder / MARKER).read_text())
    assert "pip" in about["packages"]
    assert said == [f"making {folder}"]
    broken = Environment("small", "pip", (("--no-index", "nothing-of-this-name"),), ANY)
    with pytest.raises(InputError, match="pip install nothing-of-this-name failed: "):
        peer_install.install(broken, say=said.append)
    assert not environment_folder("small").exists()


def test_what_cannot_be_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOUNDSAFE_PEERS", str(tmp_path))
    monkeypatch.setattr(subprocess, "Popen", None)
    monkeypatch.setattr(peer_install, "_python_version", lambda python: (3, 19))
    with pytest.raises(InputError, match=r"aware needs Python 3\.9 to 3\.12, not 3\.19"):
        peer_install.install(ENVIRONMENTS["aware"])
    for name, words in (("audiowmark", "put it on PATH"), ("nobody", "choose from perth")):
        with pytest.raises(InputError, match=words):
            peer_install.environment_of(name)
    assert peer_install.environment_of("afiles-qim").licence == "GPL-3.0-or-later"
    assert not list(tmp_path.iterdir())


def test_a_peer_is_tried_on_sound_that_holds_a_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    class Echoing:
        """Reads back what it was given last, of real sound alone: tones and hiss hold no mark of Perth."""

        version, payload_bits, bits = "1", 16, np.zeros(16, np.uint8)

        def __init__(self, facts: Peer) -> None:
            self.payload_bits = facts.payload_bits

        def embed(self, audio: np.ndarray, rate: int, payload: bytes, key: bytes) -> Marked:
            Echoing.bits = np.unpackbits(np.frombuffer(payload, np.uint8))
            speech = next(c for c in datasets.load("bundled").clips if c.category == "speech").read()[0]
            assert np.array_equal(audio, speech[:, : 6 * rate])
            return Marked(audio)

        def decode(self, audio: np.ndarray, rate: int, key: bytes) -> Found:
            return Found(True, None, bits=Echoing.bits.tolist() or None)

    monkeypatch.setattr("soundsafe.eval.systems.peers.PeerSystem", Echoing)
    assert peer_install.tried("perth") == "perth 1: mark found"
    assert peer_install.tried("afiles-qim") == "afiles-qim 1: 16 of 16 bits read back"


def test_every_peer_has_its_environment_and_every_pin_a_version() -> None:
    assert {p.environment for p in PEERS.values()} == set(ENVIRONMENTS)
    assert sum(p.environment == "afiles" for p in PEERS.values()) == 28
    for environment in ENVIRONMENTS.values():
        asked = [a for step in environment.steps for a in step]
        assert any(a.startswith(f"{environment.distribution}==") for a in asked)
