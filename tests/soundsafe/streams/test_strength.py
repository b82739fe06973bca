from __future__ import annotations

import pytest

from soundsafe.cells.settings import QUALITIES
from soundsafe.errors import InputError
from soundsafe.streams.strength import strength_of
from soundsafe.tiles.embedder import DEFAULT_EFFORT


def test_names_and_numbers() -> None:
    assert strength_of("quiet") < strength_of("default") == 0.0 < strength_of("strong")
    assert strength_of("-2.5") == strength_of(-2.5) == -2.5


@pytest.mark.parametrize("asked", ["loud", "", "nan", "6.1", -7, "inf"])
def test_what_is_none(asked: str | float) -> None:
    with pytest.raises(InputError, match="quiet, default, strong, or decibels from -6 to 6"):
        strength_of(asked)


def test_the_default_changes_nothing() -> None:
    assert QUALITIES["default"].louder(1.0) == QUALITIES["default"]
    assert DEFAULT_EFFORT.louder(1.0) == DEFAULT_EFFORT


def test_twice_the_amplitude() -> None:
    louder = QUALITIES["default"].louder(2.0)
    assert louder.strength == 2.0
    assert louder.distance_limit > 2.0 * QUALITIES["default"].distance_limit
    assert DEFAULT_EFFORT.compensation < DEFAULT_EFFORT.louder(2.0).compensation < 1.0
    assert DEFAULT_EFFORT.louder(0.5).compensation == 0.5 * DEFAULT_EFFORT.compensation
