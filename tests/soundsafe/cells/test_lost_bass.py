"""Seconds whose bass a filter took: what may have been there, and marked music behind real filters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch

from soundsafe.aliases import Audio
from soundsafe.attacks import get
from soundsafe.cells.code import CellCode
from soundsafe.cells.detector import detect
from soundsafe.cells.host import code_of_second
from soundsafe.cells.layout import Features, choose_layout, features
from soundsafe.cells.lost_bass import lowest_kept_bands, supposed_layouts
from soundsafe.cells.profile import EUL_FRAMES, ROBUST
from soundsafe.cells.settings import DETECTOR
from soundsafe.stft import RATE, stft

CODE = CellCode()
FALLING = -2.0 * np.arange(24.0)


def without_bands_below(band: int) -> Features:
    return Features(np.where(np.arange(24) < band, -90.0, FALLING - FALLING[band]))


@pytest.mark.parametrize("band", [4, 6, 9])
def test_the_edge_is_seen(band: int) -> None:
    assert band in lowest_kept_bands(without_bands_below(band))


def test_no_edge_where_there_is_none() -> None:
    assert lowest_kept_bands(Features(FALLING)) == ()
    assert lowest_kept_bands(Features(np.full(24, -200.0))) == ()


def second(audio: Audio) -> torch.Tensor:
    return stft(torch.from_numpy(audio.mean(axis=0)))[:, :EUL_FRAMES]


def test_the_layout_before_the_filter_is_among_the_first(cut: Callable[..., Audio]) -> None:
    clip = cut("rock", 1.5)
    before = second(clip)
    own = code_of_second(before, 0, CODE)
    true = choose_layout(features(before, ROBUST), own, 0)
    after = second(get("brickwall_highpass_300Hz").apply(clip, RATE, np.random.default_rng(0)))
    feats = features(after, ROBUST)
    assert choose_layout(feats, own, 0).digest != true.digest
    supposed = list(islice(supposed_layouts(after, feats, CODE, 0), 2000))
    at = [lay.digest for lay, _ in supposed].index(true.digest)
    assert supposed[at][1] == own
    # What a second before it showed makes the same anchors likelier.
    again = list(islice(supposed_layouts(after, feats, CODE, 0, true), 2000))
    assert [lay.digest for lay, _ in again].index(true.digest) <= at


def test_nothing_is_supposed_of_silence() -> None:
    silent = torch.zeros(442, EUL_FRAMES, dtype=torch.complex64)
    assert list(supposed_layouts(silent, features(silent, ROBUST), CODE, 0)) == []


@pytest.mark.slow
def test_marked_music_is_read_without_its_bass(marked: Callable[..., Any]) -> None:
    m = marked("rock", 8.0)
    attacked = get("brickwall_highpass_300Hz").apply(m.audio, RATE, np.random.default_rng(0))
    unaided = detect([attacked], CODE, replace(DETECTOR, high_pass_searches=0))
    answer = detect([attacked], CODE)
    assert answer.payload == m.payload
    assert sum(e.ok for e in answer.euls) > sum(e.ok for e in unaided.euls)
    assert detect([attacked], CellCode(bytes(range(32)))).payload is None
