from __future__ import annotations

import math

import numpy as np
import pytest

from soundsafe.cells.profile import EUL_SAMPLES, PHASES
from soundsafe.tiles import geometry
from soundsafe.tiles.blocks import shared_symbols
from soundsafe.tiles.geometry import ROBUST_TILES, TileCode, TileProfile

KEY = bytes(range(32))


def test_every_tile_of_a_block_belongs_to_one_symbol() -> None:
    geo = TileCode(KEY).geometry
    used = np.zeros((geo.bands, ROBUST_TILES.block_tiles), int)
    np.add.at(used, (geo.band[:, None], geo.position), 1)
    assert (used == 1).all()
    assert (geo.sign.sum(axis=1) == 0).all()


def test_every_symbol_has_one_role_and_every_bit_of_the_word_one_place() -> None:
    geo = TileCode(KEY).geometry
    for c in range(ROBUST_TILES.cycle):
        every = np.concatenate([geo.pilot, geo.identifier[c], geo.payload[c]])
        assert sorted(every) == list(range(len(geo.band)))
    assert geo.payload.size == geo.word * ROBUST_TILES.repeats
    for part in geo.payload_index.reshape(ROBUST_TILES.repeats, -1):
        assert sorted(part) == list(range(geo.word))


def test_a_cycle_holds_whole_periods_of_the_cell_layer() -> None:
    assert ROBUST_TILES.cycle * ROBUST_TILES.block % (PHASES * EUL_SAMPLES) == 0


def test_the_key_decides() -> None:
    one, other = TileCode(KEY).geometry, TileCode(bytes(32)).geometry
    assert not np.array_equal(one.position, other.position)
    assert abs(np.corrcoef(one.phase.reshape(-1), other.phase.reshape(-1))[0, 1]) < 0.05


def test_relative_levels_ignore_gain() -> None:
    rng = np.random.default_rng(0)
    audio = (0.1 * rng.standard_normal((2, 3 * 44_100))).astype(np.float32)
    geo = TileCode(KEY).geometry
    matrix = geometry.edges_matrix(geo.edges)
    out = []
    for gain in (1.0, 0.3):
        power = geometry.band_power(geometry.power_spectrum(audio * np.float32(gain)), matrix, audio.shape[1])
        out.append(geometry.relative(geometry.levels(power, 0.0, 1.0, 64, ROBUST_TILES)[0], ROBUST_TILES))
    np.testing.assert_allclose(out[0], out[1], atol=1e-3)


def test_a_band_that_lies_deeper_is_told() -> None:
    geo = TileCode(KEY).geometry
    level = np.zeros((geo.bands, 2 * ROBUST_TILES.block_tiles))
    level[70] = -11.0
    depth = shared_symbols(np.arange(2), TileCode(KEY)).means(geometry.depths(level))
    assert depth.shape == (2, len(geo.band))
    np.testing.assert_allclose(depth[:, geo.band == 70], 10.0)
    np.testing.assert_allclose(depth[:, geo.band == 72], -1.0)
    np.testing.assert_allclose(depth[:, geo.band == 100], 0.0, atol=1e-9)


def test_bands_share_out_the_energy() -> None:
    geo = TileCode(KEY).geometry
    for pitch in (0.95, 1.0, 1.05):
        matrix = geometry.edges_matrix(geo.edges, pitch)
        assert matrix.min() >= 0
        assert matrix.sum(axis=0).max() <= 1 + 1e-9
        width = np.diff(geo.edges) * pitch / (44_100 / geometry.GRID.n_fft)
        np.testing.assert_allclose(matrix.sum(axis=1), width)


def test_impossible_profiles_are_refused() -> None:
    with pytest.raises(ValueError, match="block"):
        TileProfile(block_tiles=12)
    with pytest.raises(ValueError, match="rise"):
        TileProfile(low_hz=13_000.0)


def test_flutter_is_how_much_the_level_changes_within_a_tile() -> None:
    time = np.arange(4 * 44_100) / 44_100
    steady = np.sin(2 * np.pi * 1000 * time)
    noise = np.random.default_rng(0).standard_normal(len(time))
    beating = steady * (1 + 0.8 * np.sin(2 * np.pi * 30 * time))

    def flutter(sound: np.ndarray) -> float:
        """Of the bands round 1 kHz."""
        geo = TileCode(bytes(32)).geometry
        audio = sound[None].astype(np.float32)
        bands = geometry.band_power(
            geometry.power_spectrum(audio), geometry.edges_matrix(geo.edges), audio.shape[1]
        )
        of_tiles = geometry.flutters(bands, 0.0, 1.0, 5 * ROBUST_TILES.block_tiles, ROBUST_TILES)
        found = shared_symbols(np.arange(5), TileCode(bytes(32))).means(of_tiles)
        assert found.shape == (5, len(geo.band))
        here = (geo.edges[geo.band] < 1010) & (geo.edges[geo.band + 1] > 990)
        return float(found[1:-1, here].mean())

    assert flutter(steady) < 0.1
    assert 3 < flutter(noise) < 7
    assert flutter(beating) > 2
    assert flutter(0.01 * noise) == pytest.approx(flutter(noise), rel=0.01)


def test_band_power_is_a_plain_sum_in_double_precision() -> None:
    """No BLAS kernel's order of sums is in it: it equals the exact sum as double precision can."""
    rng = np.random.default_rng(5)
    power = rng.exponential(1.0, (geometry.GRID.bins, 3)).astype(np.float32)
    matrix = geometry.edges_matrix(TileCode().geometry.edges)
    found = np.diff(geometry.band_power(power, matrix, 1323).cumulative, axis=1)
    exact = [
        [math.fsum(w * float(p) for w, p in zip(row, column, strict=True)) for column in power.T]
        for row in matrix
    ]
    np.testing.assert_allclose(found, exact, rtol=1e-12)
