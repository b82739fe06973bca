"""What somebody without the key learns from marked audio, on short bundled clips."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

import soundsafe
from soundsafe import attacks, datasets
from soundsafe.attacks import learning
from soundsafe.attacks.learned import remove_pilots, remove_tile_pilots, write_tiles
from soundsafe.cells.profile import LEARNABLE
from soundsafe.eval.commands.learn_key import right_pilots, right_symbols
from soundsafe.tiles.embedder import mark_tiles
from soundsafe.tiles.geometry import LEARNABLE_TILES, TileCode

pytestmark = pytest.mark.xdist_group("learning")  # one worker makes what they share

RATE = 44100
KEY = bytes(range(32))
PAYLOAD = b"of the owner, in a block of its own"
FEW = np.arange(4, 148, 16)
Audio = NDArray[np.float32]


def clip(name: str) -> Audio:
    (found,) = [c for c in datasets.load("bundled").clips if c.clip == name]
    return np.ascontiguousarray(found.read()[0].mean(axis=0, keepdims=True))


@pytest.fixture(scope="module")
def plain() -> dict[str, Audio]:
    return {str(c.clip): clip(str(c.clip)) for c in datasets.load("bundled").clips}


@pytest.fixture(scope="module")
def tiled(plain: dict[str, Audio]) -> list[Audio]:
    """Six clips with the tile layer alone."""
    return [mark_tiles(audio, PAYLOAD, TileCode(KEY, LEARNABLE_TILES)) for audio in list(plain.values())[:6]]


@pytest.fixture(scope="module")
def marked(plain: dict[str, Audio]) -> Audio:
    made = soundsafe.embed(
        plain["rock"], RATE, PAYLOAD, KEY, layers=("eul",), quality="fast", profile=LEARNABLE
    )
    assert made.audio is not None
    return made.audio


def test_what_is_no_secret_is_that_of_every_key() -> None:
    geo = TileCode(KEY).geometry
    np.testing.assert_array_equal(learning.tile_edges(), geo.edges)
    np.testing.assert_array_equal(learning.pilot_tile_bands(), geo.pilot_bands)


@pytest.mark.slow
def test_symbols_are_learned_from_six_clips(tiled: list[Audio]) -> None:
    found = learning.learn_tiles(tiled, bands=FEW)
    right, _ = right_symbols(found, KEY)
    assert right >= 0.7 * 2 * len(FEW)
    assert right_symbols(found, bytes(32))[0] == 0
    assert (found.pattern[np.setdiff1d(np.arange(148), FEW)] == 0).all()
    assert np.median(found.score[FEW]) > 8


def test_nothing_is_learned_from_audio_that_is_not_marked(plain: dict[str, Audio]) -> None:
    found = learning.learn_tiles(list(plain.values())[:6], bands=FEW[:3])
    assert right_symbols(found, KEY)[0] == 0


@pytest.mark.slow
def test_pilots_of_other_payloads_are_learned_too(plain: dict[str, Audio]) -> None:
    names = list(plain)[:6]
    own = [mark_tiles(plain[name], name.encode(), TileCode(KEY, LEARNABLE_TILES)) for name in names]
    bands = learning.pilot_tile_bands()[2:20:3]
    assert right_symbols(learning.learn_tiles(own, alike=False, bands=bands), KEY)[0] >= 8


@pytest.mark.slow
def test_all_cell_pilots_are_learned_from_one_clip(marked: Audio, plain: dict[str, Audio]) -> None:
    found = learning.learn_pilots([marked])
    carriers, signs = right_pilots(found, KEY)
    assert carriers == 8
    assert signs >= 790
    assert min(pilot.score for pilot in found) > 12
    assert right_pilots(learning.learn_pilots([plain["rock"]]), KEY)[0] <= 1


@pytest.mark.slow
def test_learned_pilots_remove_where_others_do_not(marked: Audio) -> None:
    pilots = learning.learn_pilots([marked])
    removed = remove_pilots(marked, pilots)
    assert not soundsafe.decode(removed, RATE, KEY, profile=LEARNABLE).ok
    noise = float(np.sum((removed - marked) ** 2) / np.sum(marked**2))
    assert noise < 10**-2.8
    other = [
        dataclasses.replace(p, root=np.roll(p.root * [1, 1, 1, 1, 1, 1j], 1), dither=0.3) for p in pilots
    ]
    kept = soundsafe.decode(remove_pilots(marked, other), RATE, KEY, profile=LEARNABLE)
    assert kept.ok
    assert sum(eul.ok for eul in kept.euls) == 8


@pytest.mark.slow
def test_the_learned_word_is_read_where_nothing_was_marked(
    plain: dict[str, Audio], tiled: list[Audio]
) -> None:
    target = plain["strings_canon"]
    symbols = learning.learn_tiles([*tiled[:1], *tiled[2:], *tiled[:1]])
    forged = write_tiles(target, symbols)
    assert not soundsafe.decode(target, RATE, KEY).id_ok
    found = soundsafe.decode(forged, RATE, KEY)
    assert found.id_ok
    assert found.id_hex == soundsafe.message.container.payload_id(PAYLOAD).hex()
    gone = remove_tile_pilots(forged, symbols)
    assert not soundsafe.decode(gone, RATE, KEY).id_ok


@pytest.mark.slow
def test_the_attack_removes_at_another_rate_too(plain: dict[str, Audio]) -> None:
    audio = soundsafe.codecs.resample(plain["rock"], RATE, 48000)
    made = soundsafe.embed(audio, 48000, PAYLOAD, KEY, layers=("eul",), quality="fast", profile=LEARNABLE)
    assert made.audio is not None
    access = attacks.Access(
        copies=lambda n: [], others=lambda n: [], mark=lambda audio: audio, ask=lambda audio: (False, 0.0)
    )
    removed = attacks.get("learned_removal_0").apply(made.audio, 48000, np.random.default_rng(0), access)
    assert removed.shape == made.audio.shape
    assert soundsafe.decode(made.audio, 48000, KEY, profile=LEARNABLE).ok
    assert not soundsafe.decode(removed, 48000, KEY, profile=LEARNABLE).ok


def test_few_blocks_of_one_kind_show_nothing_and_many_all() -> None:
    rng = np.random.default_rng(0)
    period, pattern = 12.0, rng.permutation(np.r_[np.ones(4), -np.ones(4), np.zeros(8)]).astype(np.int64)

    def learned(blocks: int) -> bool:
        """Whether the symbol stands out where it lies on one phase of the lattice, with some noise."""
        levels = 6.0 * rng.standard_normal((blocks, 16))
        place = levels @ pattern
        wanted = np.round(place / period) * period + 0.08 * period * rng.standard_normal(blocks)
        levels += np.outer(wanted - place, pattern) / 8.0
        found, _ = learning.best_symbols(levels, np.zeros(blocks, np.int64), period)
        return bool((np.abs(found @ pattern) == 8).any())

    assert learned(48)
    assert not any(learned(4) for _ in range(3))
