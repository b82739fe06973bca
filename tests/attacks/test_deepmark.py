"""What DeepMark's attacks promise beside their likeness to the originals (`test_published.py`)."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100


def apply(name: str, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return attacks.get(f"deepmark_{name}").apply(audio, RATE, np.random.default_rng(0))


def test_truncation_to_eight_bits(mono: NDArray[np.float32]) -> None:
    out = apply("pcm_8bit", mono)
    assert (np.abs(out) <= np.abs(mono) + 1e-6).all()
    assert len(np.unique(out)) <= 256


def test_pauses_come_where_the_sign_changes(mono: NDArray[np.float32]) -> None:
    run, said = apply("zero_cross_inserts", mono), apply("zero_cross_inserts_as_said", mono)
    assert run.shape[1] == mono.shape[1] + 20
    assert said.shape[1] == mono.shape[1] + 20 * 3  # at the first crossing, after one second and after two


def test_a_wavelet_of_a_constant_keeps_it() -> None:
    constant = np.full((1, 4096), 0.25, np.float32)
    np.testing.assert_allclose(apply("wavelet_0.5", constant), constant, atol=1e-6)


def test_flipped_samples_are_the_same_samples(mono: NDArray[np.float32]) -> None:
    out = apply("flip_samples", mono)
    assert not np.array_equal(out, mono)
    np.testing.assert_array_equal(np.sort(out), np.sort(mono))


def test_the_equaliser_as_said_has_its_gains(mono: NDArray[np.float32]) -> None:
    """Low octaves are raised by 10 dB each, high ones lowered; they overlap."""
    click = np.zeros((1, RATE), np.float32)
    click[0, 0] = 1
    response = np.abs(np.fft.rfft(apply("equalizer_as_said", click)[0]))
    assert 20 * np.log10(response[125] / response[8000]) == pytest.approx(29.6, abs=0.5)
    run = np.abs(np.fft.rfft(apply("equalizer", click)[0]))
    assert not np.allclose(run / run.max(), response / response.max(), atol=0.05)
