"""Both sets of rules, and what is none."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from soundsafe.pipeline.rules import ROBUST, SEED, Rules


@pytest.mark.parametrize(
    "wrong",
    [
        {"features": "loudness"},
        {"ranking": "random"},
        {"anchors": "keyed"},
        {"seed": "audio"},
        {"step": 0.0},
        {"bands": (5, 5)},
        {"bands": (-1, 5)},
    ],
)
def test_values_outside_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is not one of|are needed"):
        dataclasses.replace(ROBUST, **wrong)


def test_the_seed_profile_is_the_original_one() -> None:
    assert (
        Rules(
            name="seed",
            features="thresholds",
            step=1e-6,
            bands=(0, 24),
            ranking="magnitude",
            anchors="thresholds",
            seed="thresholds",
        )
        == SEED
    )


def test_profiles_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ROBUST.step = 1.0  # type: ignore[misc]
