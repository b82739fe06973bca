from __future__ import annotations

import numpy as np
import pytest

from soundsafe.aliases import Floats
from soundsafe.cells.code import CellCode
from soundsafe.cells.payloads import carried, carried_by, found_payloads, identifiers, search
from soundsafe.message.container import Part, open_part, pack, payload_id
from soundsafe.result import Eul

CODE = CellCode(bytes(range(32)))
NAMES = (b"licensee A", b"licensee B", bytes(range(175)))


def ones(payload: bytes) -> list[Floats]:
    return [CODE.encode_block(block).astype(float) for block in pack(payload, CODE.key)]


def soft(payload: bytes, reliability: float, seed: int) -> Floats:
    """Soft values of a second that carries a payload, of which most are noise."""
    sign = 1.0 - 2.0 * ones(payload)[0]
    return reliability * sign + np.random.default_rng(seed).standard_normal(len(sign))


@pytest.mark.parametrize("number", range(3))
def test_a_second_agrees_with_its_own_payload_alone(number: int) -> None:
    words = [ones(payload) for payload in NAMES]
    others = [ones(payload) for index, payload in enumerate(NAMES) if index != number]
    for seed in range(20):
        llr = soft(NAMES[number], 0.5, seed)
        assert carried_by(llr, words) == number
        assert carried_by(llr, others) is None
        assert carried_by(np.random.default_rng(seed).standard_normal(2040), words) is None
    assert carried_by(soft(NAMES[0], 1.0, 0), []) is None


def part(payload: bytes) -> Part:
    found = open_part(pack(payload, CODE.key)[0], CODE.key)
    assert found is not None
    return found


def test_seconds_are_told_with_their_payloads() -> None:
    a, b, _ = NAMES
    parts = [part(a), None, part(a), part(b), None, part(b), None]
    llrs = [None, soft(a, 0.5, 0), None, None, soft(b, 0.5, 1), None, np.zeros(2040)]
    carrying = carried(parts, llrs, [b, a], CODE)
    assert carrying == [1, 1, 1, 0, 0, 0, None]
    euls = [Eul(float(second), False, 0, 0, {}) for second in range(7)]
    first, second = found_payloads([b, a], euls, carrying)
    assert (first.payload, first.euls, first.ranges) == (b, 3, ((3.0, 6.0),))
    assert (second.payload, second.euls, second.ranges) == (a, 3, ((0.0, 3.0),))
    assert identifiers([b, a], carrying)[2:4] == [payload_id(a).hex(), payload_id(b).hex()]


def test_what_was_all_read_by_itself_is_compared_with_no_codeword(monkeypatch: pytest.MonkeyPatch) -> None:
    """The long code takes longer to set up than a short file to read."""
    monkeypatch.setattr(CellCode, "encode_block", None)
    its = part(NAMES[0])
    monkeypatch.setattr(CellCode, "encode_short_word", None)
    assert carried([its, its], [None, None], NAMES[:1], CODE) == [0, 0]
    assert search([], [its, its], CODE).payloads == NAMES[:1]


def test_ranges_end_at_another_payload_and_cross_what_is_unknown() -> None:
    a, b, _ = NAMES
    euls = [Eul(float(second), False, 0, 0, {}) for second in range(6)]
    (first, second) = found_payloads([a, b], euls, [0, None, 0, 1, 0, None])
    assert first.ranges == ((0.0, 3.0), (4.0, 5.0))
    assert second.ranges == ((3.0, 4.0),)
