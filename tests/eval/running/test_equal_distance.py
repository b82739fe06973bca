"""A system is brought to the distance of another by its own option, or by scaling what it adds."""

from __future__ import annotations

import pytest

from soundsafe import datasets
from soundsafe.errors import InputError
from soundsafe.eval.running.equal_distance import distance_of, strength_at


def test_an_option_is_moved_to_a_distance() -> None:
    clips = datasets.load("bundled").clips[:1]
    wanted = 2 * distance_of("spread-spectrum", clips, 2.5)
    found = strength_at("spread-spectrum", wanted, clips, option="amount_db", seconds=2.5)
    assert found.distance == pytest.approx(wanted, rel=0.02)
    assert distance_of(found.system, clips, 2.5) == pytest.approx(found.distance, rel=0.01)
    with pytest.raises(InputError, match="no option loudness"):
        strength_at("spread-spectrum", wanted, clips, option="loudness")
