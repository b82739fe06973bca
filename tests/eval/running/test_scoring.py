"""Which EUL is which."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from soundsafe.eval.rows import Measured
from soundsafe.eval.running.scoring import (
    Expected,
    Truth,
    expected_euls,
    failed,
    match,
    score,
    with_levels,
)
from soundsafe.eval.systems.answers import answer, answered_second, unmarked_seconds

RATE = 1000


def _places(*args: Any) -> list[tuple[int, float | None]]:
    return [(e.index, e.start_s) for e in expected_euls(*args)]


def test_only_whole_euls_are_expected() -> None:
    assert _places(3500, 3500, RATE, 0) == [(0, 0), (1, 1), (2, 2)]
    assert _places(3000, 4105, RATE, 1105) == [(0, 1.105), (1, 2.105), (2, 3.105)]
    assert _places(3000, 3000, RATE, 200) == [(0, 0.2), (1, 1.2)]
    assert _places(3000, 2500, RATE, -500) == [(1, 0.5), (2, 1.5)]
    assert _places(900, 900, RATE, 0) == []
    assert _places(3000, 2850, RATE, None) == [(0, None), (1, None)]


def test_matching_takes_the_nearest_within_a_quarter_second_once() -> None:
    expected = [Expected(0, 0.0), Expected(1, 1.0), Expected(2, 2.0)]
    assert match(expected, [2.01, 0.0, 1.3]) == [1, None, 0]
    assert match(expected, [0.9]) == [None, 0, None]
    assert match(expected, []) == [None] * 3
    # One detection between two expected ones is not counted for both.
    assert match([Expected(0, 0.0), Expected(1, 0.2)], [0.1]) == [0, None]
    assert match([Expected(0, None), Expected(1, None)], [5.0, 2.0]) == [1, 0]


def _eul(start: float, ok: bool = True, bits: Any = (1, 0, 1, 0)) -> SimpleNamespace:
    return SimpleNamespace(start_s=start, ok=ok, bits=np.array(bits), features=None, slots="", seed=None)


TRUTH = Truth(b"yes", np.array([[1, 0, 1, 0]] * 3, np.uint8), frozenset({1}))


def _score(euls: list[Any], payload: bytes | None, **options: Any) -> list[Measured]:
    decoded = SimpleNamespace(ok=payload is not None, payload=payload, euls=euls)
    settings: dict[str, Any] = {
        "n_samples": 3000, "n_attacked": 3000, "rate": RATE, "delay": 0, "reference": [], "control": False
    }  # fmt: skip
    return score(answer(decoded), TRUTH, **(settings | options))


def test_payload_success_needs_codeword_and_payload() -> None:
    rows = _score([_eul(0.0, ok=False, bits=(1, 1, 1, 0)), _eul(1.002), _eul(2.0)], b"yes")
    assert [r.payload_ok for r in rows] == [False, True, True]
    assert [r.ber for r in rows] == [0.25, 0, 0]
    assert [r.markable for r in rows] == [True, False, True]
    assert rows[1].offset_error_samples == pytest.approx(2)
    assert rows[0].time_to_payload_s == 2
    wrong = _score([_eul(0.0), _eul(1.0), _eul(2.0)], b"no!")
    assert not any(r.payload_ok or r.clip_ok for r in wrong)
    assert wrong[0].time_to_payload_s == np.inf


def test_slowed_audio_is_heard_for_longer_than_the_clip() -> None:
    rows = _score([], b"yes", n_attacked=3150, delay=None)
    assert rows[0].time_to_payload_s == 3.15


def test_a_systems_own_number_types_can_be_stored() -> None:
    rows = _score([_eul(np.float32(0.01))], b"yes")  # type: ignore[arg-type]
    json.dumps([vars(row) for row in rows])


def test_combining_alone_needs_the_whole_clip() -> None:
    rows = _score([_eul(0.0, ok=False)], b"yes")
    assert [r.payload_ok for r in rows] == [False] * 3
    assert rows[0].clip_ok
    assert rows[0].time_to_payload_s == 3
    assert [r.ber for r in rows] == [0, 0.5, 0.5]


def test_a_control_counts_whatever_is_accepted_wherever_it_was_found() -> None:
    rows = _score([_eul(1.6, bits=(0, 1, 0, 1))], b"anything", control=True)
    assert [r.payload_ok for r in rows] == [False, False, True]
    assert all(r.clip_ok for r in rows)
    assert np.isnan(rows[0].time_to_payload_s)
    near = _score([_eul(0.1), _eul(0.3)], b"anything", control=True)
    assert [r.payload_ok for r in near] == [True, True, False]


def test_no_whole_eul_left_is_still_a_row() -> None:
    rows = _score([], None, n_attacked=400, delay=-2600)
    assert len(rows) == 1
    assert rows[0].ber == 0.5
    assert len(failed(400, RATE, None, "refused", "why")) == 1


def test_parity_of_a_missed_eul_is_none() -> None:
    clean = SimpleNamespace(features=np.zeros((2, 4), np.int16), slots="x", seed=3)
    near = _eul(0.0)
    near.features, near.slots, near.seed = np.array([[0, 0, 0, 1], [0, 0, 0, 0]]), "x", 4
    rows = _score([near], None, reference=[answered_second(clean)] * 3)
    assert [r.parity_frames for r in rows] == [0.75, 0, 0]
    assert [r.parity_slots for r in rows] == [1, 0, 0]
    assert [r.seed_parity for r in rows] == [0, 0, 0]


def test_levels_are_compared_where_the_second_was_found() -> None:
    rng = np.random.default_rng(0)
    second = rng.normal(0, 0.1, (1, 44_100)).astype(np.float32)
    other = np.cumsum(rng.normal(0, 0.1, (1, 44_100)), axis=1).astype(np.float32)
    before = np.concatenate([second, other], axis=1)
    after = np.concatenate([np.zeros((1, 100), np.float32), 0.5 * second, second], axis=1)
    none = Measured(eul=0, start_s=100 / 44_100)
    has = replace(none, parity_frames=1.0)
    missed = replace(has, eul=1, start_s=np.nan)
    rows = with_levels([none, has, replace(missed, start_s=1 + 100 / 44_100), missed], before, after, 44_100)
    assert np.isnan(rows[0].parity_3db)
    assert rows[1].parity_3db == 1.0
    assert rows[2].parity_3db < 0.1
    assert rows[3].parity_3db == 0.0


def test_an_eul_of_an_unknown_place_counts_where_it_was_found_and_has_no_parity() -> None:
    truth = Truth(b"yes", np.array([[0, 0, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]], np.uint8), frozenset())
    decoded = SimpleNamespace(ok=True, payload=b"yes", euls=[_eul(1.6)], tempo=1.25)
    clean = SimpleNamespace(features=None, slots="x", seed=3)
    options: dict[str, Any] = {"n_samples": 3000, "n_attacked": 2700, "rate": RATE, "control": False}
    rows = score(answer(decoded), truth, delay=None, reference=[answered_second(clean)] * 3, **options)
    assert [r.ber for r in rows] == [0, 0.5]
    assert rows[0].time_to_payload_s == pytest.approx(1.6 + 0.8)
    assert np.isnan(rows[0].parity_slots)
    cut = score(answer(decoded), truth, delay=-400, reference=[answered_second(clean)] * 3, **options)
    assert [r.eul for r in cut] == [1, 2]
    assert cut[1].time_to_payload_s == pytest.approx(1.6 + 0.8)


def test_unmarked_seconds() -> None:
    assert unmarked_seconds(SimpleNamespace(warnings=["second 3: silent", "quiet"])) == {3}
    assert unmarked_seconds(SimpleNamespace(unmarked_seconds=[0, 2])) == {0, 2}
    assert unmarked_seconds(object()) == frozenset()


def test_bits_and_seeds_of_several_mixtures_are_all_compared() -> None:
    def eul(second: int, seed: int) -> SimpleNamespace:
        each = [{"bits_per_band": [4, 4], "seed": 7}, {"bits_per_band": [second, 4], "seed": seed}]
        out = _eul(0.0)
        out.allocator = {**each[0], "mixtures": each}
        out.features = np.ones((48, 4), np.int16)
        return out

    def row(found: Any) -> Measured:
        return _score([found] if found else [], None, reference=[answered_second(eul(4, 8))] * 3)[0]

    same = row(eul(4, 8))
    assert (same.parity_bits, same.seed_parity) == (1, 1)
    assert same.parity_bands == ",".join(["1"] * 24)
    other = row(eul(5, 9))
    assert (other.parity_bits, other.seed_parity) == (0, 0)
    missed = row(None)
    assert (missed.parity_bits, missed.seed_parity) == (0, 0)
    assert missed.parity_bands == ",".join(["0"] * 24)
