from __future__ import annotations

import numpy as np

from soundsafe.pipeline.descriptions import (
    BANDS,
    BITS,
    band_edges,
    description,
    features_of_powers,
    likely_descriptions,
)


def powers(seed: int = 0, frames: int = 100) -> np.ndarray:
    return np.random.default_rng(seed).gamma(1.0, 1.0, (BANDS, frames))


def test_levels_and_static_differences_do_not_count() -> None:
    x = powers()
    tilted = 30.0 * x * np.array([0.5, 1.0, 2.0, 1.5])[:, None]
    assert np.abs(features_of_powers(x) - features_of_powers(tilted)).max() < 0.1
    assert description(features_of_powers(100.0 * x)) == description(features_of_powers(x))


def test_a_stretch_of_frames_that_are_half_as_long_is_described_alike() -> None:
    x = powers(frames=64)
    assert np.abs(features_of_powers(x) - features_of_powers(np.repeat(x, 2, axis=1))).max() < 0.2


def test_the_first_feature_is_the_rise_of_all_bands() -> None:
    rising = np.ones((BANDS, 100)) * np.linspace(1.0, 10.0, 100)
    features = features_of_powers(rising)
    assert features[0] < -5.0  # a cosine falls where the level rises
    assert np.abs(features[1:BANDS]).max() < 1e-9


def test_silence_and_steady_levels_are_described_by_0() -> None:
    assert description(features_of_powers(np.zeros((BANDS, 100)))) == 0
    assert description(features_of_powers(np.ones((BANDS, 100)))) == 0


def test_likely_descriptions_flip_what_is_least_sure() -> None:
    features = np.linspace(0.5, 4.0, BITS)
    found = likely_descriptions(features, 5)
    assert [word for word, _ in found][:3] == [255, 254, 253]
    assert [away for _, away in found[:2]] == [0.0, 0.5]
    assert [away for _, away in found] == sorted(away for _, away in found)
    assert len(likely_descriptions(features, 1000)) == 2**BITS


def test_bands_rise() -> None:
    edges = band_edges()
    assert len(edges) == BANDS + 1
    assert (np.diff(edges) > 0).all()
