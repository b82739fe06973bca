"""Embedding and detection of arrays and files, on real audio, through real attacks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
import torch
from numpy.typing import NDArray

import soundsafe
from soundsafe import api, attacks
from soundsafe.aliases import Audio
from soundsafe.errors import InputError, NotMarkable
from soundsafe.message.container import payload_id

Cut = Callable[..., Audio]
Mark = Callable[..., Any]

RATE = 44_100
OTHER_KEY = bytes(range(32))
MUSIC = ["piano_moonlight", "strings_canon", "soundtrack_a_new_journey", "rock"]


def at_rate(audio: Audio, rate: int) -> Audio:
    return np.ascontiguousarray(soxr.resample(audio.T, RATE, rate, quality="VHQ").T, dtype=np.float32)


def noise(seconds: float, channels: int = 1, rate: int = RATE) -> Audio:
    shape = (channels, round(seconds * rate))
    return (0.1 * np.random.default_rng(0).standard_normal(shape)).astype(np.float32)


# --- what is read back


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clip", "attack"),
    [
        ("rock", "none"),
        ("rock", "gain_-3dB"),
        ("rock", "gain_+3dB"),
        ("rock", "limiter_-3dB"),
        ("rock", "limiter_drive_6dB"),
        ("piano_moonlight", "limiter_drive_6dB"),
        *((clip, "mp3_192") for clip in MUSIC),
    ],
)
def test_music_survives(clip: str, attack: str, marked: Mark) -> None:
    m = marked(clip)
    heard = attacks.get(attack).apply(m.audio.copy(), RATE, np.random.default_rng(0))
    answer = soundsafe.decode(heard, RATE)
    assert answer.ok
    assert answer.payload == m.payload
    assert sum(e.ok for e in answer.euls) >= (2 if attack == "mp3_192" else 3)
    assert answer.offset_samples == attacks.get(attack).delay_samples(RATE)


@pytest.mark.slow
def test_speech_survives(marked: Mark) -> None:
    m = marked("speech_ukrainian", 8.0)
    heard = attacks.get("mp3_192").apply(m.audio.copy(), RATE, np.random.default_rng(0))
    assert soundsafe.decode(heard, RATE).payload == m.payload


@pytest.mark.slow
@pytest.mark.parametrize("clip", ["strings_canon", "rock"])
def test_any_stretch_of_two_seconds_and_a_fifth(clip: str, marked: Mark) -> None:
    m = marked(clip, 8.0)
    length = round(2.2 * RATE)
    for start in np.random.default_rng(len(clip)).integers(0, 8 * RATE - length, 6):
        answer = soundsafe.decode(m.audio[:, start : start + length], RATE)
        assert answer.payload == m.payload, start
        assert (answer.offset_samples + start) % RATE in (0, 1, RATE - 1)


def test_the_same_by_file_and_by_torch(marked: Mark, tmp_path: Path) -> None:
    m = marked("rock")
    soundfile.write(tmp_path / "m.flac", m.audio.T, RATE, subtype="PCM_16")
    by_file = soundsafe.decode_file(tmp_path / "m.flac")
    assert by_file.payload == soundsafe.decode(torch.from_numpy(m.audio.copy()), RATE).payload == m.payload


@pytest.mark.slow
def test_another_key_finds_nothing(marked: Mark) -> None:
    m = marked("rock")
    answer = soundsafe.decode(m.audio, RATE, OTHER_KEY)
    assert not answer.ok
    assert answer.payload is None
    assert answer.id_hex is None
    assert answer.false_accept_bound < 1e-11  # the search tries an identifier's tag of 40 bits
    right = soundsafe.decode(m.audio, RATE)
    assert right.score > 3 * answer.score
    for eul in right.euls:
        assert np.mean(eul.bits != m.bits) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("clip", ["rock", "choral_nunc_dimittis", "speech_ukrainian"])
def test_unmarked_audio_holds_nothing(clip: str, cut: Cut) -> None:
    answer = soundsafe.decode(cut(clip), RATE)
    assert not answer.ok
    assert answer.euls == []
    assert answer.offset_samples is None


@pytest.mark.slow
def test_a_private_key(cut: Cut) -> None:
    marked = soundsafe.embed(cut("rock", 3.0), RATE, b"mine", OTHER_KEY).audio
    assert soundsafe.decode(marked, RATE, OTHER_KEY).payload == b"mine"
    assert not soundsafe.decode(marked, RATE).ok


@pytest.mark.slow
def test_other_payloads_give_other_marks(cut: Cut) -> None:
    a, b = (soundsafe.embed(cut("rock", 2.0), RATE, p, quality="fast").audio for p in (b"a", b"b"))
    assert a is not None
    assert b is not None
    assert not np.array_equal(a, b)
    assert soundsafe.decode(b, RATE).payload == b"b"


@pytest.mark.slow
@pytest.mark.parametrize("size", [175, 176, 400])
def test_long_payloads_take_several_euls(size: int, cut: Cut) -> None:
    payload = np.random.default_rng(size).bytes(size)
    answer = soundsafe.embed(cut("strings_canon", 4.0), RATE, payload)
    assert answer.payload_bytes == size
    assert answer.capacity_bytes_per_eul == 175
    heard = attacks.get("mp3_192").apply(answer.audio, RATE, np.random.default_rng(0))
    assert soundsafe.decode(heard, RATE).payload == payload


def test_a_payload_that_needs_more_seconds_than_there_are(cut: Cut) -> None:
    with pytest.raises(InputError, match="400 need 3 seconds"):
        soundsafe.embed(cut("rock", 2.0), RATE, bytes(400), quality="fast")


# --- what is changed


@pytest.mark.parametrize("clip", MUSIC)
def test_the_mark_is_quiet(clip: str, marked: Mark) -> None:
    m = marked(clip)
    assert m.audio.shape == m.original.shape
    assert m.audio.dtype == np.float32
    assert m.answer.snr_db > 20
    assert 0 < m.answer.zimtohrli < 4e-4
    assert m.answer.euls == 4
    assert m.answer.euls_verified >= 3
    assert np.abs(m.audio).max() <= max(np.abs(m.original).max(), 1.0)
    difference = m.audio - m.original
    snr_db = 10 * np.log10(np.sum(m.original.astype(float) ** 2) / np.sum(difference.astype(float) ** 2))
    assert m.answer.snr_db == pytest.approx(snr_db, abs=0.01)


@pytest.mark.parametrize("channels", [1, 2])
def test_silence_throughout_cannot_be_marked(channels: int) -> None:
    with pytest.raises(NotMarkable, match="silent throughout"):
        soundsafe.embed(np.zeros((channels, 3 * RATE), np.float32), RATE, b"x")


def test_near_silence_cannot_be_marked() -> None:
    with pytest.raises(NotMarkable, match="nothing can be marked"):
        soundsafe.embed(noise(2.0) * np.float32(1e-7), RATE, b"x")


@pytest.mark.slow
def test_loud_audio_is_not_clipped(cut: Cut) -> None:
    audio = cut("rock", 3.0) / np.abs(cut("rock", 3.0)).max()
    for rate in (RATE, 48_000):
        loud = at_rate(audio, rate) if rate != RATE else audio
        loud = loud / np.abs(loud).max()  # peaks between samples are above full scale
        answer = soundsafe.embed(loud, rate, b"loud")
        assert np.abs(answer.audio).max() <= 1.0
        assert soundsafe.decode(answer.audio, rate).payload == b"loud"


@pytest.mark.slow
def test_the_input_is_left_alone(cut: Cut) -> None:
    audio = cut("rock", 2.0).copy()
    kept = audio.copy()
    soundsafe.embed(audio, RATE, b"x", quality="fast")
    soundsafe.decode(audio, RATE)
    assert np.array_equal(audio, kept)


# --- rates and channels


@pytest.mark.slow
@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 32_000, 48_000, 96_000, 192_000])
def test_rates(rate: int, cut: Cut) -> None:
    audio = at_rate(cut("rock", 3.0), rate)
    if rate < 16_000:  # most of the band is gone: a mark, or a refusal that says so
        try:
            soundsafe.embed(audio, rate, b"rate")
        except NotMarkable as refusal:
            refused = str(refusal)
        else:
            refused = "does not read back"
        assert "does not read back" in refused
        return
    answer = soundsafe.embed(audio, rate, b"rate")
    assert answer.audio is not None
    assert answer.audio.shape == audio.shape
    decoded = soundsafe.decode(answer.audio, rate)
    assert decoded.payload == b"rate"
    if rate > RATE:  # and at another rate than the one it was marked at
        back = soxr.resample(answer.audio.T, rate, RATE, quality="VHQ").T
        assert soundsafe.decode(back, RATE).payload == b"rate"


@pytest.mark.parametrize("kind", [np.uint16, np.int32])
def test_rates_of_any_type_of_integer(kind: type, cut: Cut) -> None:
    audio = cut("rock", 2.0)
    answer = soundsafe.embed(audio, kind(RATE), b"rate", quality="fast", layers=("eul",))
    assert soundsafe.decode(answer.audio, kind(RATE)).payload == b"rate"
    assert len(soundsafe.layouts(audio, kind(RATE))) == 2


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3, 8])
def test_channels(channels: int, cut: Cut) -> None:
    stack = np.concatenate(
        [cut(name, 2.0) for name in ("rock", "strings_canon", "piano_moonlight", "caribbean")]
    )
    audio = np.ascontiguousarray(stack[:channels])
    answer = soundsafe.embed(audio, RATE, b"many", quality="fast")
    assert answer.audio is not None
    assert answer.audio.shape == audio.shape
    assert soundsafe.decode(answer.audio, RATE).payload == b"many"
    assert soundsafe.decode(answer.audio.mean(axis=0, keepdims=True), RATE).payload == b"many"


@pytest.mark.slow
@pytest.mark.parametrize("clip", ["piano_moonlight", "rock"])
def test_a_downmix_and_each_channel_alone(clip: str, marked: Mark) -> None:
    m = marked(clip, 8.0)
    for heard in (m.audio.mean(axis=0, keepdims=True), m.audio[:1], m.audio[1:]):
        assert soundsafe.decode(heard, RATE).payload == m.payload


@pytest.mark.slow
@pytest.mark.parametrize(("parts", "heard"), [(2, "left"), (4, "mean")])
def test_several_parts_in_a_downmix_and_in_one_channel(parts: int, heard: str, cut: Cut) -> None:
    audio = np.concatenate([cut("caribbean", 7.0), cut("rock", 6.0)], axis=1)
    payload = bytes(range(175)) * parts
    marked = soundsafe.embed(audio, RATE, payload, quality="fast", layers=("eul",)).audio
    mono = marked[:1] if heard == "left" else marked.mean(axis=0, keepdims=True)
    assert soundsafe.decode(mono, RATE).payload == payload


@pytest.mark.slow
def test_one_silent_channel(cut: Cut) -> None:
    audio = cut("rock", 8.0).copy()
    audio[1] = 0.0
    answer = soundsafe.embed(audio, RATE, b"left")
    assert np.count_nonzero(answer.audio[1]) == 0
    assert soundsafe.decode(answer.audio, RATE).payload == b"left"


# --- forms of input


@pytest.mark.slow
def test_forms_of_the_same_audio(cut: Cut) -> None:
    audio = cut("strings_canon", 2.0)
    wanted = soundsafe.embed(audio, RATE, b"x", quality="fast").audio
    forms = (
        audio.astype(np.float64),
        torch.from_numpy(audio.copy()),
        torch.from_numpy(audio.copy()).double().requires_grad_(),
        np.ascontiguousarray(audio.T).T,
    )
    for form in forms:
        answer = soundsafe.embed(form, RATE, b"x", quality="fast")
        assert isinstance(answer.audio, np.ndarray)
        assert np.array_equal(answer.audio, wanted)
    flat = soundsafe.embed(audio[0], RATE, b"x", quality="fast").audio
    assert np.array_equal(flat, soundsafe.embed(audio[:1], RATE, b"x", quality="fast").audio)


@pytest.mark.parametrize(
    ("audio", "rate", "message"),
    [
        (np.zeros((0, 100)), RATE, "0 channels"),
        (np.zeros((2, 0)), RATE, "empty"),
        (np.zeros((2, 2, RATE)), RATE, "shape"),
        (np.zeros(()), RATE, "shape"),
        (np.zeros((RATE, 2)), RATE, "44100 channels"),
        (np.zeros((9, RATE)), RATE, "9 channels"),
        (np.zeros((1, RATE), np.int16), RATE, "int16"),
        (np.full((1, RATE), np.nan), RATE, "finite"),
        (np.full((1, RATE), np.inf), RATE, "finite"),
        (np.zeros((1, RATE)), 7_999, "7999 Hz"),
        (np.zeros((1, RATE)), 192_001, "192001 Hz"),
    ],
)
def test_audio_that_cannot_be_worked_on(audio: NDArray[Any], rate: int, message: str) -> None:
    for call in (lambda: soundsafe.embed(audio, rate, b"x"), lambda: soundsafe.decode(audio, rate)):
        with pytest.raises(InputError, match=message):
            call()


def test_requests_that_cannot_be_met(cut: Cut) -> None:
    audio = cut("rock", 2.0)
    for payload in (b"", bytes(4097)):
        with pytest.raises(InputError, match="1 to 4096 bytes"):
            soundsafe.embed(audio, RATE, payload)
    with pytest.raises(InputError, match="quality 'loud'"):
        soundsafe.embed(audio, RATE, b"x", quality="loud")
    with pytest.raises(InputError, match="unknown layers"):
        soundsafe.embed(audio, RATE, b"x", layers=("tile",))
    with pytest.raises(InputError, match="at least one second"):
        soundsafe.embed(audio[:, : RATE - 1], RATE, b"x")


@pytest.mark.parametrize("samples", [1, 100, 441, 5_000, RATE - 1])
def test_short_audio_is_decoded_to_nothing(samples: int) -> None:
    assert not soundsafe.decode(noise(1.0)[:, :samples], RATE).ok


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1.0, 1.5, 2.999])
def test_lengths_that_are_no_whole_seconds(seconds: float, cut: Cut) -> None:
    audio = cut("strings_canon", seconds)
    answer = soundsafe.embed(audio, RATE, b"x")
    assert answer.audio is not None
    assert answer.audio.shape == audio.shape
    assert answer.euls == int(seconds)
    assert soundsafe.decode(answer.audio, RATE).payload == b"x"


# --- files


def test_nothing_is_written_where_nothing_reads_back(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", np.zeros((2 * RATE, 1)), RATE)
    with pytest.raises(NotMarkable, match=r"in\.wav is silent throughout"):
        soundsafe.embed_file(tmp_path / "in.wav", tmp_path / "out.wav", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["in.wav"]


def test_progress_rises_to_one(cut: Cut, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.flac", cut("rock", 2.0).T, RATE)
    seen: list[float] = []
    soundsafe.embed_file(
        tmp_path / "in.flac",
        tmp_path / "out.flac",
        b"x",
        quality="fast",
        progress=lambda s, _: seen.append(s),
    )
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert min(seen) >= 0.0


# --- what the bench asks


def test_layouts_are_the_embedders(marked: Mark) -> None:
    """The original and the marked audio name the same slots, and those are what the detector took."""
    m = marked("strings_canon")
    before, after = soundsafe.layouts(m.original, RATE), soundsafe.layouts(m.audio, RATE)
    by_torch = soundsafe.layouts(torch.from_numpy(m.audio.copy()).requires_grad_(), RATE)
    assert [e.slots for e in by_torch] == [e.slots for e in after]
    taken = soundsafe.decode(m.audio, RATE).euls
    assert len(before) == len(after) == len(taken) == 4
    same = [a.slots == b.slots == c.slots for a, b, c in zip(before, after, taken, strict=True)]
    assert sum(same) >= 3
    assert all(sum(e.allocator["bits_per_band"]) == 2040 for e in before)


def test_cost_is_reported(marked: Mark) -> None:
    answer = marked("rock").answer
    assert answer.realtime_factor == pytest.approx(answer.seconds / 4.0)
    decoded = soundsafe.decode(marked("rock").audio, RATE)
    assert decoded.realtime_factor == pytest.approx(decoded.seconds / 4.0)
    assert decoded.id_hex == payload_id(marked("rock").payload).hex()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_does_not_wait_until_all_is_compared(
    stop: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()
    compared = 0

    def blocks() -> Iterator[Audio]:
        nonlocal compared
        for _ in range(200):
            yield noise(0.001)
            compared += 1
            begun.set()
            time.sleep(0.01)

    def interrupted(*_: object) -> None:
        assert begun.wait(10)
        raise stop

    monkeypatch.setattr(api, "detect", interrupted)
    again = iter([noise(1.0)])
    with pytest.raises(stop):
        api._verified(blocks(), (noise(0.001) for _ in range(200)), again, RATE, api.CellCode())
    assert compared < 100
