"""Answers of any type are read for what they have."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from soundsafe.eval.systems.answers import answer, answered_second, warnings_of


def test_a_missing_field_is_a_figure_not_measured() -> None:
    found = answer(SimpleNamespace(ok=np.bool_(True), payload=b"x"))
    assert (found.ok, found.payload, found.combined, found.code, found.euls) == (True, b"x", 0, "", ())
    assert math.isnan(found.score)


def test_numbers_of_any_kind_become_plain_ones() -> None:
    eul = SimpleNamespace(start_s=np.float32(0.5), ok=1, bits=[1, 0, 1], seed=7, slots="x")
    found = answer(SimpleNamespace(ok=True, payload=None, score=np.float64(2), combined=None, euls=[eul]))
    assert (type(found.score), found.combined) == (float, 0)
    second = found.euls[0]
    assert (second.start_s, second.ok, second.seed, second.bits_per_band) == (0.5, True, 7, None)
    assert np.array_equal(second.bits, [1, 0, 1])  # type: ignore[arg-type]


def test_fields_of_several_mixtures() -> None:
    mixtures = [{"bits_per_band": [1, 2], "seed": 3}, {"bits_per_band": [3, 4], "seed": 5}]
    found = answered_second(SimpleNamespace(allocator={"mixtures": mixtures}, seed=3))
    assert (found.bits_per_band, found.seed) == ([[1, 2], [3, 4]], [3, 5])


@pytest.mark.parametrize(
    ("thing", "text"), [(object(), "has no ok"), (SimpleNamespace(ok=True, payload="x"), "is str, not bytes")]
)
def test_what_is_no_answer_is_an_error(thing: object, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        answer(thing)


def test_warnings_of_nothing() -> None:
    assert warnings_of(object()) == ()
