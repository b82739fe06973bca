"""RNNoise, where its package is there."""

from __future__ import annotations

import numpy as np
import pytest

from soundsafe import attacks
from soundsafe.aliases import Audio

RATE = 44100
ATTACK = attacks.get("rnnoise")


@pytest.mark.skipif(bool(ATTACK.left_out), reason="pyrnnoise is not installed")
def test_noise_goes_and_the_voice_stays_where_it_is(speech: Audio) -> None:
    noise = 0.02 * np.random.default_rng(0).standard_normal(speech.shape).astype(np.float32)
    quiet = ATTACK.apply(noise, RATE, np.random.default_rng(0))
    assert np.sum(quiet**2) < 0.5 * np.sum(noise**2)
    found = ATTACK.apply(speech, RATE, np.random.default_rng(0))
    n = 2 * speech.shape[1]
    cross = np.fft.irfft(np.fft.rfft(found[0], n) * np.conj(np.fft.rfft(speech[0], n)), n)
    assert int(np.argmax(cross)) == 0


def test_it_says_what_it_needs_and_whose_it_is() -> None:
    assert ATTACK.packages[0].distribution == "pyrnnoise"
    assert (ATTACK.source.licence, ATTACK.family) == ("BSD-3-Clause", "neural")
