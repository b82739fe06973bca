"""A file as a plug-in: imported by its name, found by both registries, refused in one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from soundsafe import attacks, plugins
from soundsafe.attacks import registry
from soundsafe.errors import InputError
from soundsafe.eval.systems import registry as systems

FILE = """
from soundsafe.attacks import attack
from soundsafe.eval.systems.interface import Found, Marked, SimpleSystem

@attack("plugged", {"plugged_half": {"gain": 0.5}})
def half(audio, rate, rng, gain):
    return audio * gain

class Trusting(SimpleSystem):
    '''Takes everything for marked.'''
    name, payload_bytes = "trusting", 1
    def embed(self, audio, rate, payload, key):
        self.said = payload
        return Marked(audio)
    def decode(self, audio, rate, key):
        return Found(ok=False, payload=None, score=1.0)
"""


@pytest.fixture(autouse=True)
def afterwards(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(plugins, "_MODULES", {})
    monkeypatch.setattr(registry, "_ATTACKS", dict(registry._ATTACKS))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv(plugins.VARIABLE, "")
    yield
    for name in ("soundsafe_test_plugin", "broken_test_plugin"):
        sys.modules.pop(name, None)


def test_a_file_brings_attacks_and_systems(tmp_path: Path) -> None:
    path = tmp_path / "soundsafe_test_plugin.py"
    path.write_text(FILE)
    module = plugins.load(path)
    assert plugins.load(path) is module
    quieter = attacks.get("plugged_half").apply(np.ones((1, 4), np.float32), 8000, np.random.default_rng(0))
    assert quieter.tolist() == [[0.5] * 4]
    assert "trusting" in systems.systems()
    assert systems.get("trusting").payload_bytes == 1
    (listed,) = [item for item in systems.listing() if item["system"] == "trusting"]
    assert (listed["description"], listed["payload_bytes"]) == ("Takes everything for marked", 1)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("none.py", None, "no such file"),
        ("notes.txt", "", "a file NAME.py is needed"),
        ("two words.py", "", "a file NAME.py is needed"),
        ("json.py", "", "there is another module json"),
        ("numpy.py", "", "there is another module numpy"),
        ("broken_test_plugin.py", "1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
    ],
)
def test_what_is_no_plugin_is_refused(tmp_path: Path, name: str, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as error:
        plugins.load(tmp_path / name)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
