"""What AudioMarkBench's attacks promise beside their likeness to the originals (`test_published.py`)."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks, codecs

RATE = 44100


def apply(name: str, audio: NDArray[np.float32], rate: int = RATE) -> NDArray[np.float32]:
    return attacks.get(name).apply(audio, rate, np.random.default_rng(0))


def test_quantisation_has_as_many_levels_as_it_says(mono: NDArray[np.float32]) -> None:
    at_16k = codecs.resample(mono, RATE, 16000)
    assert len(np.unique(np.round(apply("audiomarkbench_quantization_8", at_16k, 16000), 5))) == 8


@pytest.mark.parametrize("snr", [40, 20, 5])
def test_noise_is_as_loud_as_it_says(snr: int, mono: NDArray[np.float32]) -> None:
    at_16k = codecs.resample(mono, RATE, 16000)
    noise = apply(f"audiomarkbench_gaussian_noise_{snr}dB", at_16k, 16000) - at_16k
    assert 10 * np.log10(np.mean(at_16k**2) / np.mean(noise**2)) == pytest.approx(snr, abs=0.1)


def test_the_echo_comes_after_the_sound_as_said() -> None:
    audio = np.zeros((1, 16000), np.float32)
    audio[0, 8000] = 0.5
    out = apply("audiomarkbench_echo_0.1s_as_said", audio, 16000)
    assert np.flatnonzero(out[0]).tolist() == [8000, 8000 + 1600]
    assert out[0, 9600] == pytest.approx(0.2)


def test_opus_gets_better_with_its_rate(speech: NDArray[np.float32]) -> None:
    clean = codecs.resample(speech.mean(axis=0, keepdims=True), RATE, 16000)
    errors = [
        float(np.sum((apply(f"audiomarkbench_opus_{k}", clean, 16000) - clean) ** 2)) for k in (8, 16, 31)
    ]
    assert errors == sorted(errors, reverse=True)
