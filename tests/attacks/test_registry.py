"""Registry and chains."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks
from soundsafe.attacks import registry
from soundsafe.errors import InputError

RATE = 44100


@pytest.fixture
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registrations of a test end with it."""
    monkeypatch.setattr(registry, "_ATTACKS", dict(registry._ATTACKS))


def test_names_of_the_contract_exist() -> None:
    for name in ["none", "unmarked", "wrong_key", "gain_+3dB", "gain_-3dB", "mp3_192", "mp3_V2"]:
        assert attacks.get(name).name == name
    for name in ["limiter_-3dB", "limiter_drive_6dB", "crop_0.5s", "mp3_mono_128"]:
        assert attacks.get(name).name == name


@pytest.mark.parametrize("name", ["mp3_191", "", "none+then+nothing", "+then+", "gain"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(InputError, match="unknown attack"):
        attacks.get(name)


def test_a_name_is_given_once(own_registry: None) -> None:
    with pytest.raises(ValueError, match="registered twice"):
        attacks.attack("gain", {"gain_+3dB": {}})(lambda audio, rate, rng: audio)


def test_chain_applies_its_steps_in_order(stereo: NDArray[np.float32]) -> None:
    chain = attacks.get("gain_-6dB+then+mp3_128+then+crop_0.5s")
    rng = np.random.default_rng(0)
    expected = stereo
    for name in ["gain_-6dB", "mp3_128", "crop_0.5s"]:
        expected = attacks.get(name).apply(expected, RATE, rng)
    np.testing.assert_array_equal(chain.apply(stereo, RATE, np.random.default_rng(0)), expected)
    assert chain.family == "chain"
    assert [s["attack"] for s in chain.params["steps"]] == ["gain_-6dB", "mp3_128", "crop_0.5s"]
    assert chain.delay_samples(RATE) == 1105 - 22050
    assert chain.changes_length
    assert not chain.differentiable
    assert attacks.get("gain_-6dB+then+gain_+3dB").differentiable
    # LAME halves the rate of 64 kbit/s in stereo, not of what was mixed to mono before.
    assert attacks.get("mp3_64").delay_samples(RATE) == 2030
    assert attacks.get("downmix_mono+then+mp3_64").delay_samples(RATE) == 1105


class _Point:
    group = "soundsafe.attacks"

    def __init__(self, name: str, module: str) -> None:
        self.name = name
        self.module = module

    def load(self) -> types.ModuleType:
        return __import__(self.module)


def test_other_packages_add_attacks(own_registry: None, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("an_add_on")

    def load() -> types.ModuleType:
        @attacks.attack("gain", {"add_on_half": {}}, differentiable=True)
        def half(audio: NDArray[np.float32], rate: int, rng: np.random.Generator) -> NDArray[np.float32]:
            return audio * np.float32(0.5)

        return module

    monkeypatch.setitem(sys.modules, "an_add_on", module)
    good, bad = _Point("good", "an_add_on"), _Point("bad", "no_such_add_on")
    monkeypatch.setattr(good, "load", load)
    monkeypatch.setattr(registry, "entry_points", lambda group: [bad, good] if group == _Point.group else [])
    monkeypatch.setattr(registry, "_entry_points_loaded", False)
    with pytest.warns(UserWarning, match="attacks of bad cannot be loaded"):
        result = attacks.get("add_on_half").apply(np.ones((1, 3)), RATE, np.random.default_rng(0))
    np.testing.assert_array_equal(result, np.full((1, 3), 0.5, np.float32))
