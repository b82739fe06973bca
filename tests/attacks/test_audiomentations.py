"""The transforms of audiomentations: all of them, in their own ranges, drawn from the generator given."""

from __future__ import annotations

import inspect
import random

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks
from soundsafe.attacks.audiomentations import TRANSFORMS, thirds

library = pytest.importorskip("audiomentations")

RATE = 44100
NOT_TRANSFORMS = {"Compose", "OneOf", "SomeOf", "Lambda"}
NAMES = [a.name for a in attacks.all_attacks() if a.family == "audiomentations"]


def test_every_transform_is_there() -> None:
    offered = {name for name, value in vars(library).items() if inspect.isclass(value)}
    assert set(TRANSFORMS) == offered - NOT_TRANSFORMS


def test_the_suite_holds_all() -> None:
    assert set(attacks.suite("audiomentations").attacks) == {*attacks.CONTROLS, *NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_bounds_lie_in_the_transforms_own_range(name: str) -> None:
    attack = attacks.get(name)
    defaults = inspect.signature(getattr(library, name.split("_")[1])).parameters
    arguments = attack.params["arguments"]
    for parameter, value in arguments.items():
        if not parameter.startswith(("min_", "max_")) or "time_between" in parameter:
            continue
        bounds = [defaults[f"{end}_{parameter[4:]}"].default for end in ("min", "max")]
        assert bounds[0] - 1e-9 <= value <= bounds[1] + 1e-9


def test_thirds() -> None:
    assert thirds(40.0, 10.0) == [(30.0, 40.0), (20.0, 30.0), (10.0, 20.0)]
    assert thirds(10, 5) == [(8, 10), (7, 8), (5, 7)]


@pytest.mark.parametrize("name", ["audiomentations_AddGaussianSNR_medium", "audiomentations_Gain_strong"])
def test_draws_come_from_the_generator_alone(name: str, stereo: NDArray[np.float32]) -> None:
    random.seed(5)
    state, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002
    first = attacks.get(name).apply(stereo, RATE, np.random.default_rng(1))
    assert random.getstate() == state
    assert repr(np.random.get_state()) == repr(numpys)  # noqa: NPY002
    random.seed(6)
    same = attacks.get(name).apply(stereo, RATE, np.random.default_rng(1))
    other = attacks.get(name).apply(stereo, RATE, np.random.default_rng(2))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.xdist_group("librosa")  # whose compiling takes half a minute: in one worker
def test_strengths_are_in_order(stereo: NDArray[np.float32]) -> None:
    for transform in ("AddBackgroundNoise", "AddGaussianSNR", "BitCrush", "TanhDistortion", "Resample"):
        changes = [
            float(
                np.sum(
                    (
                        attacks.get(f"audiomentations_{transform}_{s}").apply(
                            stereo, RATE, np.random.default_rng(4)
                        )
                        - stereo
                    )
                    ** 2
                )
            )
            for s in ("light", "medium", "strong")
        ]
        assert changes == sorted(changes)


def test_channels_that_go_one_by_one_get_the_same_draws(stereo: NDArray[np.float32]) -> None:
    twice = np.repeat(stereo[:1], 2, axis=0)
    out = attacks.get("audiomentations_AddShortNoises_strong").apply(twice, RATE, np.random.default_rng(4))
    np.testing.assert_array_equal(out[0], out[1])
    assert not np.array_equal(out, twice)
