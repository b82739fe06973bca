"""Undoing equalisers: the factors of bands by themselves, and marked music behind real filters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from soundsafe.aliases import Audio
from soundsafe.attacks import get
from soundsafe.cells.code import CellCode
from soundsafe.cells.detector import Detection, detect
from soundsafe.cells.equaliser import CHANCE, supposed_features, undo_equaliser
from soundsafe.cells.layout import Features, choose_layout
from soundsafe.stft import RATE

CODE = CellCode()

GEO = CODE.geometry
LEVELS = Features(-2.0 * np.arange(24.0))


def on_the_lattice(noise: float) -> tuple[torch.Tensor, Any]:
    """Complex projections ``[2040]`` in steps that carry bits in their real parts, some steps large."""
    rng = np.random.default_rng(0)
    lay = choose_layout(LEVELS, CODE, 0)
    real = np.round(6.0 * rng.standard_normal(2040)) - lay.dither.numpy() + noise * rng.standard_normal(2040)
    return torch.from_numpy(real + 6.0j * rng.standard_normal(2040)).to(torch.complex64), lay


@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_the_factors_of_bands_are_found(noise: float) -> None:
    x, lay = on_the_lattice(noise)
    band = GEO.band[lay.slots]
    gain = torch.from_numpy(np.exp(0.3 * np.sin(band / 4.0))).float()
    phase = torch.from_numpy(0.4 * np.cos(band / 5.0)).float()
    undone = undo_equaliser(x * torch.polar(gain, phase), lay, GEO)
    assert undone.fit > CHANCE + 10.0
    there = undone.trusted
    assert there.float().mean() > 0.9
    error = (undone.p - x.real)[there]
    assert float((error.abs() < 0.3).float().mean()) > 0.9


def test_without_a_lattice_the_fit_is_chance() -> None:
    lay = choose_layout(LEVELS, CODE, 0)
    fits = []
    for seed in range(4):
        x = torch.from_numpy(np.random.default_rng(seed).standard_normal((2, 2040)) * 6.0)
        fits.append(undo_equaliser(torch.complex(x[0], x[1]).to(torch.complex64), lay, GEO).fit)
    assert max(fits) < CHANCE + 5.0
    assert min(fits) > 3.0  # the best of thousands of factors


def test_features_are_supposed_as_they_may_have_been() -> None:
    cut_off = Features(np.where(np.arange(24) < 20, LEVELS.level_db, -150.0))
    for given, least in ((LEVELS, 8), (cut_off, 10)):
        first, *others = supposed_features(given)
        assert first is given
        assert len(others) >= least
        for feats in others:
            assert feats.level_db.max() == pytest.approx(0.0)
            assert not np.array_equal(feats.level_db, given.level_db)
    silent = Features(np.full(24, -200.0))
    assert supposed_features(silent) == [silent]


def behind(audio: Audio, name: str) -> Detection:
    attacked = get(name).apply(audio, RATE, np.random.default_rng(0))
    return detect([np.ascontiguousarray(attacked)], CODE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["eq_bass_+12dB", "eq_10band_3dB", "tilt_-3dB"],  # one band a lot, all a little, a slope
)
def test_seconds_are_read_behind_an_equaliser(name: str, marked: Callable[..., Any]) -> None:
    m = marked("rock", 8.0)
    answer = behind(m.audio, name)
    assert answer.payload == m.payload
    assert sum(e.ok for e in answer.euls) >= 4


@pytest.mark.slow
def test_seconds_are_read_without_their_high_bands(marked: Callable[..., Any]) -> None:
    m = marked("strings_canon")
    answer = behind(m.audio, "resample_16000")
    assert answer.payload == m.payload
    assert sum(e.ok for e in answer.euls) >= 2


def test_nothing_is_read_without_the_mark(cut: Callable[..., Audio], marked: Callable[..., Any]) -> None:
    assert behind(cut("rock", 4.0), "eq_bass_+12dB").payload is None
    attacked = get("tilt_-3dB").apply(marked("rock").audio, RATE, np.random.default_rng(0))
    assert detect([attacked], CellCode(bytes(range(32)))).payload is None
