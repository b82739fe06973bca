"""Clicks, gaps, echoes that come first, audio that begins too late."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100


def apply(name: str, audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return attacks.get(name).apply(audio, RATE, np.random.default_rng(0))


def test_clicks_are_as_many_as_said(mono: NDArray[np.float32]) -> None:
    changed = np.abs(apply("clicks_10_per_s", mono) - mono)[0] > 0.2
    starts = np.flatnonzero(changed & ~np.roll(changed, 1))
    assert len(np.split(starts, np.flatnonzero(np.diff(starts) > 12) + 1)) == pytest.approx(25, abs=3)


def test_a_share_of_samples_is_salt_or_pepper(mono: NDArray[np.float32]) -> None:
    hit = np.mean(apply("salt_and_pepper_1%", mono) != mono)
    assert hit == pytest.approx(0.01, rel=0.2)


def test_lost_packets_are_silent_or_repeated(mono: NDArray[np.float32]) -> None:
    size = round(0.02 * RATE)
    silent, repeated = (apply(f"packet_loss_10%_{how}", mono) for how in ("silent", "repeated"))
    lost = [k for k in range(mono.shape[1] // size) if not silent[:, k * size : (k + 1) * size].any()]
    assert 1 <= len(lost) <= 30
    for k in (k for k in lost if k and k - 1 not in lost):
        np.testing.assert_array_equal(
            repeated[:, k * size : (k + 1) * size], mono[:, (k - 1) * size : k * size]
        )


def test_a_pre_echo_comes_first() -> None:
    click = np.zeros((1, RATE), np.float32)
    click[0, 20000] = 1
    out = apply("pre_echo_20ms_30%", click)
    assert np.flatnonzero(out[0]).tolist() == [20000 - 882, 20000]
    assert out[0, 20000 - 882] == pytest.approx(0.3)


def test_advance_keeps_the_length(mono: NDArray[np.float32]) -> None:
    out = apply("advance_100ms", mono)
    np.testing.assert_array_equal(out[:, :-4410], mono[:, 4410:])
    assert not out[:, -4410:].any()
