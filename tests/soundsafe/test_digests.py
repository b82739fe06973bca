"""Digests of parameters."""

from __future__ import annotations

import dataclasses

from soundsafe.cells.profile import LEARNABLE, ROBUST
from soundsafe.digests import digest_of
from soundsafe.tiles.geometry import LEARNABLE_TILES, ROBUST_TILES


def test_every_field_counts() -> None:
    assert digest_of(ROBUST) == ROBUST.digest
    assert digest_of(ROBUST_TILES) == ROBUST_TILES.digest
    assert digest_of(dataclasses.replace(ROBUST, name="other")) != ROBUST.digest


def test_digests_are_those_of_released_marks() -> None:
    """The profiles of marks that are out there: a digest that changes here is another profile."""
    assert LEARNABLE.digest.startswith("f8ae6a240c52e402")
    assert LEARNABLE_TILES.digest.startswith("f391baff485688f4")
    assert ROBUST.digest.startswith("fd87eae97fc46f19")
    assert ROBUST_TILES.digest.startswith("7095c28f738b0cce")
