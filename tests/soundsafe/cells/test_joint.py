"""EULs read together: more bits right than by adding, and nothing made of nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe.cells.code import CellCode
from soundsafe.cells.joint import read_jointly
from soundsafe.cells.profile import EUL_SAMPLES
from soundsafe.cells.reading import Reading, read_second
from soundsafe.codecs import mp3_roundtrip
from soundsafe.keys import DEFAULT_KEY
from soundsafe.message.coding import SoftCode
from soundsafe.stft import RATE

OTHER_KEY = bytes(range(32))
CODE = CellCode()


def readings(audio: NDArray[np.float32], key: bytes, level_db: float) -> list[Reading]:
    """Of the first EULs in white noise, `level_db` against the audio."""
    noise = np.random.default_rng(3).standard_normal(audio.shape).astype(np.float32)
    noisy = audio + noise * np.float32(np.std(audio) * 10 ** (level_db / 20))
    found = [read_second(noisy, i * EUL_SAMPLES, i, CellCode(key)) for i in range(4)]
    return [reading for reading in found if reading is not None]


def jointly(found: list[Reading], key: bytes, code: bool = False) -> NDArray[np.float64]:
    beliefs = SoftCode().beliefs if code else None
    llrs = read_jointly([r.mixtures for r in found], [r.llr for r in found], CellCode(key), beliefs)
    return np.asarray(np.sum(llrs, axis=0))


@pytest.mark.parametrize("level_db", [-27.0, -25.0])
def test_fewer_errors_than_the_sum(marked: Callable[..., Any], level_db: float) -> None:
    m = marked("strings_canon")
    found = readings(m.audio, DEFAULT_KEY, level_db)
    added = np.sum([r.llr for r in found], axis=0)
    before, after = (float(np.mean((x < 0) != m.bits)) for x in (added, jointly(found, DEFAULT_KEY)))
    assert 0.005 < before < 0.1
    assert after < 0.8 * before


def information_about(llr: NDArray[np.float64], bits: NDArray[np.uint8]) -> float:
    """Information of soft values about the true bits, per bit."""
    return float(np.mean(1.0 - np.log2(1.0 + np.exp(np.clip(-llr * (1.0 - 2.0 * bits), -60, 60)))))


def test_the_code_helps_one_eul(marked: Callable[..., Any]) -> None:
    m = marked("strings_canon")
    shifted = mp3_roundtrip(m.audio[:, 300:], RATE, kbps=192, align=True)
    found = [read_second(shifted, i * EUL_SAMPLES - 300, i, CODE) for i in (1, 2)]
    for reading in found:
        assert reading is not None
        before = information_about(reading.llr, m.bits)
        assert 0.3 < before < 0.95
        assert information_about(jointly([reading], DEFAULT_KEY, code=True), m.bits) > before + 0.01


@pytest.mark.parametrize("code", [False, True])
def test_a_wrong_key_stays_at_chance(marked: Callable[..., Any], code: bool) -> None:
    m = marked("strings_canon")
    soft = jointly(readings(m.audio, OTHER_KEY, -60.0), OTHER_KEY, code)
    assert np.mean((soft < 0) != m.bits) == pytest.approx(0.5, abs=0.06)


def test_same_again(marked: Callable[..., Any]) -> None:
    m = marked("strings_canon")
    found = readings(m.audio, DEFAULT_KEY, -40.0)
    np.testing.assert_array_equal(jointly(found, DEFAULT_KEY), jointly(found, DEFAULT_KEY))
