"""The two codes; `python tests/soundsafe/message/test_coding.py [words]` prints the soft code's limits."""

from __future__ import annotations

import hashlib
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm

from soundsafe.message import coding
from soundsafe.message.coding import K, N, SoftCode

CHANNELS = ("awgn", "bsc", "awgn + 10 % erased")


def soft_values(
    word: NDArray[np.uint8], channel: str, ber: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """What a receiver knows of `word` where hard decisions are wrong with probability `ber`."""
    sign = 1.0 - 2.0 * word
    if channel == "bsc":
        return sign * np.where(rng.random(N) < ber, -1.0, 1.0) * np.log((1 - ber) / ber)
    sigma = 1 / norm.isf(ber)
    llr = 2 * (sign + sigma * rng.standard_normal(N)) / sigma**2
    return np.where(rng.random(N) < 0.1, 0.0, llr) if "erased" in channel else llr


def threshold(channel: str, ber: float, words: int, seed: int = 1) -> tuple[float, float, float]:
    """Share of words decoded, mean ms of a decoded word, mean ms of a failed one (0 where there is none)."""
    rng = np.random.default_rng(seed)
    code = SoftCode()
    times: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(words):
        message = rng.integers(0, 2, K)
        llr = soft_values(code.encode(message), channel, ber, rng)
        start = time.perf_counter()
        bits, _, _ = code.decode(llr)
        times[bool((bits == message).all())].append(1000 * (time.perf_counter() - start))
    good, bad = times[True], times[False]
    return len(good) / words, float(np.mean(good or [0])), float(np.mean(bad or [0]))


# --- RS(255,191)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_rs_is_systematic_and_clean_words_need_nothing(rng: np.random.Generator) -> None:
    message = rng.bytes(191)
    word = coding.rs_encode_255_191(message)
    assert len(word) == 255
    assert word[:191] == message
    assert coding.rs_correct_255_191(word) == (message, 0)


def test_rs_field_polynomial_is_0x11d() -> None:
    # The remainder of 1 * x^64 by the generator: its last byte is the product of alpha^0 ... alpha^63.
    word = coding.rs_encode_255_191(bytes(190) + b"\x01")
    value, product = 1, 1
    for _ in range(64):
        a, b, out = product, value, 0
        while b:
            out ^= a * (b & 1)
            a, b = (a << 1) ^ (0x11D * (a >> 7)), b >> 1
        product, value = out, (value << 1) ^ (0x11D * (value >> 7))
    assert word[-1] == product


@pytest.mark.parametrize(("errors", "erased"), [(32, 0), (0, 64), (10, 44), (31, 2), (1, 0)])
def test_rs_corrects_up_to_its_bound(rng: np.random.Generator, errors: int, erased: int) -> None:
    message = rng.bytes(191)
    word = bytearray(coding.rs_encode_255_191(message))
    positions = rng.permutation(255)[: errors + erased].tolist()
    for i in positions:
        word[i] ^= int(rng.integers(1, 256))
    assert coding.rs_correct_255_191(bytes(word), positions[errors:]) == (message, errors + erased)


def test_rs_gives_up_beyond_its_bound(rng: np.random.Generator) -> None:
    word = bytearray(coding.rs_encode_255_191(rng.bytes(191)))
    for i in rng.permutation(255)[:60]:
        word[i] ^= int(rng.integers(1, 256))
    assert coding.rs_correct_255_191(bytes(word)) is None
    assert coding.rs_correct_255_191(bytes(word), list(range(65))) is None


@pytest.mark.parametrize("length", [0, 190, 192, 255])
def test_rs_refuses_other_lengths(length: int) -> None:
    with pytest.raises(ValueError, match="191"):
        coding.rs_encode_255_191(bytes(length))
    with pytest.raises(ValueError, match="255"):
        coding.rs_correct_255_191(bytes(length + 1))


# --- interleaving


@given(st.binary(max_size=600), st.integers(1, 9))
def test_interleaving_is_a_permutation_and_inverts(data: bytes, depth: int) -> None:
    mixed = coding.interleave_bytes(data, depth)
    assert sorted(mixed) == sorted(data)
    assert coding.deinterleave_bytes(mixed, depth) == data


def test_interleaving_to_depth_4_by_rows_of_64() -> None:
    assert list(coding.interleave_bytes(bytes(range(255)))[:6]) == [0, 64, 128, 192, 1, 65]
    # A burst of 4 neighbours touches 4 rows.
    order = np.frombuffer(coding.interleave_bytes(bytes(range(255))), np.uint8)
    rows = order // 64
    assert all(len(set(rows[i : i + 4])) == 4 for i in range(0, 252, 4))


@pytest.mark.parametrize("depth", [0, -1])
def test_interleaving_needs_a_depth(depth: int) -> None:
    with pytest.raises(ValueError, match="depth"):
        coding.interleave_bytes(b"x", depth)
    with pytest.raises(ValueError, match="depth"):
        coding.deinterleave_bytes(b"x", depth)


# --- the soft code


def test_the_matrix_is_the_format() -> None:
    matrix = SoftCode().matrix
    assert matrix.shape == (N - K, N)
    # Marks made by a released version decode in every later one: this must never change.
    assert hashlib.sha256(np.packbits(matrix).tobytes()).hexdigest() == (
        "4cb7df050174d76f9b86c3428c2b75dd2e09073d03f3011f30febb45199359c6"
    )


def test_the_graph_has_no_cycle_of_four_and_even_rows() -> None:
    matrix = SoftCode().matrix.astype(np.int64)
    shared = matrix @ matrix.T
    np.fill_diagonal(shared, 0)
    assert shared.max() == 1
    assert np.ptp(matrix.sum(axis=1)) <= 1
    assert sorted(np.unique(matrix.sum(axis=0)).tolist()) == [2, 3, 4, 11]


def test_every_codeword_satisfies_every_check(rng: np.random.Generator) -> None:
    code = SoftCode()
    messages = [np.zeros(K, int), np.ones(K, int), *rng.integers(0, 2, (20, K))]
    for message in messages:
        word = code.encode(message)
        assert (word[:K] == message).all()
        assert not ((code.matrix.astype(np.int64) @ word) & 1).any()


@settings(deadline=None, max_examples=10)
@given(st.floats(1e-6, 1e30), st.integers(0, 2**32))
def test_clean_words_decode_at_any_scale(scale: float, seed: int) -> None:
    message = np.random.default_rng(seed).integers(0, 2, K)
    bits, converged, rounds = SoftCode().decode((1.0 - 2.0 * SoftCode().encode(message)) * scale)
    assert converged
    assert rounds == 0
    assert (bits == message).all()


@pytest.mark.parametrize("amplitude", [3.0, 30.0, np.inf])
def test_certain_but_wrong_bits_are_put_right(rng: np.random.Generator, amplitude: float) -> None:
    message = rng.integers(0, 2, K)
    flips = np.where(rng.random(N) < 0.01, -1.0, 1.0)
    bits, converged, _ = SoftCode().decode((1.0 - 2.0 * SoftCode().encode(message)) * flips * amplitude)
    assert converged
    assert (bits == message).all()


def test_erased_bits_are_filled_in(rng: np.random.Generator) -> None:
    message = rng.integers(0, 2, K)
    llr = 8.0 * (1.0 - 2.0 * SoftCode().encode(message))
    llr[rng.permutation(N)[:380]] = 0.0
    llr[5] = np.nan
    bits, converged, _ = SoftCode().decode(llr)
    assert converged
    assert (bits == message).all()


def test_noise_does_not_converge_and_fails_in_bounded_rounds(rng: np.random.Generator) -> None:
    for _ in range(5):
        bits, converged, rounds = SoftCode().decode(rng.standard_normal(N))
        assert not converged
        assert rounds == coding.MAX_ITERATIONS
        assert bits.shape == (K,)
        assert set(np.unique(bits)) <= {0, 1}


@pytest.mark.parametrize(
    ("channel", "ber", "least"),
    [("awgn", 0.044, 0.97), ("awgn", 0.05, 0.93), ("bsc", 0.02, 0.95), ("awgn + 10 % erased", 0.025, 0.93)],
)
def test_threshold(channel: str, ber: float, least: float) -> None:
    assert threshold(channel, ber, 80)[0] >= least


def test_one_object_serves_many_threads(rng: np.random.Generator) -> None:
    code = SoftCode()
    messages = rng.integers(0, 2, (8, K))
    values = [soft_values(code.encode(m), "awgn", 0.035, rng) for m in messages]
    results: dict[int, bool] = {}

    def work(i: int) -> None:
        results[i] = all((code.decode(values[i])[0] == messages[i]).all() for _ in range(5))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(messages))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(results[i] for i in range(len(messages)))


@pytest.mark.parametrize("bits", [np.zeros(K - 1), np.full(K, 2), np.zeros((1, K))])
def test_encode_refuses_what_is_no_message(bits: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="1528"):
        SoftCode().encode(bits.astype(np.int64))


def test_decode_refuses_another_shape() -> None:
    with pytest.raises(ValueError, match="2040"):
        SoftCode().decode(np.zeros(N - 1))


def test_beliefs_of_a_codeword_are_its_own_whatever_was_read_before() -> None:
    code, rng = SoftCode(), np.random.default_rng(3)
    clean = 4.0 * (1.0 - 2.0 * code.encode(rng.integers(0, 2, K)))
    code.beliefs(rng.normal(size=N))
    assert (code.beliefs(clean) == clean).all()


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    for name in CHANNELS:
        for rate in (0.02, 0.03, 0.035, 0.04, 0.044, 0.05, 0.055, 0.06):
            share, good_ms, bad_ms = threshold(name, rate, count)
            print(
                f"{name:20s} {100 * rate:4.1f} %  {share:.3f}  {good_ms:5.1f} ms  {bad_ms:5.1f} ms",
                flush=True,
            )


def test_beliefs_put_errors_right() -> None:
    rng = np.random.default_rng(8)
    code = SoftCode()
    word = code.encode(rng.integers(0, 2, K))
    soft = 2.0 / 0.58**2 * ((1.0 - 2.0 * word) + 0.58 * rng.standard_normal(N))
    assert np.mean((code.beliefs(soft) < 0) != word) < 0.5 * np.mean((soft < 0) != word)
    assert code.decode(soft)[1]  # the decoder's own rounds are as they were
