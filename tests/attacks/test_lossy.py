"""AAC, Opus, Vorbis and the other MP3s: real encoders, worse with fewer bits."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks, codecs

RATE = 44100


def snr_db(name: str, audio: NDArray[np.float32]) -> float:
    attack = attacks.get(name)
    delay = attack.delay_samples(RATE, len(audio)) or 0
    result = codecs.fit_length(attack.apply(audio, RATE, np.random.default_rng(0))[:, delay:], audio.shape[1])
    middle = slice(2000, -2000)
    error = (result - audio)[:, middle]
    return float(10 * np.log10(np.sum(audio[:, middle] ** 2) / np.sum(error**2)))


@pytest.mark.parametrize(
    "names",
    [
        ["aac_256", "aac_128", "aac_64"],
        ["opus_192", "opus_96", "opus_32"],
        ["vorbis_q8", "vorbis_q4", "vorbis_q0"],
        ["mp3_V0", "mp3_V2", "mp3_V5"],
        ["mp3_stereo_320", "mp3_stereo_192", "mp3_stereo_128"],
        ["mp3_320", "mp3_128", "mp3_48"],
    ],
)
def test_fewer_bits_are_worse(names: list[str], stereo: NDArray[np.float32]) -> None:
    values = [snr_db(name, stereo) for name in names]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1] + 3


@pytest.mark.parametrize("family", ["aac", "opus", "vorbis"])
def test_at_least_five_rates(family: str) -> None:
    assert sum(a.family == family for a in attacks.all_attacks()) >= 5
