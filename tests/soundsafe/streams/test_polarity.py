from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import soundsafe
from soundsafe import attacks
from soundsafe.streams.polarity import opposed, turned

Audio = NDArray[np.float32]


def test_what_is_opposed() -> None:
    left = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    hiss = np.random.default_rng(1).standard_normal(1000).astype(np.float32)
    assert opposed(np.stack([left, -left]))
    assert opposed(np.stack([left, -left + 1e-3 * hiss]))
    assert not opposed(np.stack([left, -left + 0.1 * hiss]))
    assert opposed(np.stack([left, -left + 0.1 * hiss]), after_coding=True)
    for audio in ([left, left], [left, hiss], [left], [left, -left, left], [0 * left, 0 * left]):
        assert not opposed(np.stack(audio), after_coding=True)
    x = np.stack([left, hiss, left])
    assert (turned(turned(x)) == x).all()
    assert (turned(x)[1] == -hiss).all()


@pytest.mark.slow
@pytest.mark.parametrize("attack", ["none", "mp3_192"])
def test_every_second_of_opposed_channels_is_marked(cut: Callable[..., Audio], attack: str) -> None:
    left = cut("speech_ukrainian", 4.0)[0]
    audio = np.stack([left, -left])
    answer = soundsafe.embed(audio, 44_100, b"x", quality="fast", layers=("eul",))
    assert (answer.euls_verified, answer.euls) == (4, 4)
    assert answer.audio is not None
    assert np.abs(answer.audio.sum(axis=0)).max() < 0.01 * np.abs(audio).max()
    attacked = attacks.get(attack).apply(answer.audio, 44_100, np.random.default_rng(0))
    assert soundsafe.decode(attacked, 44_100).payload == b"x"
