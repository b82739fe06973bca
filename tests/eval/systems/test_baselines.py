"""The baselines do what they claim, no more."""

from __future__ import annotations

import numpy as np
import pytest

from soundsafe import attacks, datasets
from soundsafe.errors import NotMarkable
from soundsafe.eval.systems import registry as systems
from soundsafe.eval.systems.baselines import Null, PlainQim, SpreadSpectrum
from soundsafe.eval.systems.interface import System

KEY, OTHER = bytes(32), bytes(range(32))
PAYLOAD = b"four"


def clip(seconds: float = 6.0) -> np.ndarray:
    audio, rate = next(c for c in datasets.load("bundled").clips if c.clip == "rock").read()
    return np.ascontiguousarray(audio[:, : round(seconds * rate)])


def test_spread_spectrum_reads_back_cut_at_any_sample_softer_and_behind_a_codec() -> None:
    marked = SpreadSpectrum().embed(clip(), 44_100, PAYLOAD, KEY).audio
    coded = attacks.get("mp3_128").apply(marked, 44_100, np.random.default_rng(0))
    for audio in (marked, marked[:, 12_345:], -0.5 * marked, coded):
        assert SpreadSpectrum().decode(audio, 44_100, KEY).payload == PAYLOAD


def test_qim_reads_each_second_but_neither_shifted_nor_scaled() -> None:
    qim = PlainQim()
    marked = qim.embed(clip(3.0), 44_100, PAYLOAD, KEY).audio
    noisy = marked + np.random.default_rng(0).normal(0, 1e-3, marked.shape).astype(np.float32)
    for audio in (marked, noisy):
        found = qim.decode(audio, 44_100, KEY)
        assert found.payload == PAYLOAD
        assert [e.ok for e in found.euls] == [True] * 3
        assert np.array_equal([e.bits for e in found.euls], qim.coded_bits(PAYLOAD, KEY, 3))
    for audio in (marked[:, 100:], 0.7 * marked):
        assert not qim.decode(audio, 44_100, KEY).ok


@pytest.mark.parametrize("system", [SpreadSpectrum(), PlainQim()])
def test_no_mark_wrong_key_too_short(system: SpreadSpectrum | PlainQim) -> None:
    marked = system.embed(clip(), 44_100, PAYLOAD, KEY).audio
    right = system.decode(marked, 44_100, KEY)
    for audio, key in ((clip(), KEY), (marked, OTHER), (marked[:, :40_000], KEY)):
        found = system.decode(audio, 44_100, key)
        assert not found.ok
        assert found.payload is None
        assert found.score < 0.6 * right.score
    with pytest.raises(NotMarkable):
        system.embed(clip(0.9), 44_100, PAYLOAD, KEY)


@pytest.mark.parametrize("system", [SpreadSpectrum(), PlainQim()])
def test_another_rate_keeps_its_length(system: SpreadSpectrum | PlainQim) -> None:
    audio = clip()
    marked = system.embed(audio, 48_000, PAYLOAD, KEY).audio
    assert marked.shape == audio.shape
    assert system.decode(marked, 48_000, KEY).payload == PAYLOAD


def test_null_is_transparent_and_finds_nothing() -> None:
    audio = clip(1.0)
    assert np.array_equal(Null().embed(audio, 44_100, PAYLOAD, KEY).audio, audio)
    assert not Null().decode(audio, 44_100, KEY).ok


def test_all_are_systems() -> None:
    for name in ("spread-spectrum", "qim", "null"):
        assert isinstance(systems.get(name), System)
        assert name in systems.systems()
