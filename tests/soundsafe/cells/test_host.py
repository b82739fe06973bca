from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from soundsafe import attacks, datasets
from soundsafe.cells.code import CellCode
from soundsafe.cells.host import BITS, code_of_second, host_features, host_word, host_words
from soundsafe.cells.profile import EUL_FRAMES, HOST_BOUND
from soundsafe.stft import RATE, stft

Audio = NDArray[np.float32]


def seconds(audio: Audio, start: int = 0) -> list[torch.Tensor]:
    spectrum = stft(torch.from_numpy(np.ascontiguousarray(audio.mean(axis=0)[start:])))
    count = spectrum.shape[1] // EUL_FRAMES
    return [spectrum[:, i * EUL_FRAMES : (i + 1) * EUL_FRAMES] for i in range(count)]


@pytest.fixture(scope="module")
def clips() -> list[Audio]:
    return [clip.read()[0] for clip in datasets.load("bundled").clips]


def test_gain_says_nothing(clips: list[Audio]) -> None:
    (first, *_) = seconds(clips[0])
    np.testing.assert_allclose(host_features(first), host_features(0.1 * first), atol=1e-3)


def test_an_equaliser_says_little_and_a_fade_much(clips: list[Audio]) -> None:
    (first, *_) = seconds(clips[4])
    tilt = torch.logspace(0, -0.5, len(first))[:, None]
    assert np.abs(host_features(first) - host_features(first * tilt)).mean() < 1.0
    fade = torch.linspace(1, 0.1, EUL_FRAMES)
    assert np.abs(host_features(first)[0] - host_features(first * fade)[0]) > 5.0


def test_silence_has_a_description() -> None:
    silence = torch.zeros(442, EUL_FRAMES, dtype=torch.complex64)
    assert host_word(host_features(silence)) == 0
    assert np.isfinite(host_features(silence)).all()


def test_seconds_differ(clips: list[Audio]) -> None:
    words = [host_word(host_features(one)) for clip in clips for one in seconds(clip)]
    assert len(words) == 64
    assert len(set(words)) >= 60


@pytest.mark.parametrize(
    ("name", "share"),
    [("mp3_128", 0.9), ("noise_white_30dB", 0.9), ("gain_-3dB", 1.0), ("lowpass_8000Hz", 0.9)],
)
def test_attacks_leave_it_among_the_first(clips: list[Audio], name: str, share: float) -> None:
    found = []
    attack = attacks.get(name)
    for clip in clips:
        changed = attack.apply(clip, RATE, np.random.default_rng(0))
        delay = attack.delay_samples(RATE, len(clip)) or 0
        for before, after in zip(seconds(clip), seconds(changed, delay), strict=False):
            words = [word for word, _ in host_words(host_features(after), 16)]
            found.append(host_word(host_features(before)) in words)
    assert np.mean(found) >= share


def test_descriptions_come_in_ascending_order_of_distance() -> None:
    features = np.random.default_rng(0).normal(0, 3, BITS)
    words = host_words(features, 64)
    assert words[0] == (host_word(features), 0.0)
    away = [distance for _, distance in words]
    assert away == sorted(away)
    assert len({word for word, _ in words}) == 64
    for word, distance in words:
        flipped = word ^ words[0][0]
        bits = [i for i in range(BITS) if flipped >> i & 1]
        assert distance == pytest.approx(np.abs(features[bits]).sum())


def test_only_a_bound_profile_has_a_code_for_each_second(clips: list[Audio]) -> None:
    (first, second, *_) = seconds(clips[4])
    code = CellCode(bytes(32))
    assert code_of_second(first, code) is code
    bound = CellCode(bytes(32), HOST_BOUND)
    assert code_of_second(first, bound).host == host_word(host_features(first))
    assert code_of_second(first, bound) != code_of_second(second, bound)
