"""Systems by name: what is said of them without loading them is so."""

from __future__ import annotations

from types import ModuleType

import pytest

from soundsafe.errors import InputError
from soundsafe.eval.running.plan import make_plan
from soundsafe.eval.systems import registry
from soundsafe.eval.systems.baselines import Null, PlainQim
from soundsafe.eval.systems.interface import SimpleSystem


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


def test_a_plain_class_of_a_plugin_is_a_system() -> None:
    module = ModuleType("plain_plugin")
    code = "class Plain:\n  name, payload_bytes = 'plain', 1\n" + "".join(
        f"  def {name}(self, *given): return given\n" for name in ("embed", "decode")
    )
    exec(code, module.__dict__)
    (made,) = registry._in_plugin(module).values()
    system = registry.checked(made())
    assert (system.name, system.describe(), system.layouts(None, 1, b"")) == ("plain", {}, [])  # type: ignore[arg-type]
    assert type(system).__module__ == "plain_plugin"


def test_what_is_no_system_is_told_what_it_lacks() -> None:
    class Half(SimpleSystem):
        name = "half"

        def embed(self, *given: object) -> object:
            return given

    with pytest.raises(InputError, match="Half is no system: it has no payload_bytes, decode "):
        make_plan(Half(), "none", "bundled", limit=1)  # type: ignore[arg-type]
