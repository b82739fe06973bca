"""Other sound on top: at the ratio said, from where it is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from soundsafe import attacks
from soundsafe.attacks.access import Access
from soundsafe.attacks.mixing import music, voice

RATE = 44100


def snr(audio: NDArray[np.float32], out: NDArray[np.float32]) -> float:
    return float(10 * np.log10(np.mean(audio**2) / np.mean((out - audio) ** 2)))


@pytest.mark.parametrize("family", ["voice_over", "music_bed"])
@pytest.mark.parametrize("db", [0, 10, 20])
def test_ratios(family: str, db: int, stereo: NDArray[np.float32]) -> None:
    out = attacks.get(f"{family}_{db}dB").apply(stereo, RATE, np.random.default_rng(1))
    assert snr(stereo, out) == pytest.approx(db, abs=0.1)


def test_a_voice_has_pauses_and_music_has_none() -> None:
    def quietest(sound: NDArray[np.float32]) -> float:
        blocks = sound[0, : 20 * 8820].reshape(-1, 8820)
        return float(np.sqrt(np.mean(blocks**2, axis=1)).min())

    said = voice(4 * RATE, RATE, np.random.default_rng(2))
    played = music(4 * RATE, RATE, np.random.default_rng(2))
    assert quietest(said) < 1e-3 * np.abs(said).max()
    assert quietest(played) > 1e-3 * np.abs(played).max()


def test_recordings_of_the_user(
    stereo: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    soundfile.write(tmp_path / "a.wav", 0.1 * rng.standard_normal((8000, 2)), 16000)
    for variable in ("SOUNDSAFE_MUSIC", "SOUNDSAFE_NOISES", "SOUNDSAFE_ROOMS"):
        monkeypatch.setenv(variable, str(tmp_path))
    for name, db in (("recorded_music_10dB", 10), ("recorded_noise_20dB", 20)):
        out = attacks.get(name).apply(stereo, RATE, np.random.default_rng(4))
        assert snr(stereo, out) == pytest.approx(db, abs=0.1)
    click = np.zeros((100, 1))
    click[0] = 0.5
    soundfile.write(tmp_path / "a.wav", click, RATE)
    same = attacks.get("recorded_room_1").apply(stereo, RATE, np.random.default_rng(5))
    np.testing.assert_allclose(same, stereo, atol=1e-4)


def test_another_marked_file_comes_on_top(stereo: NDArray[np.float32]) -> None:
    other = stereo[:, ::-1][:, :30000]
    access = Access(
        copies=lambda n: [], others=lambda n: [other], mark=lambda a: a, ask=lambda a: (False, 0.0)
    )
    out = attacks.get("marked_mix_10dB").apply(stereo, RATE, np.random.default_rng(6), access)
    assert snr(stereo, out) == pytest.approx(10, abs=0.1)
