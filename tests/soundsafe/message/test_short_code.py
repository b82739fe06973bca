from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import logsumexp

from soundsafe.message.short_code import beliefs, encode_short, likeliest_messages


def message(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, length, dtype=np.uint8)


def received(word: np.ndarray, snr_db: float, seed: int) -> np.ndarray:
    """Soft values of a word behind white noise."""
    sigma = 10.0 ** (-snr_db / 20.0)
    noise = sigma * np.random.default_rng(seed).standard_normal(len(word))
    return 2.0 * (1.0 - 2.0 * word + noise) / sigma**2


@pytest.mark.parametrize(("length", "n"), [(1, 20), (136, 2040), (200, 1270), (264, 2040), (264, 5000)])
def test_what_is_sent_is_read(length: int, n: int) -> None:
    sent = message(length)
    word = encode_short(sent, n)
    assert word.shape == (n,)
    assert word.dtype == np.uint8
    assert (next(likeliest_messages([1.0 - 2.0 * word], length, 1)) == sent).all()


@pytest.mark.parametrize(("length", "snr_db"), [(136, -7.5), (200, -5.8), (264, -4.6)])
def test_noise_far_above_the_signal(length: int, snr_db: float) -> None:
    read = 0
    for seed in range(20):
        sent = message(length, seed)
        llr = received(encode_short(sent, 2040), snr_db, seed)
        read += any((found == sent).all() for found in likeliest_messages([llr], length, 32))
    assert read >= 19


def test_a_longer_list_reads_more() -> None:
    def lost(count: int) -> int:
        lost = 0
        for seed in range(30):
            sent = message(200, seed)
            llr = received(encode_short(sent, 2040), -6.8, seed)
            lost += not any((found == sent).all() for found in likeliest_messages([llr], 200, count))
        return lost

    assert lost(32) < lost(1)


def test_the_list_is_that_of_all_messages_in_order() -> None:
    length, n = 6, 60
    llr = np.random.default_rng(5).standard_normal(n)
    every = np.array(list(itertools.product((0, 1), repeat=length)), np.uint8)
    value = np.array([(1.0 - 2.0 * encode_short(m, n)) @ llr for m in every])
    found = list(likeliest_messages([llr], length, 10))
    assert np.array_equal(found, every[np.argsort(-value)[:10]])


def test_a_list_ends_with_the_messages_there_are() -> None:
    llr = np.random.default_rng(1).standard_normal(40)
    assert len(list(likeliest_messages([llr], 3, 100))) == 8


def test_erasures_and_values_that_are_no_numbers() -> None:
    sent = message(200)
    llr = 1.0 - 2.0 * encode_short(sent, 2040)
    llr[np.random.default_rng(0).permutation(2040)[:1500]] = 0.0
    llr[:5] = np.nan
    assert (next(likeliest_messages([llr], 200, 1)) == sent).all()


@pytest.mark.parametrize(("length", "n"), [(0, 40), (40, 40)])
def test_no_message_or_no_room(length: int, n: int) -> None:
    with pytest.raises(ValueError, match="short word"):
        encode_short(np.zeros(length, np.uint8), n)


def test_beliefs_are_those_of_all_messages() -> None:
    length, n = 5, 70
    llr = np.random.default_rng(2).standard_normal(n)
    every = np.array(list(itertools.product((0, 1), repeat=length)), np.uint8)
    words = np.array([encode_short(m, n) for m in every])
    log = (0.5 - words) @ llr
    believed, evidence = beliefs(llr, length)
    for i in range(n):
        zero, one = (
            logsumexp(log[words[:, i] == bit]) if (words[:, i] == bit).any() else -99 for bit in (0, 1)
        )
        assert np.isclose(np.clip(believed[i], -20, 20), np.clip(zero - one, -20, 20), atol=1e-3)
    assert np.isclose(evidence, logsumexp(log) - length * np.log(2.0), atol=1e-3)


def test_two_words_of_one_message_are_read_where_neither_is_alone() -> None:
    sent = message(200)
    llrs = [received(encode_short(sent, n), snr_db, n) for n, snr_db in ((1944, -8.5), (1150, -6.5))]
    assert not any((next(likeliest_messages([llr], 200, 1)) == sent).all() for llr in llrs)
    assert (next(likeliest_messages(llrs, 200, 1)) == sent).all()
