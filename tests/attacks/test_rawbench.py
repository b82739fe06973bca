"""What RAW-Bench's attacks promise beside their likeness to the originals (`test_published.py`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from soundsafe import attacks
from soundsafe.attacks import rawbench
from soundsafe.attacks.folders import NOISES, ROOMS

RATE = 44100


def power(audio: NDArray[np.float32]) -> float:
    return float(np.mean(audio.astype(np.float64) ** 2))


def apply(name: str, audio: NDArray[np.float32], seed: int = 0) -> NDArray[np.float32]:
    return attacks.get(name).apply(audio, RATE, np.random.default_rng(seed))


def test_every_clip_is_first_set_to_one_level(stereo: NDArray[np.float32]) -> None:
    for gain in (0.1, 1.0):
        out = apply("rawbench_polarity", stereo * np.float32(gain))
        assert out.shape == (1, stereo.shape[1])
        assert power(out) == pytest.approx(rawbench.MEAN_POWER, rel=1e-4)


def test_gain_alone_may_pass_full_scale(stereo: NDArray[np.float32]) -> None:
    assert np.abs(apply("rawbench_gain_5.0", stereo)).max() > 1
    assert power(apply("rawbench_gain_5.0", stereo)) == pytest.approx(25 * rawbench.MEAN_POWER, rel=1e-3)
    assert np.abs(apply("rawbench_expansion_-16dB_as_said", stereo)).max() <= 1


def test_expansion_as_run_is_quieter_and_as_said_is_louder(stereo: NDArray[np.float32]) -> None:
    assert power(apply("rawbench_expansion_-16dB", stereo)) < rawbench.MEAN_POWER
    assert power(apply("rawbench_expansion_-16dB_as_said", stereo)) > rawbench.MEAN_POWER


def test_the_limiter_has_no_look_ahead(mono: NDArray[np.float32]) -> None:
    """The first loud samples after silence pass as they are."""
    audio = np.zeros((1, RATE), np.float32)
    audio[0, RATE // 2 :] = mono[0, : RATE - RATE // 2]
    before = rawbench.at_level(audio)
    after = apply("rawbench_limiter_-36dB", audio)
    start = slice(RATE // 2, RATE // 2 + 5)
    np.testing.assert_allclose(after[0, start], before[0, start], atol=0.01)
    assert np.abs(after[:, RATE // 2 + 2000 :]).max() < 0.5 * np.abs(before).max()


def test_equaliser_as_run_drifts_by_one_sample(mono: NDArray[np.float32]) -> None:
    audio = rawbench.at_level(np.pad(mono[:, :100_000], ((0, 0), (0, 20))))
    flat = np.zeros(24)
    steady = rawbench.bark_equalised(audio, flat, as_run=False)
    np.testing.assert_allclose(steady, audio, atol=1e-6)
    drifting = rawbench.bark_equalised(audio, flat, as_run=True)
    assert power(drifting - audio) > 1e3 * power(steady - audio)


def test_recordings_come_from_the_users_folders(
    mono: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = attacks.get("rawbench_background_noise_20dB")
    room = attacks.get("rawbench_reverb_6dB")
    for folder in (NOISES, ROOMS):
        monkeypatch.delenv(folder.variable, raising=False)
    assert noise.left_out.startswith("needs recordings: SOUNDSAFE_NOISES")
    assert room.left_out.startswith("needs recordings: SOUNDSAFE_ROOMS")
    rng = np.random.default_rng(1)
    soundfile.write(tmp_path / "a.wav", 0.1 * rng.standard_normal((16000, 2)), 16000)
    monkeypatch.setenv("SOUNDSAFE_NOISES", str(tmp_path))
    monkeypatch.setenv("SOUNDSAFE_ROOMS", str(tmp_path))
    assert noise.left_out == room.left_out == ""
    before = rawbench.at_level(mono)
    for attack, snr_db in ((noise, 20), (room, 6)):
        added = attack.apply(mono, RATE, np.random.default_rng(2)) - before
        assert 10 * np.log10(power(before) / power(added)) == pytest.approx(snr_db, abs=0.1)
