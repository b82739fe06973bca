"""Edits are exact to the sample."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100


def apply(name: str, audio: NDArray[np.float32], seed: int = 0) -> NDArray[np.float32]:
    return attacks.get(name).apply(audio, RATE, np.random.default_rng(seed))


@pytest.fixture
def ramp() -> NDArray[np.float32]:
    """Every sample differs from every other."""
    return (np.arange(1, 3 * RATE + 1) / 2**18)[None].astype(np.float32)


@pytest.mark.parametrize(
    ("name", "samples"), [("crop_0.5s", 22050), ("crop_0.333s", 14685), ("crop_0.01s", 441)]
)
def test_crop(name: str, samples: int, stereo: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(apply(name, stereo), stereo[:, samples:])
    assert attacks.get(name).delay_samples(RATE) == -samples


def test_excerpt_starts_anywhere(ramp: NDArray[np.float32]) -> None:
    starts = set()
    for seed in range(5):
        result = apply("excerpt_2.2s", ramp, seed)
        assert result.shape[1] == 97020
        start = int(np.searchsorted(ramp[0], result[0, 0]))
        np.testing.assert_array_equal(result, ramp[:, start : start + 97020])
        starts.add(start)
    assert len(starts) == 5
    np.testing.assert_array_equal(apply("excerpt_5s", ramp), ramp)


def test_cut_insert_repeat(ramp: NDArray[np.float32]) -> None:
    cut = apply("cut_0.1s", ramp)
    assert cut.shape[1] == ramp.shape[1] - 4410
    assert np.isin(cut, ramp).all()
    assert np.count_nonzero(np.diff(cut[0]) > 1e-3) <= 1
    longer = apply("insert_0.1s", ramp)
    np.testing.assert_array_equal(longer[longer != 0], ramp[0])
    assert np.count_nonzero(longer == 0) == 4410
    repeated = apply("repeat_0.1s", ramp)
    assert repeated.shape[1] == ramp.shape[1] + 4410
    assert len(np.unique(repeated)) == ramp.shape[1]


def test_shift(stereo: NDArray[np.float32]) -> None:
    result = apply("shift_1000", stereo)
    assert not result[:, :1000].any()
    np.testing.assert_array_equal(result[:, 1000:], stereo)
    assert attacks.get("shift_1000").delay_samples(RATE) == 1000


def test_shuffle_and_reverse(ramp: NDArray[np.float32]) -> None:
    result = apply("shuffle_0.5s", ramp)
    assert not np.array_equal(result, ramp)
    np.testing.assert_array_equal(np.sort(result[0]), ramp[0])
    np.testing.assert_array_equal(np.diff(result[0, :22050]), np.diff(ramp[0, :22050]))
    np.testing.assert_array_equal(apply("reverse", ramp), ramp[:, ::-1])


def test_single_samples(ramp: NDArray[np.float32]) -> None:
    deleted = apply("delete_1%", ramp)
    assert 0.008 < 1 - deleted.shape[1] / ramp.shape[1] < 0.012
    assert (np.diff(deleted[0]) > 0).all()
    moved = apply("jitter_5%", ramp)
    np.testing.assert_array_equal(np.sort(moved[0]), ramp[0])
    assert 0.08 < np.mean(moved != ramp) < 0.1
    assert np.abs((moved - ramp) * 2**18).max() == 1


@pytest.mark.parametrize("name", ["shuffle_2s", "shuffle_1s", "delete_0.001%", "dropout_1%"])
def test_something_is_changed_whatever_the_seed(name: str, ramp: NDArray[np.float32]) -> None:
    for seed in range(30):
        for clip in (ramp, ramp[:, :RATE]):
            assert not np.array_equal(apply(name, clip, seed), clip)


def test_a_clock_that_jitters(stereo: NDArray[np.float32]) -> None:
    ramp = np.arange(3 * RATE, dtype=np.float32)[None] / 2**18
    late = (apply("clock_jitter_0.2", ramp) - ramp)[0, 5:-5] * 2**18
    assert late.std() == pytest.approx(0.2, rel=0.02)
    assert late.mean() == pytest.approx(0, abs=0.005)
    little, much = (apply(f"clock_jitter_{s}", stereo) - stereo for s in (0.01, 0.2))
    assert 0 < np.abs(little).mean() < np.abs(much).mean() / 10


def test_shush(ramp: NDArray[np.float32]) -> None:
    result = apply("shush_10%", ramp)
    assert not result[:, : round(0.3 * RATE)].any()
    np.testing.assert_array_equal(result[:, round(0.3 * RATE) :], ramp[:, round(0.3 * RATE) :])


def test_dropout_fade_trim(ramp: NDArray[np.float32]) -> None:
    lost = apply("dropout_10%", ramp)
    assert 0.03 < np.mean(lost == 0) < 0.2
    np.testing.assert_array_equal(lost[lost != 0], ramp[lost != 0])
    faded = apply("fade_1s", ramp)
    assert faded[0, 0] == 0
    assert faded[0, -1] == 0
    np.testing.assert_array_equal(faded[:, RATE : 2 * RATE], ramp[:, RATE : 2 * RATE])
    quiet = np.pad(ramp, ((0, 0), (500, 700)))
    assert apply("trim_-60dB", quiet).shape[1] < quiet.shape[1] - 1100


def test_polarity_and_offset(stereo: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(apply("polarity", stereo), -stereo)
    np.testing.assert_allclose(apply("dc_0.01", stereo) - stereo, 0.01, atol=1e-6)
