"""Short payloads in both layers, on a bundled clip."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import soundsafe
from soundsafe import datasets
from soundsafe.aliases import Audio
from soundsafe.attacks import get
from soundsafe.cells.code import CellCode
from soundsafe.cells.detector import detect
from soundsafe.cells.profile import ROBUST
from soundsafe.distance.zimtohrli import by_channel

RATE = 44_100
PAYLOAD = b"sixteen bytes it"


@pytest.fixture(scope="module")
def music() -> Audio:
    clip = next(c for c in datasets.load("bundled").clips if "rock" in c.clip)
    audio, rate = clip.read()
    assert rate == RATE
    return audio[:, : 7 * RATE]


@pytest.fixture(scope="module")
def answer(music: Audio) -> soundsafe.Embedded:
    return soundsafe.embed(music, RATE, PAYLOAD)


@pytest.fixture(scope="module")
def both(answer: soundsafe.Embedded) -> Audio:
    assert answer.audio is not None
    return answer.audio


def attacked(audio: Audio, name: str) -> Audio:
    return get(name).apply(audio, RATE, np.random.default_rng(0))


def test_every_second_reads_alone(both: Audio, answer: soundsafe.Embedded) -> None:
    assert answer.euls_verified == answer.euls == 7
    found = soundsafe.decode(both, RATE)
    assert found.payload == PAYLOAD
    assert all(second.ok and second.corrected_bytes < 40 for second in found.euls)
    assert 0.0 < found.false_accept_bound < 1e-15


@pytest.mark.slow
def test_it_is_quieter_than_a_long_payload(music: Audio, both: Audio) -> None:
    long = soundsafe.embed(music, RATE, PAYLOAD + bytes(9), quality="fast").audio
    assert long is not None
    assert by_channel(music, both, RATE).max() < 0.6 * by_channel(music, long, RATE).max()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mp3_128", "gain_-3dB", "noise_white_30dB", "resample_22050"])
def test_single_seconds_survive(both: Audio, name: str) -> None:
    found = soundsafe.decode(attacked(both, name), RATE)
    assert found.payload == PAYLOAD
    assert sum(second.ok for second in found.euls) >= 4


@pytest.mark.slow
def test_seconds_are_added_up_when_none_reads_alone(music: Audio) -> None:
    """White noise until single seconds fail: together they still read, whichever scale each seems to have."""
    marked = soundsafe.embed(music, RATE, PAYLOAD, layers="eul").audio
    assert marked is not None
    noise = np.random.default_rng(0).standard_normal(marked.shape).astype(np.float32)
    for snr_db in np.arange(28.0, 0.0, -1.5):
        level = np.sqrt(np.mean(marked**2) * 10.0 ** (-snr_db / 10.0))
        answer = detect([marked + np.float32(level) * noise], CellCode())
        if not any(second.ok for second in answer.euls):
            break
    assert answer.payload == PAYLOAD
    assert answer.combined >= 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tempo_signalsmith_+5%", "pitch_signalsmith_-5%"])
def test_the_tiles_give_all_of_it_from_seven_seconds(both: Audio, name: str) -> None:
    found = soundsafe.decode(attacked(both, name), RATE)
    assert found.payload == PAYLOAD
    assert found.layer == "tile"
    assert found.id_ok


@pytest.mark.slow
def test_speed(both: Audio) -> None:
    found = soundsafe.decode(attacked(both, "speed_+5%"), RATE)
    assert found.payload == PAYLOAD
    assert found.speed == pytest.approx(1.05, abs=1e-4)


@pytest.mark.slow
def test_another_key_reads_nothing(both: Audio) -> None:
    found = soundsafe.decode(both[:, : 3 * RATE], RATE, b"\x01" * 32)
    assert not found.ok
    assert not found.id_ok


def test_strength_is_paid_in_sound(music: Audio) -> None:
    short = music[:, : 3 * RATE]
    snr = {s: soundsafe.embed(short, RATE, PAYLOAD, strength=s).snr_db for s in ("quiet", 0.0, "strong")}
    assert snr["quiet"] > snr[0.0] + 1.0 > snr["strong"] + 2.0


@pytest.mark.parametrize("layers", ["eul", "eul,tile"])
def test_one_channel_at_another_rate(cut: Callable[..., Audio], layers: str) -> None:
    audio = cut("caribbean", 3.0).mean(axis=0, keepdims=True)
    found = soundsafe.embed(audio, 32_000, b"\xff", layers=layers)
    assert found.audio is not None
    assert found.audio.shape == audio.shape
    assert soundsafe.decode(found.audio, 32_000).payload == b"\xff"


def test_silence_stays_silent(music: Audio) -> None:
    audio = music[:, : 4 * RATE].copy()
    audio[:, RATE : 2 * RATE] = 0.0
    marked = soundsafe.embed(audio, RATE, PAYLOAD).audio
    assert marked is not None
    assert not marked[:, RATE : 2 * RATE].any()


def test_a_code_of_hard_decisions_has_no_short_words(music: Audio) -> None:
    import dataclasses

    rs = dataclasses.replace(ROBUST, name="rs", code="rs")
    assert not np.array_equal(
        soundsafe.coded_bits(PAYLOAD, None, 1, rs), soundsafe.coded_bits(PAYLOAD, None, 1)
    )
    marked = soundsafe.embed(music[:, : 2 * RATE], RATE, PAYLOAD, layers="eul", quality="fast", profile=rs)
    assert marked.euls_verified >= 1
