"""The original rules to the letter on the bench: only with the writer's layout does anything read back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from soundsafe import datasets
from soundsafe.errors import NotMarkable
from soundsafe.eval.running.scoring import Truth, score
from soundsafe.eval.systems import registry as systems
from soundsafe.eval.systems.answers import answer, answered_second
from soundsafe.eval.systems.seed import SoundsafeSeed

KEY = bytes(range(32))
SYSTEM = SoundsafeSeed()


@pytest.fixture(scope="module")
def marked() -> tuple[np.ndarray, np.ndarray, int]:
    audio, rate = datasets.load("bundled").clips[0].read()
    audio = np.ascontiguousarray(audio[:, : 2 * rate + 100])
    audio[:, rate : rate + 10] = 0.0
    return audio, SYSTEM.embed(audio, rate, b"payload", KEY).audio, rate


def test_it_is_registered() -> None:
    assert "soundsafe-seed" in systems.systems()
    system = systems.get("soundsafe-seed")
    assert isinstance(system, systems.System)
    assert json.loads(json.dumps(system.describe()))["rules"]["ranking"] == "magnitude"


def test_shape_and_what_is_left_alone(marked: tuple[np.ndarray, np.ndarray, int]) -> None:
    audio, out, rate = marked
    assert out.shape == audio.shape
    assert out.dtype == np.float32
    assert np.array_equal(out[:, 2 * rate :], audio[:, 2 * rate :])
    assert 0 < np.abs(out - audio).max() < 0.1


def test_the_mark_changes_the_slots(marked: tuple[np.ndarray, np.ndarray, int]) -> None:
    audio, out, rate = marked
    clean, found = SYSTEM.layouts(audio, rate, KEY), SYSTEM.decode(out, rate, KEY)
    assert [e.start_s for e in found.euls] == [0.0, 1.0]
    assert not found.ok
    assert all(a.slots != b.slots for a, b in zip(clean, found.euls, strict=True))
    assert all(a.slots == b.slots for a, b in zip(SYSTEM.layouts(out, rate, KEY), found.euls, strict=True))


def test_the_bits_are_there_for_who_has_the_layout(marked: tuple[np.ndarray, np.ndarray, int]) -> None:
    audio, out, rate = marked
    bits = SYSTEM.coded_bits(b"payload", KEY, 2)
    layout = SYSTEM.driver.allocation(audio[:, :rate])
    read = SYSTEM.driver.read_eul(out[:, :rate], layout).bits
    assert np.mean(read != bits[0]) < 0.02


def test_rows_have_all_parities(marked: tuple[np.ndarray, np.ndarray, int]) -> None:
    audio, out, rate = marked
    rows = score(
        answer(SYSTEM.decode(out, rate, KEY)),
        Truth(b"payload", SYSTEM.coded_bits(b"payload", KEY, 2), frozenset()),
        n_samples=audio.shape[1],
        n_attacked=audio.shape[1],
        rate=rate,
        delay=0,
        reference=[answered_second(eul) for eul in SYSTEM.layouts(audio, rate, KEY)],
        control=False,
    )
    assert [r.parity_slots for r in rows] == [0, 0]
    assert all(len(r.parity_bands.split(",")) == 24 for r in rows)
    assert all(0 <= r.parity_frames < 1 for r in rows)
    assert all(r.ber > 0.2 for r in rows)


def test_silence_and_short_audio() -> None:
    silence = np.zeros((1, 44_100), np.float32)
    out = SYSTEM.embed(silence, 44_100, b"x", KEY)
    assert out.unmarked_seconds == [0]
    assert not out.audio.any()
    with pytest.raises(NotMarkable, match="one second"):
        SYSTEM.embed(silence[:, :100], 44_100, b"x", KEY)
    assert SYSTEM.decode(silence[:, :100], 44_100, KEY).euls == []
