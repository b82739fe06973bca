"""Seconds by themselves on the bench: the default profile reads where they begin; the original rules to the
letter read only with the writer's layout."""

from __future__ import annotations

import json

import numpy as np
import pytest

from soundsafe import datasets
from soundsafe.errors import NotMarkable
from soundsafe.eval.running.scoring import Truth, score
from soundsafe.eval.systems import registry as systems
from soundsafe.eval.systems.answers import answer, answered_second
from soundsafe.eval.systems.eul_driver import SoundsafeEulDriver, SoundsafeSeed

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
    driver = SYSTEM.driver(KEY).slot_driver
    read = driver.read_eul(out[:, :rate], driver.allocation(audio[:, :rate])).bits
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


class TestEulDriver:
    SYSTEM = SoundsafeEulDriver()
    PAYLOAD = bytes(range(175))

    def test_seconds_are_found_wherever_they_begin(self) -> None:
        audio, rate = datasets.load("bundled").clips[0].read()
        audio = np.ascontiguousarray(audio[:, : 3 * rate])
        marked = self.SYSTEM.embed(audio, rate, self.PAYLOAD, KEY)
        assert marked.unmarked_seconds == []
        late = np.pad(marked.audio, ((0, 0), (12_345, 0)))
        found = self.SYSTEM.decode(late, rate, KEY)
        assert found.payload == self.PAYLOAD
        assert found.offset_samples == 12_345
        assert [eul.ok for eul in found.euls] == [True] * 3
        np.testing.assert_allclose(
            [eul.start_s * rate - 12_345 for eul in found.euls], [0, rate, 2 * rate], atol=1
        )
        clean = self.SYSTEM.layouts(audio, rate, KEY)
        assert [a.slots == b.slots for a, b in zip(clean, found.euls, strict=True)] == [True] * 3
        bits = self.SYSTEM.coded_bits(self.PAYLOAD, KEY, 3)
        assert all(np.mean(eul.bits != bits[i]) < 0.02 for i, eul in enumerate(found.euls))
        assert not self.SYSTEM.decode(late, rate, bytes(32)).ok

    def test_unmarked_audio(self) -> None:
        audio, rate = datasets.load("bundled").clips[0].read()
        found = self.SYSTEM.decode(np.ascontiguousarray(audio[:, : 2 * rate]), rate, KEY)
        assert not found.ok
        assert not any(eul.ok for eul in found.euls)

    def test_it_is_registered(self) -> None:
        system = systems.get("soundsafe-eul-driver")
        assert isinstance(system, systems.System)
        assert json.loads(json.dumps(system.describe()))["quality"] == "default"
