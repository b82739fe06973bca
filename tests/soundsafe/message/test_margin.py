"""The margin of a word is what white noise may be louder by until it does not read."""

from __future__ import annotations

import numpy as np
import pytest

from soundsafe.message.margin import margin_db
from soundsafe.message.short_words import encode_short_word, read_short_word, short_margin_db

KEY = bytes(32)
PAYLOAD = b"sixteen bytes it"


def received(deviation: float, seed: int) -> np.ndarray:
    """Soft values of the word after noise of so many times its amplitude."""
    sent = 1.0 - 2.0 * encode_short_word(PAYLOAD, KEY, 2040)
    noise = np.random.default_rng(seed).normal(0.0, deviation, 2040)
    return np.asarray(2.0 * (sent + noise) / deviation**2)


@pytest.mark.parametrize("deviation", [0.8, 1.2])
def test_noise_louder_by_the_margin_is_where_reading_ends(deviation: float) -> None:
    coded = encode_short_word(PAYLOAD, KEY, 2040)
    margin = np.mean([short_margin_db(PAYLOAD, received(deviation, i), coded) for i in range(4)])
    edge = deviation * 10.0 ** (margin / 20.0)

    def read(louder_db: float) -> int:
        louder = edge * 10.0 ** (louder_db / 20.0)
        return sum(read_short_word(received(louder, i), KEY).payload == PAYLOAD for i in range(12))

    assert read(-1.0) >= 10
    assert read(1.5) <= 4


def test_a_word_of_which_nothing_is_known_has_none() -> None:
    assert margin_db(np.zeros(100), np.zeros(100, np.uint8), 0.5, 0.0) < -20.0
