"""Tile layer, search, speed and splices together, on a bundled clip."""

from __future__ import annotations

import numpy as np
import pytest

import soundsafe
from soundsafe import datasets
from soundsafe.aliases import Audio
from soundsafe.attacks import get
from soundsafe.attacks.speed import change_speed
from soundsafe.cells.code import CellCode
from soundsafe.message.container import Tally, payload_id
from soundsafe.recovery.speed import undo_speed
from soundsafe.recovery.warped import read_warped
from soundsafe.tiles.detector import Words, read_words
from soundsafe.tiles.embedder import mark_tiles
from soundsafe.tiles.geometry import ROBUST_TILES, TileCode
from soundsafe.tiles.warp import Spectrogram, Warp, find, search

pytestmark = pytest.mark.xdist_group("tiles")  # one worker makes what they share

KEY = bytes(range(32))
PAYLOAD = bytes(range(175))
RATE = 44_100


@pytest.fixture(scope="module")
def music() -> Audio:
    clip = next(c for c in datasets.load("bundled").clips if "rock" in c.clip)
    audio, rate = clip.read()
    assert rate == RATE
    return audio[:, : 8 * RATE]


@pytest.fixture(scope="module")
def tiled(music: Audio) -> Audio:
    return mark_tiles(music, PAYLOAD, TileCode(KEY))


@pytest.fixture(scope="module")
def both(music: Audio) -> Audio:
    marked = soundsafe.embed(music, RATE, PAYLOAD, KEY, quality="fast", layers=("eul", "tile")).audio
    assert marked is not None
    return np.asarray(marked)


def attacked(audio: Audio, name: str) -> Audio:
    return get(name).apply(audio, RATE, np.random.default_rng(0))


def read_tiles(audio: Audio, key: bytes) -> tuple[Warp, Words]:
    spec = Spectrogram(audio, TileCode(key).geometry)
    warp = find(spec)
    return warp, read_words(spec, warp, TileCode(key), 64)


def offset_s(warp: Warp) -> float:
    """Where the marked audio's sample 0 would lie."""
    return (warp.start - warp.block * ROBUST_TILES.block / warp.tempo) / RATE


def test_marking_changes_little_and_keeps_the_shape(music: Audio, tiled: Audio) -> None:
    assert tiled.shape == music.shape
    assert tiled.dtype == np.float32
    snr = 10 * np.log10(np.sum(music**2) / np.sum((tiled - music) ** 2))
    assert snr > 24


@pytest.mark.parametrize(
    ("name", "tempo", "pitch"),
    [
        ("none", 1.0, 1.0),
        ("tempo_signalsmith_+5%", 1.05, 1.0),
        ("pitch_signalsmith_-5%", 1.0, 0.95),
        ("tempo_wsola_-2%", 0.98, 1.0),
        ("gain_-3dB", 1.0, 1.0),
    ],
)
def test_the_identifier_comes_back_with_the_factors(
    tiled: Audio, name: str, tempo: float, pitch: float
) -> None:
    warp, words = read_tiles(attacked(tiled, name), KEY)
    assert words.identifier == payload_id(PAYLOAD)
    assert warp.tempo == pytest.approx(tempo, rel=1e-3)
    assert warp.pitch == pytest.approx(pitch, rel=2e-3)
    assert abs((offset_s(warp) + 16) % 32 - 16) < 0.02


def test_a_cut_is_found(tiled: Audio) -> None:
    warp, words = read_tiles(tiled[:, 50_000:], KEY)
    assert words.identifier == payload_id(PAYLOAD)
    assert (offset_s(warp) + 50_000 / RATE + 16) % 32 - 16 == pytest.approx(0, abs=0.003)


@pytest.mark.slow
def test_pilots_that_a_few_seconds_do_not_show_are_found_in_more(music: Audio) -> None:
    marked = mark_tiles(np.concatenate([music, music], axis=1), PAYLOAD, TileCode(KEY))
    noise = np.random.default_rng(0).standard_normal(marked.shape).astype(np.float32)
    noisy = marked + noise * marked.std() * np.float32(10 ** (-9 / 20))
    spec = Spectrogram(noisy, TileCode(KEY).geometry)
    few, _ = search(spec, [(1.0, 1.0)], 5.5, 10.5)
    assert few[0].z < 6
    warp = find(spec)
    assert warp.z > 6.5
    assert (warp.tempo, warp.pitch) == pytest.approx((1.0, 1.0), abs=1e-3)
    assert (offset_s(warp) + 16) % 32 - 16 == pytest.approx(0, abs=0.003)


@pytest.mark.slow
def test_another_key_and_unmarked_audio_read_nothing(music: Audio, tiled: Audio) -> None:
    for audio, key in ((tiled, bytes(32)), (music, KEY)):
        warp, words = read_tiles(audio, key)
        assert warp.z < 6.5
        assert words.identifier is None
        assert words.payload is None


@pytest.mark.slow
def test_the_payload_comes_back_from_enough_audio(music: Audio) -> None:
    marked = mark_tiles(np.concatenate([music, music], axis=1), PAYLOAD, TileCode(KEY))
    _, words = read_tiles(attacked(marked, "tempo_signalsmith_-5%"), KEY)
    assert words.payload == PAYLOAD


@pytest.mark.slow
def test_speed_is_undone_to_a_millionth(both: Audio) -> None:
    undone = undo_speed(attacked(both, "speed_+5%"), 1.0501, CellCode(KEY))
    assert undone is not None
    audio, factor = undone
    assert factor == pytest.approx(1.05, rel=1e-6)
    euls = soundsafe.decode(audio, RATE, KEY).euls
    assert sum(e.ok for e in euls) >= 6


@pytest.mark.slow
def test_both_layers_leave_the_loudness(music: Audio, both: Audio) -> None:
    inner = slice(RATE, 7 * RATE)
    change_db = 10 * np.log10(np.sum(both[:, inner] ** 2) / np.sum(music[:, inner] ** 2))
    assert abs(change_db) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("name", ["speed_-2%", "tempo_wsola_+5%"])
def test_the_cell_layer_answers_where_the_waveform_survives(both: Audio, name: str) -> None:
    reading = read_warped(attacked(both, name)[:, : 6 * RATE], CellCode(KEY), TileCode(KEY), tally=Tally())
    assert reading is not None
    assert reading.payload == PAYLOAD
    assert reading.layer == "eul"


@pytest.mark.slow
def test_decode_undoes_speed_and_reads_every_eul(both: Audio) -> None:
    answer = soundsafe.decode(change_speed(both, 1.03), RATE, KEY)
    assert (answer.ok, answer.payload, answer.layer) == (True, PAYLOAD, "eul")
    assert answer.speed == answer.tempo == answer.pitch == pytest.approx(1.03, rel=1e-6)
    assert answer.factor_confidence > 0.999
    assert answer.offset_samples == pytest.approx(0, abs=2)
    assert sum(e.ok for e in answer.euls) >= 6
    np.testing.assert_allclose([e.start_s * 1.03 for e in answer.euls], np.arange(8), atol=1e-3)


@pytest.mark.slow
def test_speed_is_found_around_a_pause(both: Audio) -> None:
    """The middle, where it is looked for first, is silent, as a pause in speech is."""
    faster = change_speed(both, 1.03)
    faster[:, round(3.2 * RATE) : round(6.1 * RATE)] = 0
    answer = soundsafe.decode(faster, RATE, KEY)
    assert answer.speed == pytest.approx(1.03, rel=2e-6)
    assert sum(e.ok for e in answer.euls) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("ppm", [100, -100])
def test_two_clocks_that_differ_are_told_apart(both: Audio, ppm: int) -> None:
    """The pilots still answer as they are, and no second reads."""
    answer = soundsafe.decode(change_speed(both, 1.0 + ppm * 1e-6), RATE, KEY)
    assert (answer.ok, answer.layer, answer.combined) == (True, "eul", 0)
    assert answer.speed == pytest.approx(1.0 + ppm * 1e-6, rel=2e-6)
    assert sum(e.ok for e in answer.euls) >= 6


@pytest.mark.slow
def test_decode_reads_the_tiles_after_a_phase_vocoder(music: Audio) -> None:
    long = np.concatenate([music, music[:, : 4 * RATE]], axis=1)
    marked = soundsafe.embed(long, RATE, PAYLOAD, KEY, quality="fast", layers=("eul", "tile")).audio
    assert marked is not None
    plain = soundsafe.decode(marked, RATE, KEY)
    assert (plain.layer, plain.payload, plain.tempo, plain.factor_confidence) == ("eul", PAYLOAD, 1.0, 1.0)
    heard = attacked(marked, "tempo_signalsmith_+5%")
    answer = soundsafe.decode(heard, RATE, KEY)
    assert (answer.ok, answer.payload, answer.layer) == (True, PAYLOAD, "tile")
    assert answer.tempo == pytest.approx(1.05, rel=1e-3)
    assert answer.pitch == pytest.approx(1.0, rel=2e-3)
    assert answer.false_accept_bound < 1e-10
    short = soundsafe.decode(heard[:, : 5 * RATE], RATE, KEY)
    assert (short.ok, short.payload, short.id_ok) == (False, None, True)
    assert short.id_hex == payload_id(PAYLOAD).hex()


def test_short_audio_is_no_error(music: Audio, both: Audio) -> None:
    assert read_warped(music[:, :40_000], CellCode(KEY), TileCode(KEY), tally=Tally()) is None
    assert mark_tiles(both[:, :1000], PAYLOAD, TileCode(KEY)).shape == (2, 1000)


def test_silence_is_no_error() -> None:
    silence = np.zeros((1, 3 * RATE), np.float32)
    assert not mark_tiles(silence, PAYLOAD, TileCode(KEY)).any()
    assert read_tiles(silence, KEY)[1].identifier is None
