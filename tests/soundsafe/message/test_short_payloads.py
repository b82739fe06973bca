"""Short payloads are read from what full ones are not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from soundsafe.keys import DEFAULT_KEY
from soundsafe.message.coding import K, N
from soundsafe.message.container import pack
from soundsafe.message.low_rate_code import decode_payload, encode_payload
from soundsafe.message.short_payloads import full_block_information, supposed
from soundsafe.message.words import encode_block, information, read_word, worth

OTHER_KEY = bytes(range(32))


def payload_of(length: int) -> bytes:
    return np.random.default_rng(length).bytes(length - 1) + b"\xff"


def soft(bits: NDArray[np.uint8], ber: float, seed: int) -> NDArray[np.float64]:
    """Soft values of a Gaussian channel where hard decisions are wrong at rate `ber`."""
    sigma = 1.0 / norm.isf(ber)
    noise = np.random.default_rng(seed).standard_normal(len(bits))
    return 2.0 * (1.0 - 2.0 * bits + sigma * noise) / sigma**2


@pytest.mark.parametrize(("length", "ber"), [(16, 0.13), (40, 0.11), (80, 0.07)])
def test_short_ones_are_read_where_full_ones_are_not(length: int, ber: float) -> None:
    short, full = (encode_block(pack(payload_of(n), DEFAULT_KEY)[0], "ldpc") for n in (length, 175))
    read = [
        [read_word(soft(bits, ber, seed), key, "ldpc")[0] for seed in range(5)]
        for bits, key in ((short, DEFAULT_KEY), (full, DEFAULT_KEY), (short, OTHER_KEY))
    ]
    assert [word.part.body[:length] for word in read[0] if word] == 5 * [payload_of(length)]
    assert read[1] == read[2] == 5 * [None]


@pytest.mark.parametrize("length", [1, 16, 100, 150])
def test_supposes_zeros_behind_the_payload_and_nowhere_else(length: int) -> None:
    bits = encode_block(pack(payload_of(length), DEFAULT_KEY)[0], "ldpc")
    llr = soft(bits, 0.1, 1)
    *tried, plain = supposed(llr)
    assert np.array_equal(plain, llr)
    assert 1 <= len(tried) <= 2
    for told in tried:
        changed = np.flatnonzero(told != llr)
        assert changed.min() >= 8 * (16 + length)
        assert changed.max() < K
        assert (told[changed] > 0).all()


def test_supposes_nothing_of_full_payloads_noise_and_nothing() -> None:
    rng = np.random.default_rng(2)
    for seed in range(20):
        bits = encode_block(pack(rng.bytes(174) + b"\xff", DEFAULT_KEY)[0], "ldpc")
        assert len(supposed(soft(bits, 0.1, seed))) == 1
        assert len(supposed(rng.standard_normal(N) * 3.0)) == 1
    assert len(supposed(np.zeros(N))) == 1


def test_worth() -> None:
    short, full = (encode_block(pack(payload_of(n), DEFAULT_KEY)[0], "ldpc") for n in (16, 175))
    a, b = soft(short, 0.1, 0), soft(full, 0.1, 0)
    assert worth(b) == information(b)
    assert worth(a) > 1.8 * information(a)
    assert full_block_information(np.zeros(N), 0.25) == 0.25


def test_the_low_rate_word_too() -> None:
    n = 5000
    word = encode_payload(pack(payload_of(16), DEFAULT_KEY)[0], n)
    llr = soft(word, 0.25, 0)
    assert not decode_payload(llr)[1]
    block, converged = decode_payload(supposed(llr)[0])
    assert converged
    assert block == pack(payload_of(16), DEFAULT_KEY)[0]
