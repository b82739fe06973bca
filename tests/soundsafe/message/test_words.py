"""Blocks as coded bits, and back, by both codes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm

from soundsafe.keys import DEFAULT_KEY
from soundsafe.message.coding import N
from soundsafe.message.container import FALSE_ACCEPT, pack
from soundsafe.message.words import ErrorCode, encode_block, information, read_word

CODES: tuple[ErrorCode, ...] = ("ldpc", "rs")
BOTH = pytest.mark.parametrize("code", CODES)
OTHER_KEY = bytes(range(32))


def soft(bits: NDArray[np.uint8], ber: float, seed: int) -> NDArray[np.float64]:
    """Soft values of a Gaussian channel where hard decisions are wrong at rate `ber`."""
    sigma = 1.0 / norm.isf(ber)
    noise = np.random.default_rng(seed).standard_normal(len(bits))
    return 2.0 * (1.0 - 2.0 * bits + sigma * noise) / sigma**2


@BOTH
@given(payload=st.binary(min_size=1, max_size=600), seed=st.integers(0, 100))
@settings(max_examples=8, deadline=None)
def test_round_trip(code: ErrorCode, payload: bytes, seed: int) -> None:
    for number, block in enumerate(pack(payload, DEFAULT_KEY)):
        bits = encode_block(block, code)
        assert bits.shape == (N,)
        assert set(np.unique(bits)) <= {0, 1}
        word, attempts = read_word(soft(bits, 0.005, seed), DEFAULT_KEY, code)
        assert word is not None
        assert attempts >= 1
        assert word.part.number == number
        assert (
            payload[number * 175 : (number + 1) * 175] == word.part.body[: len(payload) - number * 175][:175]
        )


@BOTH
def test_corrected_bytes_counts_wrong_bytes(code: ErrorCode) -> None:
    bits = encode_block(pack(b"x", DEFAULT_KEY)[0], code)
    for wrong in (0, 1, 5):
        llr = 8.0 * (1.0 - 2.0 * bits)
        llr[np.arange(wrong) * 80 + 3] *= -1.0
        word, _ = read_word(llr, DEFAULT_KEY, code)
        assert word is not None
        assert word.corrected_bytes == wrong


@BOTH
def test_the_wrong_key_reads_nothing(code: ErrorCode) -> None:
    llr = soft(encode_block(pack(b"secret", DEFAULT_KEY)[0], code), 0.01, 0)
    word, attempts = read_word(llr, OTHER_KEY, code)
    assert word is None
    assert 1 <= attempts <= 3


@BOTH
def test_noise_reads_as_nothing(code: ErrorCode) -> None:
    tried = 0
    for seed in range(10):
        word, attempts = read_word(np.random.default_rng(seed).standard_normal(N), DEFAULT_KEY, code)
        assert word is None
        tried += attempts
    assert tried * FALSE_ACCEPT < 1e-15


def test_the_soft_code_stands_more_noise() -> None:
    """At 4 % of wrong bits 28 % of the bytes are wrong: too many for RS, not for soft values."""
    read = {}
    for code in CODES:
        bits = encode_block(pack(b"more", DEFAULT_KEY)[0], code)
        read[code] = sum(
            read_word(soft(bits, 0.04, seed), DEFAULT_KEY, code)[0] is not None for seed in range(8)
        )
    assert read["ldpc"] == 8
    assert read["rs"] < 8


@pytest.mark.parametrize("code", CODES)
def test_erased_bits_are_no_errors(code: ErrorCode) -> None:
    """An eighth of the bits says nothing: bits anywhere for the soft code, whole bytes for RS."""
    bits = encode_block(pack(b"erased", DEFAULT_KEY)[0], code)
    llr = 8.0 * (1.0 - 2.0 * bits.astype(np.float64))
    llr[np.random.default_rng(0).permutation(N)[: N // 8] if code == "ldpc" else slice(N // 8)] = 0.0
    word, _ = read_word(llr, DEFAULT_KEY, code)
    assert word is not None


def test_the_soft_code_gives_way_to_the_other() -> None:
    """A detector need not know which code a mark has; where little is known, neither is tried in vain."""
    bits = encode_block(pack(b"either", DEFAULT_KEY)[0], "rs")
    word, _ = read_word(soft(bits, 0.005, 0), DEFAULT_KEY, "ldpc")
    assert word is not None
    assert word.code == "rs"
    assert read_word(0.1 * soft(bits, 0.005, 0), DEFAULT_KEY, "ldpc")[0] is None


def test_information() -> None:
    assert information(np.zeros(N)) == pytest.approx(0.0)
    assert information(np.full(N, 1e4)) == pytest.approx(1.0)
    assert information(np.full(N, -30.0)) == pytest.approx(1.0, abs=1e-6)
    # A binary symmetric channel with 11 % errors carries half a bit.
    assert information(np.full(N, np.log(0.89 / 0.11))) == pytest.approx(0.5, abs=1e-3)
    sizes = [information(np.full(N, v)) for v in (0.1, 0.5, 1.0, 2.0, 5.0)]
    assert sizes == sorted(sizes)
