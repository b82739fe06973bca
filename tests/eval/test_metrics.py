"""Figures against values worked out by hand, and on what is empty, silent or too short."""

from __future__ import annotations

import math

import numpy as np
import pytest

from soundsafe.eval.metrics import ber, metrics, parity, payload, quality

RATE = 44100


@pytest.fixture
def tone() -> np.ndarray:
    t = np.arange(RATE) / RATE
    return np.stack([0.5 * np.sin(2 * np.pi * f * t) for f in (440, 660)]).astype(np.float32)


def test_names_are_unique_and_described() -> None:
    found = metrics()
    assert len({m.name for m in found}) == len(found) >= 15
    assert all(m.description and m.unit for m in found)


def test_bit_error_rate() -> None:
    assert ber.bit_error_rate([0, 1, 1, 0], [0, 1, 0, 0]) == 0.25
    assert ber.bit_error_rate(None, [0, 1]) == 0.5
    with pytest.raises(ValueError, match="3 bits read, 2 embedded"):
        ber.bit_error_rate([0, 0, 0], [0, 1])
    with pytest.raises(ValueError, match="0 bits"):
        ber.bit_error_rate([], [])


def test_payload_figures() -> None:
    assert payload.payload_success(True, b"a", b"a")
    assert not payload.payload_success(True, b"b", b"a")
    assert not payload.clip_success(False, b"a", b"a")
    assert payload.time_to_payload([False, False, True], True, 8.0) == 3
    assert payload.time_to_payload([False, False], True, 8.0) == 8
    assert payload.time_to_payload([True], False, 8.0) == math.inf
    assert payload.goodput(0.5, 175) == 700


def test_parity_where_a_system_has_none() -> None:
    assert math.isnan(parity.frame_parity(None, None))
    assert math.isnan(parity.slot_parity("", "a"))
    assert math.isnan(parity.seed_parity(None, 3))
    assert parity.frame_parity(np.zeros((2, 3)), np.zeros((2, 4))) == 0
    assert parity.slot_parity("a", None) == 0


def test_snr(tone: np.ndarray) -> None:
    assert quality.snr_db(tone, tone * 1.1, RATE) == pytest.approx(20, abs=0.01)
    assert math.isnan(quality.snr_db(tone, tone, RATE))
    with pytest.raises(ValueError, match="one shape"):
        quality.snr_db(tone, tone[:, :-1], RATE)


def test_loudness(tone: np.ndarray) -> None:
    assert quality.lufs_difference(tone, tone * 10 ** (-6 / 20), RATE) == pytest.approx(-6, abs=0.01)
    assert math.isnan(quality.lufs_difference(tone * 0, tone * 0, RATE))
    assert math.isnan(quality.lufs_difference(tone[:, :4000], tone[:, :4000], RATE))
    eight = np.repeat(tone[:1], 8, axis=0)
    assert quality.lufs_difference(eight, eight, RATE) == 0


def test_zimtohrli_is_the_worst_channel(tone: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    noisy = tone + rng.normal(0, 0.003, tone.shape).astype(np.float32)
    one = tone.copy()
    one[1] = noisy[1]
    assert quality.zimtohrli(tone, tone, RATE) == 0
    both, second = quality.zimtohrli(tone, noisy, RATE), quality.zimtohrli(tone, one, RATE)
    assert both >= second > 1e-6
    assert second == quality.zimtohrli(tone[1:], noisy[1:], RATE)


@pytest.mark.parametrize("samples", [1, 100, 4000])
def test_zimtohrli_leaves_short_audio_alone(samples: int) -> None:
    x = np.full((1, samples), 0.1, np.float32)
    assert math.isnan(quality.zimtohrli(x, x, RATE))


def test_clipping_and_silence(tone: np.ndarray) -> None:
    marked = tone.copy()
    marked[0, 5] = 1.0
    assert quality.clipped_samples(tone, marked, RATE) == 1
    assert quality.clipped_samples(marked, marked, RATE) == 0
    gap = tone.copy()
    gap[:, 1000:2000] = 0
    marked = gap.copy()
    marked[1, 1500] = -0.25
    assert quality.added_to_silence(gap, marked, RATE) == 0.25
    assert quality.added_to_silence(gap, gap, RATE) == 0
    assert quality.added_to_silence(tone * 0, marked, RATE) == pytest.approx(0.5, abs=0.01)


def test_measure_has_all_of_a_row(tone: np.ndarray) -> None:
    from soundsafe.eval.rows import QUALITY

    assert tuple(quality.measure(tone, tone, RATE)) == QUALITY
