"""Settings of embedder and detector: what contradicts itself is refused, and they cannot be changed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from soundsafe.cells.settings import DETECTOR, QUALITIES, DetectorSettings, Quality


@pytest.mark.parametrize(
    "bad",
    [
        {"sure_z": 5.0},
        {"keep_fit": 20.0},
        {"unfiltered_fit": 10.0},
        {"most_patience": 0},
        {"equalised_tries": -1},
        {"known_offsets": ()},
        {"known_offsets": (-1,)},
        {"decode_information": 1.5},
        {"doubt": 0.0},
        {"nudge": float("nan")},
        {"host_words": 0},
        {"host_codes": 0},
        {"host_noise": 0.0},
    ],
)
def test_settings_that_contradict_themselves_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        DetectorSettings(**bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"steps": 0},
        {"rounds": -1},
        {"trust": 1.1},
        {"error_goal": 0.5},
        {"reach": 2.1},
        {"distance_limit": 0.0},
    ],
)
def test_qualities_out_of_range_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Quality(**bad)


def test_defaults_are_frozen_and_documented() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DETECTOR.keep_fit = 1.0  # type: ignore[misc]
    assert QUALITIES["default"] == Quality()
    for kind in (DetectorSettings, Quality):
        text = kind.__doc__ or ""
        assert all(f"        {field.name}: " in text for field in dataclasses.fields(kind))
