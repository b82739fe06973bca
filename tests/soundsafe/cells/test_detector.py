"""The blind detector on streams: cut anywhere, spliced, noisy, strange."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import soundsafe
from soundsafe.aliases import Audio
from soundsafe.attacks.speed import change_speed
from soundsafe.cells import detector, payloads
from soundsafe.cells.code import CellCode
from soundsafe.cells.detector import Detection, detect
from soundsafe.cells.profile import EUL_SAMPLES
from soundsafe.cells.reading import read_second
from soundsafe.cells.settings import QUALITIES, DetectorSettings
from soundsafe.cells.sync import LOCK_Z
from soundsafe.keys import DEFAULT_KEY
from soundsafe.message.container import FALSE_ACCEPT
from soundsafe.stft import RATE

OTHER_KEY = bytes(range(32))
CODE, OTHER = CellCode(), CellCode(OTHER_KEY)


def found(audio: Audio, key: bytes = DEFAULT_KEY) -> Detection:
    return detect([audio.copy()], CellCode(key))


def pieces(audio: Audio, sizes: list[int]) -> Iterator[Audio]:
    start, i = 0, 0
    while start < audio.shape[1]:
        size = sizes[i % len(sizes)]
        yield audio[:, start : start + size].copy()
        start, i = start + size, i + 1


# --- one EUL


@pytest.mark.slow
def test_soft_values_at_the_right_place(marked: Callable[..., Any]) -> None:
    m = marked("strings_canon")
    for second in range(1, 4):
        reading = read_second(m.audio.copy(), second * EUL_SAMPLES, second, CODE)
        assert reading is not None
        assert np.mean((reading.llr < 0) != m.bits) < 0.03
        assert reading.start == second * EUL_SAMPLES


def test_chance_elsewhere_and_under_another_key(marked: Callable[..., Any]) -> None:
    m = marked("strings_canon")
    right = read_second(m.audio.copy(), EUL_SAMPLES, 1, CODE)
    beside = read_second(m.audio.copy(), EUL_SAMPLES + 5_000, 1, CODE)
    other = read_second(m.audio.copy(), EUL_SAMPLES, 1, OTHER)
    assert right is not None
    for wrong in (beside, other):
        assert wrong is not None
        assert np.mean((wrong.llr < 0) != m.bits) == pytest.approx(0.5, abs=0.06)
        assert wrong.fit < right.fit / 3


def test_an_eul_that_is_not_all_there(marked: Callable[..., Any]) -> None:
    assert read_second(marked("strings_canon").audio.copy(), 3.5 * EUL_SAMPLES, 3, CODE) is None


# --- streams


@pytest.mark.slow
@given(st.lists(st.integers(1_000, 150_000), min_size=1, max_size=4))
@settings(max_examples=5, deadline=None)
def test_blocks_of_any_size(marked: Callable[..., Any], sizes: list[int]) -> None:
    m = marked("rock")
    whole, cut = found(m.audio), detect(pieces(m.audio, sizes), CODE)
    assert cut.payload == whole.payload == m.payload
    assert [e.start_s for e in cut.euls] == [e.start_s for e in whole.euls]
    for a, b in zip(cut.euls, whole.euls, strict=True):
        assert np.mean(a.bits != b.bits) < 2e-3


def test_no_audio_at_all() -> None:
    answer = detect([], CODE)
    assert answer.payload is None
    assert answer.euls == []
    assert answer.start is None


@pytest.mark.parametrize("seconds", [0.01, 0.5, 0.99])
def test_less_than_an_eul(seconds: float, cut: Callable[..., Audio]) -> None:
    assert found(cut("rock")[:, : round(seconds * RATE)]).payload is None


@pytest.mark.parametrize("kind", ["zeros", "constant", "impulses", "sine", "square", "noise"])
@pytest.mark.parametrize("channels", [1, 2])
def test_strange_audio_holds_nothing(kind: str, channels: int) -> None:
    t = np.arange(round(2.5 * RATE))
    audio = {
        "zeros": np.zeros(len(t)),
        "constant": np.full(len(t), 0.5),
        "impulses": (t % 10_000 == 0) * 1.0,
        "sine": 0.3 * np.sin(2 * math.pi * 1000 * t / RATE),
        "square": 0.3 * np.sign(np.sin(2 * math.pi * 100.3 * t / RATE)),
        "noise": 0.1 * np.random.default_rng(0).standard_normal(len(t)),
    }[kind]
    answer = found(np.tile(audio, (channels, 1)).astype(np.float32))
    assert answer.payload is None
    assert answer.score < LOCK_Z


@pytest.mark.slow
def test_a_sine_that_was_marked_as_well_as_it_goes() -> None:
    """Pilots without a payload: EULs that read as nothing up to the last sample of the stream."""
    from soundsafe.cells.embedder import mark_block

    sine = (0.3 * np.sin(2 * math.pi * 1000 * np.arange(4 * RATE) / RATE))[None].astype(np.float32)
    coded = soundsafe.coded_bits(b"x", None, 4)
    audio = mark_block(sine, 0, coded, 0, CODE, QUALITIES["fast"])
    assert isinstance(found(audio), Detection)


@pytest.mark.parametrize("before", [0.3, 2.6])
def test_the_mark_begins_later(before: float, marked: Callable[..., Any], cut: Callable[..., Audio]) -> None:
    m = marked("strings_canon")
    lead = cut("strings_canon", before, 4.0)
    answer = found(np.concatenate([lead, m.audio], axis=1))
    assert answer.payload == m.payload
    assert answer.start is not None
    assert (answer.start - lead.shape[1]) % EUL_SAMPLES == pytest.approx(0.0, abs=0.3) or (
        answer.start - lead.shape[1]
    ) % EUL_SAMPLES == pytest.approx(EUL_SAMPLES, abs=0.3)


@pytest.mark.slow
def test_a_splice_is_found_again(marked: Callable[..., Any]) -> None:
    """A stretch is missing in the middle: EULs on both sides are read, each on its own grid."""
    m = marked("rock", 8.0)
    audio = np.concatenate([m.audio[:, : 3 * RATE], m.audio[:, 3 * RATE + 17_000 :]], axis=1)
    answer = found(audio)
    assert answer.payload == m.payload
    grids = {round(e.start_s * RATE) % EUL_SAMPLES for e in answer.euls if e.ok}
    assert {0, EUL_SAMPLES - 17_000} <= grids


@pytest.mark.slow
@pytest.mark.parametrize("ppm", [15, -15])
def test_a_drifting_clock_is_followed(ppm: int, marked: Callable[..., Any]) -> None:
    """Half a sample a second: read where the first one lay, the last EULs would be at chance."""
    m = marked("rock", 8.0)
    still, moved = found(m.audio), found(change_speed(m.audio, 1.0 + ppm * 1e-6))
    assert moved.payload == m.payload
    assert sum(e.ok for e in moved.euls) >= sum(e.ok for e in still.euls) - 3
    places = np.array([e.start_s * RATE - i * EUL_SAMPLES for i, e in enumerate(moved.euls)])
    assert places[-1] - places[0] == pytest.approx(-7 * ppm * 1e-6 * EUL_SAMPLES, abs=1.0)


def test_every_eul_is_reported(marked: Callable[..., Any]) -> None:
    m = marked("piano_moonlight")
    answer = found(m.audio)
    assert [round(e.start_s, 3) for e in answer.euls] == [0.0, 1.0, 2.0, 3.0]
    for eul in answer.euls:
        assert eul.bits is not None
        assert eul.features is not None
        assert eul.bits.shape == (2040,)
        assert sum(eul.allocator["bits_per_band"]) == 2040
        assert eul.allocator["seed"] == eul.seed
        assert len(eul.slots) == 64
        assert 0 <= eul.erasures <= 2040
        assert 0 <= eul.corrected_bytes <= 255


@pytest.mark.slow
def test_euls_are_added_up_when_none_reads_alone(marked: Callable[..., Any]) -> None:
    """White noise until single EULs fail: together they still read, for some strength of noise."""
    m = marked("rock", 8.0)
    rng = np.random.default_rng(0)
    power = float(np.mean(m.audio**2))
    noise = rng.standard_normal(m.audio.shape).astype(np.float32)
    for snr_db in np.arange(30.0, 6.0, -1.5):
        noisy = m.audio + np.float32(math.sqrt(power * 10 ** (-snr_db / 10))) * noise
        answer = found(noisy)
        if not any(e.ok for e in answer.euls):
            break
    assert answer.payload == m.payload
    assert answer.combined >= 2


def test_of_very_many_euls_the_best_are_kept(
    marked: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = marked("strings_canon").audio
    kept: list[int] = []
    real = payloads.combine

    def counted(readings: list[Any], *more: Any) -> Any:
        kept.append(len(readings))
        return real(readings, *more)

    monkeypatch.setattr(payloads, "combine", counted)
    monkeypatch.setattr(detector, "read_alone", lambda reading, *more: (None, 1, reading))
    found = detector.detect([audio.copy()], CODE, DetectorSettings(most_kept=2))
    assert len(found.euls) >= 4
    assert kept
    assert all(2 <= n < 4 for n in kept)


@pytest.mark.slow
def test_the_bound_counts_attempts(marked: Callable[..., Any], cut: Callable[..., Audio]) -> None:
    m = marked("rock")
    for answer in (found(m.audio), found(m.audio, OTHER_KEY), found(cut("rock"))):
        assert FALSE_ACCEPT <= answer.bound <= 1e-15
    assert found(m.audio).bound >= 4 * FALSE_ACCEPT


@pytest.mark.slow
def test_tonal_music_has_side_lobes(marked: Callable[..., Any]) -> None:
    """Cuts that leave the grid near an offset that is tried first: the best place wins, not the first."""
    m = marked("strings_canon", 8.0)
    for near in (-16, -15, 15, 16):
        for known in (0, 1105):
            start = 2 * RATE - known - near
            answer = found(m.audio[:, start : start + round(2.2 * RATE)])
            assert answer.payload == m.payload
            assert answer.start == pytest.approx(known + near, abs=0.3)


# --- marks that begin late, stop and go on


@pytest.fixture(scope="module")
def parts(cut: Callable[..., Any]) -> tuple[Audio, bytes]:
    """Six seconds of music with four parts, mono, of which every second reads alone."""
    payload = np.random.default_rng(1).bytes(700)
    audio = cut("caribbean", 6.0).mean(axis=0, keepdims=True)
    marked = soundsafe.embed(audio, RATE, payload, quality="fast", layers=("eul",)).audio
    assert [eul.ok for eul in found(marked).euls] == [True] * 6
    return marked, payload


@pytest.fixture(scope="module")
def unmarked(cut: Callable[..., Any]) -> Audio:
    return np.tile(cut("strings_canon", 8.0).mean(axis=0, keepdims=True), (1, 5))


@pytest.mark.slow
@pytest.mark.parametrize("late_s", [12.3, 19.2, 35.1])
def test_a_mark_that_begins_late_is_read_from_its_start(
    late_s: float, parts: tuple[Audio, bytes], unmarked: Audio
) -> None:
    marked, payload = parts
    answer = found(np.concatenate([unmarked[:, : round(late_s * RATE)], marked], axis=1))
    assert answer.payload == payload
    assert [eul.ok for eul in answer.euls] == [True] * 6
    assert answer.start == pytest.approx(late_s * RATE, abs=2)


@pytest.mark.slow
@pytest.mark.parametrize(("gap_s", "sizes", "patience"), [(3.3, [70_001, 3_000], 16), (9.5, [10**9], 4)])
def test_a_mark_that_goes_on_after_a_gap_is_read_at_once(
    gap_s: float, sizes: list[int], patience: int, parts: tuple[Audio, bytes], unmarked: Audio
) -> None:
    """Also where the detector waits the longest between two looks for the pilots: four seconds here."""
    marked, payload = parts
    gap = unmarked[:, : round(gap_s * RATE)]
    audio = np.concatenate([marked[:, : 2 * RATE], gap, marked], axis=1)
    answer = detect(pieces(audio, sizes), CODE, DetectorSettings(most_patience=patience))
    assert answer.payload == payload
    starts = [eul.start_s for eul in answer.euls]
    assert starts == sorted(starts)
    read = [eul.start_s for eul in answer.euls if eul.ok]
    assert read == pytest.approx([0, 1, *(2 + gap_s + np.arange(6))], abs=1e-3)


@pytest.mark.slow
def test_the_place_of_the_mark_that_answered(parts: tuple[Audio, bytes], marked: Callable[..., Any]) -> None:
    """Another mark before it, of which too little is there."""
    its, payload = parts
    other = soundsafe.embed(np.tile(its, 1), RATE, bytes(700), quality="fast", layers=("eul",)).audio
    answer = found(np.concatenate([other[:, : round(2.4 * RATE)], its], axis=1))
    assert answer.payload == payload
    assert answer.start is not None
    assert (answer.start - 2.4 * RATE) % EUL_SAMPLES == pytest.approx(0, abs=2)
