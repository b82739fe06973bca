"""Tiles are found without their pilots, in audio that was cut."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from soundsafe.aliases import Audio
from soundsafe.stft import RATE
from soundsafe.tiles.detector import read_words
from soundsafe.tiles.embedder import SHORT_EFFORT, mark_tiles
from soundsafe.tiles.geometry import TileCode
from soundsafe.tiles.unpiloted import find_unpiloted
from soundsafe.tiles.warp import Spectrogram

CODE = TileCode(bytes(range(32)))
CUT = 12_345


@pytest.fixture(scope="module")
def music(cut: Callable[..., Audio]) -> Audio:
    return cut("rock", 8.0)


def test_where_blocks_begin_and_what_they_say(music: Audio) -> None:
    marked = mark_tiles(music, b"short", CODE.short, effort=SHORT_EFFORT)[:, CUT:]
    spec = Spectrogram(np.ascontiguousarray(marked), CODE.geometry)
    found = find_unpiloted(spec, CODE)
    assert found is not None
    assert found.z > 8.0
    origin = found.start - found.block * CODE.profile.block + CUT
    assert abs(origin) <= 220
    assert read_words(spec, found, CODE, 64).payload == b"short"


def test_nothing_stands_out_without_a_mark_or_under_another_key(music: Audio) -> None:
    spec = Spectrogram(music, CODE.geometry)
    found = find_unpiloted(spec, CODE)
    assert found is not None
    assert found.z < 5.5
    assert found.tried >= 64 * CODE.profile.cycle


def test_too_little_audio_says_nothing(music: Audio) -> None:
    assert find_unpiloted(Spectrogram(music[:, : 2 * RATE], CODE.geometry), CODE) is None
