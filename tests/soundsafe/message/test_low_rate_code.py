from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe.message.container import pack, payload_id
from soundsafe.message.low_rate_code import (
    IDENTIFIER_BITS,
    _convolve,
    _likeliest,
    decode_identifier,
    decode_payload,
    encode_identifier,
    encode_payload,
)

KEY = bytes(range(32))
N = 5100


def noisy(word: NDArray[np.uint8], sigma: float, seed: int) -> NDArray[np.float64]:
    """Soft values of antipodal signals in white noise."""
    rng = np.random.default_rng(seed)
    return 2.0 * (1.0 - 2.0 * word + sigma * rng.standard_normal(len(word))) / sigma**2


def test_a_word_starts_with_its_block_and_comes_back_clean() -> None:
    block = pack(b"x" * 175, KEY)[0]
    word = encode_payload(block, N)
    assert word.shape == (N,)
    assert np.packbits(word[:1528]).tobytes() == block
    assert decode_payload(noisy(word, 0.1, 0)) == (block, True)


@pytest.mark.parametrize("lost", [0.0, 0.6])
def test_a_word_comes_back_from_little_more_information_than_it_holds(lost: float) -> None:
    # 1,850 bits of information in what is there, for a message of 1,528.
    block = pack(bytes(175), KEY)[0]
    word = encode_payload(block, N)
    llr = noisy(word, 1.24 if not lost else 0.46, 1)
    llr[np.random.default_rng(2).random(N) < lost] = 0.0
    assert decode_payload(llr) == (block, True)


def test_noise_is_no_word() -> None:
    assert not decode_payload(np.random.default_rng(3).standard_normal(N))[1]


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="191"):
        encode_payload(bytes(190), N)
    with pytest.raises(ValueError, match="1528"):
        encode_payload(bytes(191), 1528)


def test_the_identifier_comes_back_from_strong_noise_and_only_under_its_key() -> None:
    word = encode_identifier(b"payload", KEY)
    assert word.shape == (IDENTIFIER_BITS,)
    assert decode_identifier(noisy(word, 1.1, 4), KEY) == payload_id(b"payload")
    assert decode_identifier(noisy(word, 0.1, 4), bytes(32)) is None


@pytest.mark.slow
def test_more_candidates_read_identifiers_from_more_noise() -> None:
    word = encode_identifier(b"payload", KEY)
    soft = [noisy(word, 1.6, seed) for seed in range(12)]
    one, many = (sum(decode_identifier(llr, KEY, n) is not None for llr in soft) for n in (1, 32))
    assert one < many


def test_candidates_are_the_likeliest_words_in_order() -> None:
    llr = noisy(encode_identifier(b"payload", KEY), 1.6, 7)
    messages = _likeliest(llr, 16)
    assert len(set(messages)) == 16
    assert messages[:4] == _likeliest(llr, 4)
    words = [_convolve(np.unpackbits(np.frombuffer(m, np.uint8))) for m in messages]
    fit = [float(llr @ (1.0 - 2.0 * word)) for word in words]
    assert fit == sorted(fit, reverse=True)
    near = [
        _convolve(np.unpackbits(np.frombuffer(messages[0], np.uint8)) ^ row)
        for row in np.eye(104, dtype=np.uint8)
    ]
    assert sorted((float(llr @ (1.0 - 2.0 * word)) for word in near), reverse=True)[0] <= fit[1] + 1e-9


def test_noise_is_no_identifier() -> None:
    rng = np.random.default_rng(5)
    assert all(decode_identifier(rng.standard_normal(IDENTIFIER_BITS), KEY) is None for _ in range(30))
