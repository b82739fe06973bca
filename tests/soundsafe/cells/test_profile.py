"""The object that embedder and detector share."""

from __future__ import annotations

import dataclasses
import json

import pytest

from soundsafe.cells.profile import EUL_FRAMES, EUL_SAMPLES, PATTERNS, ROBUST, Profile
from soundsafe.stft import RATE, Stft


def test_an_eul_is_a_second_of_whole_frames() -> None:
    assert EUL_SAMPLES == RATE
    assert EUL_FRAMES * Stft().hop == EUL_SAMPLES
    assert EUL_FRAMES % PATTERNS == 0


def test_frozen_hashable_and_equal_by_value() -> None:
    assert Profile() == ROBUST
    assert hash(Profile()) == hash(ROBUST)
    assert Profile().digest == ROBUST.digest
    with pytest.raises(dataclasses.FrozenInstanceError):
        ROBUST.cells = 3  # type: ignore[misc]


def _other(value: object) -> object:
    """A value that is near `value` and still valid."""
    if isinstance(value, str):
        return {"ldpc": "rs"}.get(value, value + "2")
    if isinstance(value, tuple):
        return (*value[:-1], value[-1] * 1.01)
    assert isinstance(value, int | float)
    return value + 1 if isinstance(value, int) else value * 1.01


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Profile)])
def test_every_field_is_in_the_digest(field: str) -> None:
    value = getattr(ROBUST, field)
    changed = {field: not value if isinstance(value, bool) else _other(value)}
    other = dataclasses.replace(ROBUST, **changed)  # type: ignore[arg-type]
    assert other != ROBUST
    assert other.digest != ROBUST.digest


def test_json_says_everything() -> None:
    document = json.loads(json.dumps(ROBUST.to_json()))
    assert set(document) == {f.name for f in dataclasses.fields(Profile)}
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in document.items()}
    assert Profile(**values) == ROBUST


@pytest.mark.parametrize(
    "bad",
    [
        {"band_low": 0.0},
        {"band_low": 9_000.0},
        {"preferred_high": 12_000.0},
        {"band_high": 23_000.0},
        {"step": (1.0,)},
        {"step": (-1.0,) * len(ROBUST.step)},
        {"scales": (0.0, 1.0)},
        {"cells": 0},
        {"code": "turbo"},
    ],
    ids=str,
)
def test_values_that_make_no_carrier(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|at least"):
        dataclasses.replace(ROBUST, **bad)  # type: ignore[arg-type]


def test_one_region_more_than_edges() -> None:
    assert ROBUST.regions == len(ROBUST.region_hz) + 1
    assert dataclasses.replace(ROBUST, region_hz=()).regions == 1
