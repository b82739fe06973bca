"""Seconds of a short word added up: noise of which single seconds show nothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe.cells import pooled
from soundsafe.cells.code import CellCode
from soundsafe.cells.joint import Positions
from soundsafe.cells.layout import Layout, choose_layout, features
from soundsafe.cells.pooled import pooled_soft_values
from soundsafe.cells.reading import second_spectrum
from soundsafe.message.short_words import read_short_word

KEY = bytes(range(32))
PAYLOAD = b"sixteen bytes it"


@pytest.fixture(scope="module")
def code() -> CellCode:
    return CellCode(KEY, host=5)


@pytest.fixture(scope="module")
def layout(code: CellCode) -> Layout:
    noise = np.random.default_rng(0).standard_normal((1, 50_000)).astype(np.float32)
    spectrum = second_spectrum(0.1 * noise, 0.0)
    assert spectrum is not None
    return choose_layout(features(spectrum[0], code.profile), code, 0)


def seconds(code: CellCode, layout: Layout, noise: list[float], seed: int = 0) -> list[tuple[Positions, ...]]:
    """Seconds of one word, each with noise of its own size in steps, in upper bands half as much again."""
    rng = np.random.default_rng(seed)
    bits = code.encode_short_word(PAYLOAD) ^ code.geometry.scramble
    band = code.geometry.band[layout.slots]
    out: list[tuple[Positions, ...]] = []
    for size in noise:
        u = bits + 2.0 * rng.integers(-2, 3, 2040)
        u = u + size * np.where(band > 12, 1.5, 1.0) * rng.standard_normal(2040)
        out.append((Positions((u - layout.dither.numpy()).astype(np.float32), layout),))
    return out


def read(llr: NDArray[np.float64], code: CellCode) -> bytes | None:
    return read_short_word(llr[code.profile.named_bits :], KEY).payload


def test_noise_is_told_apart_by_seconds_and_bands(code: CellCode, layout: Layout) -> None:
    word = 1.0 - 2.0 * code.encode_short_word(PAYLOAD)
    quiet, loud = (
        pooled_soft_values(seconds(code, layout, [size] * 4), [1.0] * 4, code) * word for size in (0.3, 0.6)
    )
    assert quiet.mean() > 5.0 * loud.mean() > 0.0
    both = pooled_soft_values(seconds(code, layout, [0.3, 0.3, 2.0, 2.0]), [1.0] * 4, code) * word
    assert both.mean() > 0.3 * quiet.mean()  # spoilt seconds take nothing away
    upper = code.geometry.band[layout.slots] > 12
    assert quiet[upper].mean() < 0.6 * quiet[~upper].mean()


def test_what_is_believed_shows_more(code: CellCode, layout: Layout) -> None:
    true = 20.0 * (1.0 - 2.0 * code.encode_short_word(PAYLOAD))
    heard = seconds(code, layout, [0.45] * 3)
    alone = pooled_soft_values(heard, [1.0] * 3, code)
    known = pooled_soft_values(heard, [1.0] * 3, code, true)
    assert np.logaddexp(0.0, -known * np.sign(true)).mean() < np.logaddexp(0.0, -alone * np.sign(true)).mean()
    assert read(alone, code) == PAYLOAD


def test_noise_alone_says_next_to_nothing(code: CellCode, layout: Layout) -> None:
    llr = pooled_soft_values(seconds(code, layout, [4.0] * 6), [1.0] * 6, code)
    assert np.abs(llr[code.profile.named_bits :]).mean() < 0.3
    assert read(llr, code) is None


def test_more_seconds_than_are_taken_at_once(
    code: CellCode, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:

    heard = seconds(code, layout, [0.4] * 3)
    apart = sum(pooled_soft_values([one], [1.0], code) for one in heard)
    monkeypatch.setattr(pooled, "_AT_ONCE", 1)
    assert np.allclose(pooled_soft_values(heard, [1.0] * 3, code), apart)
