"""Marks that are bound to their audio, from `embed` to `decode`."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import soundsafe
from soundsafe import attacks, datasets
from soundsafe.attacks.learned import remove_pilots, remove_tile_pilots
from soundsafe.attacks.learning import TileSymbols, learn_pilots
from soundsafe.cells.code import CellCode
from soundsafe.cells.profile import LEARNABLE
from soundsafe.streams.layers import tile_code_beside
from soundsafe.tiles.detector import read_words
from soundsafe.tiles.geometry import TileCode
from soundsafe.tiles.warp import Spectrogram, find

RATE = 44_100
KEY = bytes(range(32))
PAYLOAD = b"bound to audio"
Audio = NDArray[np.float32]

pytestmark = pytest.mark.slow


def clip(name: str) -> Audio:
    (found,) = [c for c in datasets.load("bundled").clips if c.clip == name]
    return np.ascontiguousarray(found.read()[0])


def decode(audio: Audio, key: bytes = KEY) -> soundsafe.Decoded:
    return soundsafe.decode(audio, RATE, key)


@pytest.fixture(scope="module")
def marked() -> Audio:
    made = soundsafe.embed(clip("rock"), RATE, PAYLOAD, KEY, quality="fast")
    assert made.audio is not None
    assert made.euls_verified == made.euls
    return made.audio


def test_from_any_sample_and_after_a_codec(marked: Audio) -> None:
    for audio in (marked[:, 25_003:], attacks.get("mp3_128").apply(marked, RATE, np.random.default_rng(0))):
        found = decode(audio)
        assert found.payload == PAYLOAD
        assert not found.warnings
        assert sum(eul.ok for eul in found.euls) >= 5


def test_after_a_change_of_tempo(marked: Audio) -> None:
    stretched = attacks.get("tempo_signalsmith_+5%").apply(marked, RATE, np.random.default_rng(0))
    tiles = tile_code_beside(CellCode(KEY))
    spec = Spectrogram(stretched, tiles.geometry)
    words = read_words(spec, find(spec), tiles, 64)
    assert words.payload == PAYLOAD
    assert not words.is_learnable
    other = tile_code_beside(CellCode(KEY, LEARNABLE))
    assert read_words(spec, find(spec), other, 64).payload is None  # nothing of it follows from the key alone


def test_the_first_version_and_other_keys_read_nothing(marked: Audio) -> None:
    start = marked[:, : 2 * RATE]
    assert not soundsafe.decode(start, RATE, KEY, profile=LEARNABLE).ok
    assert not decode(start, bytes(32)).ok


def test_other_audio_with_the_same_change_reads_nothing(marked: Audio) -> None:
    other = clip("caribbean")[:, : 3 * RATE]
    carried = other + (marked - clip("rock"))[:, : 3 * RATE]
    assert not decode(carried).ok


def test_learned_pilots_gone_it_still_reads(marked: Audio) -> None:
    short = marked[:, : 4 * RATE]
    removed = remove_pilots(short, learn_pilots([short]))
    found = decode(removed)
    assert found.payload == PAYLOAD
    assert sum(eul.ok for eul in found.euls) >= 3


def all_tile_pilots() -> TileSymbols:
    """The pilots of the tile layer, as an adversary would have them at best."""
    geo = TileCode(KEY).geometry
    pattern = np.zeros((geo.bands, 2, geo.profile.block_tiles), np.int64)
    turn = np.full((geo.bands, 2, geo.profile.cycle), np.nan)
    for pilot in geo.pilot:
        row = int(pilot) % 2
        pattern[geo.band[pilot], row, geo.position[pilot]] = geo.sign[pilot]
        turn[geo.band[pilot], row] = geo.phase[:, pilot]
    return TileSymbols(pattern, turn, np.full(turn.shape[:2], 100.0))


def test_all_pilots_gone_and_cut_short_payloads_still_read() -> None:
    audio = clip("rock").mean(axis=0, keepdims=True)
    marked = soundsafe.embed(audio, RATE, PAYLOAD, KEY, quality="fast").audio
    assert marked is not None
    geo = TileCode(KEY).geometry
    removed = remove_tile_pilots(remove_pilots(marked, learn_pilots([marked])), all_tile_pilots())
    assert find(Spectrogram(removed, geo)).z < 6.5 < find(Spectrogram(marked, geo)).z
    found = decode(np.ascontiguousarray(removed[:, 12_345:]))
    assert (found.payload, found.layer) == (PAYLOAD, "tile")


def test_marks_of_the_first_version_read_with_a_warning() -> None:
    start = clip("rock")[:, : 3 * RATE]
    made = soundsafe.embed(start, RATE, PAYLOAD, KEY, layers="eul", quality="fast", profile=LEARNABLE)
    assert made.audio is not None
    found = decode(made.audio)
    assert found.payload == PAYLOAD
    assert len(found.warnings) == 1
    assert "forge" in found.warnings[0]
    assert not soundsafe.decode(made.audio, RATE, KEY, profile=LEARNABLE).warnings
