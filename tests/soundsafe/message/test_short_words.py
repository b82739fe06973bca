from __future__ import annotations

import hashlib

import numpy as np
import pytest

from soundsafe.keys import DEFAULT_KEY
from soundsafe.message.container import assemble
from soundsafe.message.short_words import (
    SHORT_PAYLOAD,
    SHORTEST_WORD,
    encode_short_word,
    is_short,
    read_short_word,
    short_beliefs,
)

OTHER_KEY = b"\x07" * 32


@pytest.mark.parametrize("length", [1, 7, 8, 9, 16, 17, 24])
def test_payloads_of_every_size(length: int) -> None:
    payload = bytes(range(200, 200 + length))
    word = encode_short_word(payload, DEFAULT_KEY, 2040)
    assert word.shape == (2040,)
    read = read_short_word(1.0 - 2.0 * word, DEFAULT_KEY)
    assert read.payload == payload
    assert read.attempts <= 3
    assert assemble([read.part()], DEFAULT_KEY) == payload


def test_zeros_at_the_end_are_kept() -> None:
    payload = b"\x00" * 5
    read = read_short_word(1.0 - 2.0 * encode_short_word(payload, DEFAULT_KEY, 2040), DEFAULT_KEY)
    assert read.payload == payload


def test_another_key_reads_nothing_and_its_attempts_count() -> None:
    read = read_short_word(1.0 - 2.0 * encode_short_word(b"secret", DEFAULT_KEY, 2040), OTHER_KEY)
    assert read.payload is None
    assert read.attempts == 3 * 32
    with pytest.raises(ValueError, match="nothing was read"):
        read.part()


def test_noise_reads_nothing() -> None:
    for seed in range(3):
        llr = np.random.default_rng(seed).standard_normal(2040)
        assert read_short_word(llr, DEFAULT_KEY).payload is None


def test_words_of_two_payloads_or_keys_differ() -> None:
    words = [
        encode_short_word(payload, key, 2040)
        for payload, key in ((b"a", DEFAULT_KEY), (b"b", DEFAULT_KEY), (b"a", OTHER_KEY))
    ]
    assert all(0.2 < np.mean(words[0] ^ other) < 0.7 for other in words[1:])


def test_the_format_is_fixed() -> None:
    words = [encode_short_word(bytes(range(n)), DEFAULT_KEY, m) for n in (8, 16, 24) for m in (1270, 2040)]
    assert hashlib.sha256(np.concatenate(words).tobytes()).hexdigest()[:16] == "d35ee575b94e3370"


def test_what_is_short() -> None:
    assert [n for n in range(40) if is_short(bytes(n))] == list(range(1, SHORT_PAYLOAD + 1))


@pytest.mark.parametrize(("length", "n"), [(0, 2040), (25, 2040), (3, SHORTEST_WORD - 1)])
def test_payloads_and_words_of_other_lengths(length: int, n: int) -> None:
    with pytest.raises(ValueError, match="short word"):
        encode_short_word(bytes(length), DEFAULT_KEY, n)


def test_beliefs_are_of_the_size_that_was_sent_or_none() -> None:
    word = encode_short_word(bytes(24), DEFAULT_KEY, 1944)
    rng = np.random.default_rng(0)
    believed = short_beliefs(0.4 * (1.0 - 2.0 * word) + 0.6 * rng.standard_normal(1944))
    assert believed is not None
    assert np.mean((believed < 0) == word) > 0.97
    assert short_beliefs(0.02 * rng.standard_normal(1944)) is None
