from __future__ import annotations

import shutil

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe.attacks import get
from soundsafe.errors import InputError

RATE = 44100
RNG = np.random.default_rng(0)

needs_program = pytest.mark.skipif(shutil.which("rubberband") is None, reason="rubberband is not installed")


def tone(hz: float, seconds: float = 2.0) -> NDArray[np.float32]:
    t = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * hz * t)).astype(np.float32)[None]


def loudest(audio: NDArray[np.float32]) -> float:
    x = audio[0, 8000:-8000]
    return float(np.argmax(np.abs(np.fft.rfft(x * np.hanning(len(x))))) * RATE / len(x))


@needs_program
@pytest.mark.parametrize("engine", ["rubberband", "rubberband_r2"])
def test_tempo_changes_the_length_alone_and_pitch_the_frequency_alone(engine: str) -> None:
    audio = tone(1000.0)
    faster = get(f"tempo_{engine}_+5%").apply(audio, RATE, RNG)
    assert abs(faster.shape[1] - audio.shape[1] / 1.05) < 4
    assert abs(loudest(faster) - 1000.0) < 5
    higher = get(f"pitch_{engine}_-5%").apply(audio, RATE, RNG)
    assert higher.shape == audio.shape
    assert abs(loudest(higher) - 950.0) < 5


@needs_program
def test_both_at_once() -> None:
    out = get("tempo_pitch_rubberband_+4%_-4%").apply(tone(1000.0), RATE, RNG)
    assert abs(out.shape[1] - 2 * RATE / 1.04) < 4
    assert abs(loudest(out) - 960.0) < 2


@needs_program
def test_a_drift_starts_slower_and_ends_faster() -> None:
    clicks = np.zeros((1, 8 * RATE), np.float32)
    clicks[0, RATE // 2 :: RATE] = 0.9
    out = get("tempo_rubberband_drift_1%").apply(clicks, RATE, RNG)
    at = [int(np.argmax(np.abs(part))) + i * RATE for i, part in enumerate(np.array_split(out[0], 8))]
    gaps = np.diff(at)
    assert gaps[0] > RATE * 1.002
    assert gaps[-1] < RATE * 0.998
    assert abs(out.shape[1] - clicks.shape[1]) < 0.002 * clicks.shape[1]


def test_without_the_program_one_line_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="rubberband-cli"):
        get("tempo_rubberband_+5%").apply(tone(440.0), RATE, RNG)


@needs_program
@pytest.mark.parametrize("name", ["tempo_rubberband_+5%", "tempo_rubberband_r2_+5%", "pitch_rubberband_-5%"])
def test_loud_audio_keeps_its_level(name: str) -> None:
    loud = np.sign(tone(200.0)) * np.float32(0.98)
    out = get(name).apply(loud, RATE, RNG)
    quiet = get(name).apply(loud / 8, RATE, RNG)
    assert np.sqrt(np.mean(out**2) / np.mean(quiet**2)) == pytest.approx(8, rel=0.01)
    assert np.abs(out).max() > 1.0


def test_without_the_program_it_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = "gain_-3dB+then+tempo_rubberband_+5%"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    for name in ("tempo_rubberband_+5%", chain):
        assert get(name).left_out == "needs the program rubberband (Debian and Ubuntu: rubberband-cli)"
    assert not get("tempo_wsola_+5%").left_out
