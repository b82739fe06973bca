"""Where the bits of an EUL lie."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from soundsafe import datasets
from soundsafe.cells.code import CellCode
from soundsafe.cells.layout import Features, Layout, candidate_layouts, choose_layout, features
from soundsafe.cells.masking import ANALYZER
from soundsafe.cells.profile import EUL_FRAMES, EUL_SAMPLES, PATTERNS, PHASES, ROBUST
from soundsafe.message.coding import N
from soundsafe.stft import stft

OTHER_KEY = bytes(range(32))
CODE, OTHER = CellCode(), CellCode(OTHER_KEY)
GEO = CODE.geometry

levels = st.lists(st.floats(-200, 0), min_size=24, max_size=24).map(
    lambda db: Features(np.array(db) - max(db))
)


def of(audio: NDArray[np.float32], second: int = 0, gain: float = 1.0) -> Layout:
    """Layout of one second of the mean of all channels of real audio."""
    x = torch.from_numpy(audio.mean(axis=0) * np.float32(gain))
    spectrum = stft(x)[:, second * EUL_FRAMES : (second + 1) * EUL_FRAMES]
    return choose_layout(features(spectrum, ROBUST), CODE, 0)


# --- geometry


@pytest.mark.parametrize("fine", [False, True])
def test_no_cell_belongs_to_two_carriers(fine: bool) -> None:
    own = np.concatenate([GEO.fine if fine else GEO.data, GEO.pilot.reshape(-1)])
    used = np.abs(GEO.weight.numpy()[own]) > 0
    cells = (GEO.frame[own, None] * 1000 + GEO.bins[own])[used]
    assert len(np.unique(cells)) == len(cells)


def test_carriers_lie_in_their_band_and_in_the_profiles() -> None:
    used = np.abs(GEO.weight.numpy()) > 0
    assert (
        ANALYZER.band_indices[GEO.bins][used] == np.broadcast_to(GEO.band[:, None], used.shape)[used]
    ).all()
    for rows, low, high in (
        (GEO.data, ROBUST.band_low, ROBUST.band_high),
        (GEO.fine, ROBUST.fine_low, ROBUST.fine_high),
    ):
        hz = ANALYZER.bin_frequencies[GEO.bins[rows][used[rows]]]
        assert low <= hz.min()
        assert hz.max() <= high


def test_weights_have_unit_norm() -> None:
    torch.testing.assert_close(GEO.weight.abs().square().sum(-1), torch.ones(len(GEO.frame)))


def test_pilots_and_data_share_the_carriers() -> None:
    together = np.sort(np.concatenate([GEO.pilot.reshape(-1), GEO.data, GEO.fine]))
    assert np.array_equal(together, np.arange(len(GEO.frame)))
    assert np.array_equal(
        GEO.frame[GEO.pilot], np.repeat(np.arange(EUL_FRAMES)[:, None], GEO.pilot.shape[1], 1)
    )
    assert GEO.pilot_sign.shape == (PHASES, *GEO.pilot.shape)
    assert GEO.capacity.sum() == len(GEO.data) >= N
    assert GEO.fine_capacity.sum() == len(GEO.fine) >= N


def test_the_partition_repeats_and_the_key_changes_it() -> None:
    first = GEO.bins[GEO.frame == 1]
    assert np.array_equal(first, GEO.bins[GEO.frame == 1 + PATTERNS])
    assert not np.array_equal(first, GEO.bins[GEO.frame == 2])
    other = OTHER.geometry
    assert not np.array_equal(first, other.bins[other.frame == 1])
    assert np.mean(other.scramble != GEO.scramble) == pytest.approx(0.5, abs=0.06)
    assert float((other.pilot_sign == GEO.pilot_sign).float().mean()) == pytest.approx(0.5, abs=0.15)


# --- narrow sounds


def falling(edge: int, floor_db: float) -> Features:
    """A sound that loses its strength above band `edge`."""
    return Features(np.where(np.arange(24) <= edge, -2.0 * np.arange(24), floor_db))


def test_a_narrow_sound_has_fine_carriers() -> None:
    wide, narrow = falling(20, -90.0), falling(12, -90.0)
    assert set(choose_layout(wide, CODE, 0).slots) <= set(GEO.data)
    assert set(choose_layout(narrow, CODE, 0).slots) <= set(GEO.fine)


def test_the_detector_tries_both_kinds_where_codecs_may_have_hidden_which() -> None:
    before, after = falling(12, -70.0), falling(12, -110.0)
    marked = choose_layout(before, CODE, 0)
    assert set(marked.slots) <= set(GEO.data)
    tried = list(candidate_layouts(after, CODE, 0))
    assert marked.digest != tried[0].digest
    assert marked.digest in {lay.digest for lay in tried}


# --- slots


@given(levels, st.integers(0, PHASES - 1))
@settings(max_examples=25, deadline=None)
def test_every_layout_holds_one_codeword(feats: Features, phase: int) -> None:
    lay = choose_layout(feats, CODE, phase)
    assert lay.bits_per_band.sum() == N == len(lay.slots) == len(np.unique(lay.slots))
    narrow = set(lay.slots) <= set(GEO.fine)
    assert narrow or set(lay.slots) <= set(GEO.data)
    assert np.array_equal(np.bincount(GEO.band[lay.slots], minlength=24), lay.bits_per_band)
    assert (lay.bits_per_band <= (GEO.fine_capacity if narrow else GEO.capacity) * lay.alive).all()
    assert 0 <= lay.seed < 2**32
    assert bool(((lay.dither >= 0) & (lay.dither < 2)).all())


@given(levels)
@settings(max_examples=15, deadline=None)
def test_the_candidates_begin_with_the_named_one(feats: Features) -> None:
    every = list(candidate_layouts(feats, CODE, 1))
    assert every[0].digest == choose_layout(feats, CODE, 1).digest
    assert all(lay.bits_per_band.sum() == N for lay in every)


@pytest.mark.parametrize("clip", ["rock", "piano_moonlight", "speech_ukrainian"])
def test_a_small_change_stays_among_the_candidates(
    clip: str, cut: Callable[..., NDArray[np.float32]]
) -> None:
    """The embedder's layout is found, though a codec has moved a feature by less than the margins."""
    feats = features(stft(torch.from_numpy(cut(clip)[0].copy()))[:, :EUL_FRAMES], ROBUST)
    wanted = choose_layout(feats, CODE, 0).digest
    for band in range(len(feats.level_db)):
        for step in (-0.2, 0.2):
            moved = feats.level_db.copy()
            moved[band] += step * min(ROBUST.anchor_margin_db, ROBUST.dead_margin_db)
            assert wanted in {lay.digest for lay in candidate_layouts(Features(moved), CODE, 0)}


def test_two_anchors_may_have_changed_places_in_noise() -> None:
    level = np.full(24, -20.0)
    level[[9, 20, 22, 23]] = [-0.3, 0.0, -0.1, -0.4]
    level[[12, 14]] = [-0.5, -0.6]
    before = choose_layout(Features(level), CODE, 0)
    assert before.anchors == (9, 20, 22, 23)
    level[[12, 14]] += 0.5  # above the two weakest anchors
    moved = Features(level)
    assert choose_layout(moved, CODE, 0).anchors == (12, 14, 20, 22)
    assert before.digest in {lay.digest for lay in candidate_layouts(moved, CODE, 0)}


@pytest.mark.parametrize("band", [2, 3, 4, 5])
def test_in_narrow_sounds_bands_of_fine_carriers_alone_may_be_on_either_side(band: int) -> None:
    level = falling(13, -90.0).level_db.copy()
    level[band] = -ROBUST.dead_db + 0.2
    before = choose_layout(Features(level), CODE, 0)
    assert before.bits_per_band[GEO.capacity == 0].any()  # a narrow sound
    level[band] -= 0.4
    moved = Features(level)
    assert choose_layout(moved, CODE, 0).digest != before.digest
    assert before.digest in {lay.digest for lay in candidate_layouts(moved, CODE, 0)}


@pytest.mark.parametrize("filled", [1, 3, 6])
def test_noise_in_the_highest_bands_hides_no_layout(filled: int) -> None:
    carrying = np.flatnonzero(GEO.capacity > 0)
    level = np.linspace(0.0, -30.0, 24)
    level[carrying[-filled] :] = -90.0
    before = choose_layout(Features(level), CODE, 0)
    level[carrying[-filled] :] = -45.0
    noisy = Features(level)
    assert choose_layout(noisy, CODE, 0).digest != before.digest
    assert before.digest in {lay.digest for lay in candidate_layouts(noisy, CODE, 0)}


def test_key_and_audio_decide(cut: Callable[..., NDArray[np.float32]]) -> None:
    audio = cut("rock")
    feats = features(stft(torch.from_numpy(audio[0].copy()))[:, :EUL_FRAMES], ROBUST)
    mine, other = choose_layout(feats, CODE, 0), choose_layout(feats, OTHER, 0)
    assert mine.digest == choose_layout(feats, CODE, 0).digest != other.digest
    assert len({choose_layout(feats, CODE, phase).digest for phase in range(PHASES)}) == PHASES
    assert len({of(cut(name)).digest for name in ("rock", "piano_moonlight", "speech_ukrainian")}) == 3


def test_the_dithers_of_a_frame_are_spread_evenly(cut: Callable[..., NDArray[np.float32]]) -> None:
    lay = of(cut("strings_canon"))
    for frame in (0, 50, 99):
        here = np.sort(lay.dither.numpy()[GEO.frame[lay.slots] == frame])
        if len(here) > 1:
            gaps = np.diff(np.append(here, here[0] + 2.0))
            assert np.allclose(gaps, 2.0 / len(here), atol=1e-5)


# --- features


@pytest.mark.parametrize("clip", [c.clip for c in datasets.load("bundled").clips])
def test_gain_and_16_bits_do_not_move_the_slots(clip: str, cut: Callable[..., NDArray[np.float32]]) -> None:
    audio = cut(clip, 3.0, 2.0)
    rounded = (np.round(audio * 2**15) / 2**15).astype(np.float32)
    for second in range(3):
        wanted = of(audio, second)
        assert of(rounded, second).digest == wanted.digest
        for gain in (0.5, 0.7, 1.1, -1.0):
            assert of(audio, second, gain).digest == wanted.digest


def test_silence_has_a_layout() -> None:
    feats = features(torch.zeros(442, EUL_FRAMES, dtype=torch.complex64), ROBUST)
    assert np.isfinite(feats.level_db).all()
    assert choose_layout(feats, CODE, 0).bits_per_band.sum() == N


SCRIPT = """
import json, sys
import numpy as np
import soundsafe
from soundsafe import datasets
answer = []
for clip in datasets.load("bundled").clips[:3]:
    audio, rate = clip.read()
    for eul in soundsafe.layouts(audio[:, :2 * rate], rate):
        answer.append([eul.slots, eul.seed, eul.allocator["bits_per_band"]])
json.dump(answer, sys.stdout)
"""


@pytest.mark.slow
def test_two_processes_with_different_hash_seeds() -> None:
    def run(seed: str) -> list[list[object]]:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        out = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
        )
        return list(json.loads(out.stdout))

    first = run("0")
    assert first == run("12345")
    assert len(first) == 6
    assert all(sum(bits) == N for _, _, bits in first)  # type: ignore[call-overload]


def test_one_eul_is_one_second() -> None:
    assert GEO.frame.max() == EUL_FRAMES - 1 == EUL_SAMPLES // 441 - 1
