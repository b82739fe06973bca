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
    noisy = speech + 0.02 * np.random.default_rng(0).standard_normal(speech.shape).astype(np.float32)
    found = ATTACK.apply(noisy, RATE, np.random.default_rng(0))
    before, after = (float(np.sum((speech - x) ** 2)) for x in (noisy, found))
    assert after < before  # a frame later it would be ten times as much


def test_it_says_what_it_needs_and_whose_it_is() -> None:
    assert ATTACK.packages[0].distribution == "pyrnnoise"
    assert (ATTACK.source.licence, ATTACK.family) == ("BSD-3-Clause", "neural")
