"""A key and a profile as one object; what it makes of them is in `test_layout.py`."""

from __future__ import annotations

import dataclasses

from soundsafe.cells.code import CellCode
from soundsafe.cells.profile import ROBUST
from soundsafe.keys import DEFAULT_KEY
from soundsafe.message.container import pack

KEY = bytes(range(32))


def test_equal_codes_share_their_geometry() -> None:
    assert CellCode() == CellCode(DEFAULT_KEY, ROBUST)
    assert CellCode(KEY).geometry is CellCode(KEY).geometry
    assert CellCode(KEY).geometry is not CellCode().geometry


def test_a_key_is_never_shown() -> None:
    assert KEY.hex() not in repr(CellCode(KEY))
    assert repr(KEY) not in repr(CellCode(KEY))


def test_words_go_through_the_profiles_code() -> None:
    block = pack(b"x", KEY)[0]
    for name in ("ldpc", "rs"):
        code = CellCode(KEY, dataclasses.replace(ROBUST, code=name))
        bits = code.encode_block(block)
        assert bits.shape == (2040,)
        word, tried = code.read_word(8.0 * (1.0 - 2.0 * bits))
        assert word is not None
        assert (word.part.body[:1], word.corrected_bytes, tried) == (b"x", 0, 1)
        assert (code.beliefs is None) == (name == "rs")
