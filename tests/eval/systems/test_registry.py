"""Systems by name: what is said of them without loading them is so."""

from __future__ import annotations

import pytest

from soundsafe.errors import InputError
from soundsafe.eval.systems import registry
from soundsafe.eval.systems.baselines import Null, PlainQim


def test_what_is_listed_without_loading_is_right() -> None:
    known = {name: own for name, own in registry._OWN.items() if own.payload_bytes is not None}
    assert len(known) >= 9
    for name, own in known.items():
        system = registry.get(name)
        assert (system.name, system.payload_bytes) == (name, own.payload_bytes)


def test_a_name_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_REGISTERED", {})
    registry.register("mine")(Null)
    assert registry.get("mine").name == "null"
    assert "mine" in registry.systems()
    for taken in ("mine", "soundsafe"):
        with pytest.raises(ValueError, match="registered twice"):
            registry.register(taken)(Null)


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match=r"unknown system nobody: choose from .*soundsafe"):
        registry.get("nobody")


def test_options_stand_behind_a_name() -> None:
    system = registry.get("qim:step=0.01")
    assert isinstance(system, PlainQim)
    assert (system.name, system.step) == ("qim:step=0.01", 0.01)
    for name, words in (
        ("qim:loud=1", "takes no such option"),
        ("qim:step", "NAME=VALUE"),
        ("nobody:a=1", "unknown system nobody"),
    ):
        with pytest.raises(InputError, match=words):
            registry.get(name)
