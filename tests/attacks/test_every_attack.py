"""What holds for every registered attack.

Every strength is run on a second of audio (all but one of each kind in tests marked `slow`), and held to its
declared delay on two and a half. What depends on the code of a kind, not on its numbers, is tried with one
strength of each: other audio, silence, a low rate, many channels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.signal import fftconvolve

from soundsafe import attacks

RATE = 44100
# An adversary's attacks and outside networks have files of their own; what needs a program, package or folder
# that is not here cannot be run.
ATTACKS = tuple(
    a for a in attacks.all_attacks() if not (a.needs_access or a.weights or a.folders or a.left_out)
)


def one_of_each(chosen: Iterable[attacks.Attack]) -> dict[str, attacks.Attack]:
    """The first of each kind, by name."""
    kinds: dict[tuple[str, str, str], attacks.Attack] = {}
    for a in chosen:
        kinds.setdefault((a.family, a.kind, a.engine), a)
    return {a.name: a for a in kinds.values()}


def all_strengths(chosen: Iterable[attacks.Attack]) -> list[Any]:
    """All of them as parameters; of each kind all but the first marked `slow`."""
    every = list(chosen)
    first = one_of_each(every)
    return [_parameter(a, [] if a.name in first else [pytest.mark.slow]) for a in every]


def first_strengths(chosen: Iterable[attacks.Attack]) -> list[Any]:
    """One of each kind as parameters."""
    return [_parameter(a, []) for a in one_of_each(chosen).values()]


def _parameter(attack: attacks.Attack, marks: list[pytest.MarkDecorator]) -> Any:
    """With those that have librosa compile itself, which takes half a minute, in one worker."""
    if "time_stretch" in attack.name or attack.family == "audiomentations":
        marks = [*marks, pytest.mark.xdist_group("librosa")]
    return pytest.param(attack, id=attack.name, marks=marks)


@pytest.mark.parametrize("attack", all_strengths(ATTACKS))
def test_runs_deterministically_and_stays_finite(
    attack: attacks.Attack, one_second: NDArray[np.float32]
) -> None:
    _check(attack, one_second)


@pytest.mark.slow
@pytest.mark.parametrize("attack", first_strengths(ATTACKS))
@pytest.mark.parametrize("clip", ["mono", "speech"])
def test_runs_on_other_audio_too(attack: attacks.Attack, clip: str, request: pytest.FixtureRequest) -> None:
    _check(attack, request.getfixturevalue(clip))


def _check(attack: attacks.Attack, audio: NDArray[np.float32]) -> None:
    """The same from the same draws, finite, and of the declared form; the input is left alone."""
    before = audio.copy()
    first = attack.apply(audio, RATE, np.random.default_rng(3))
    second = attack.apply(audio, RATE, np.random.default_rng(3))
    np.testing.assert_array_equal(audio, before)
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32
    assert first.flags.c_contiguous
    assert not np.shares_memory(first, audio)
    assert first.ndim == 2
    assert 1 <= first.shape[0] <= audio.shape[0]
    assert first.shape[1] > 0
    assert np.isfinite(first).all()
    if not attack.changes_length:
        assert first.shape[1] == audio.shape[1]


def test_all_declare_themselves() -> None:
    for attack in attacks.all_attacks():
        assert attack.source.name, attack.name
        assert attack.source.licence, attack.name
        assert json.loads(json.dumps(attack.params)) == attack.params
        assert attack.name == attack.name.strip()
        assert attack.family, attack.name
        delay = attack.delay_samples(RATE)
        assert delay is None or isinstance(delay, int), attack.name
        assert attacks.get(attack.name) is attack


@pytest.mark.parametrize("attack", first_strengths(ATTACKS))
def test_silence_does_not_break_it(attack: attacks.Attack) -> None:
    result = attack.apply(np.zeros((2, RATE), np.float32), RATE, np.random.default_rng(0))
    assert np.isfinite(result).all()


@pytest.mark.parametrize("attack", first_strengths(ATTACKS))
def test_low_rate_and_many_channels(attack: attacks.Attack) -> None:
    audio = (0.2 * np.random.default_rng(4).standard_normal((8, 8000))).astype(np.float32)
    result = attack.apply(audio, 8000, np.random.default_rng(5))
    assert np.isfinite(result).all()
    assert result.shape[0] in (1, 8)


EXACT = {"control", "gain", "mp3", "aac", "opus", "vorbis", "limiter", "editing", "resample", "bits", "echo"}
"""Families that move nothing against anything else: their delay shows to the sample."""


def _delay(result: NDArray[np.float32], source: NDArray[np.float32], floor: float = 1e-9) -> int:
    """By the correlation of the loudest channel, whitened but for bins below `floor` of the strongest."""
    n = next_fast_len(source.shape[1] + result.shape[1], real=True)
    channel = int(np.argmax(np.sum(result**2, axis=1)))
    cross = np.fft.rfft(result[channel], n) * np.conj(np.fft.rfft(source[channel], n))
    whitened = np.fft.irfft(cross / np.maximum(np.abs(cross), floor * np.abs(cross).max()), n)
    peak = int(np.argmax(np.abs(whitened)))
    return peak if peak <= result.shape[1] else peak - n


def _envelope_delay(result: NDArray[np.float32], source: NDArray[np.float32]) -> int:
    """By the correlation of loudness in time, within 0.1 s."""
    window = np.hanning(RATE // 100)
    n = next_fast_len(source.shape[1] + result.shape[1], real=True)
    loudness = [fftconvolve(np.abs(a).mean(axis=0), window, "same") for a in (result, source)]
    first, second = (np.fft.rfft(x - x.mean(), n) for x in loudness)
    correlation = np.fft.irfft(first * np.conj(second), n)
    reach = RATE // 10
    near = np.concatenate([correlation[-reach:], correlation[:reach]])
    return int(np.argmax(near)) - reach


@pytest.mark.parametrize("attack", all_strengths(a for a in ATTACKS if a.delay_samples(RATE) is not None))
def test_delay_is_the_declared_one(attack: attacks.Attack, stereo: NDArray[np.float32]) -> None:
    result = attack.apply(stereo, RATE, np.random.default_rng(3))
    declared = attack.delay_samples(RATE)
    assert declared is not None
    error = abs(_delay(result, stereo) - declared)
    if attack.family in EXACT:
        assert error <= 1
    else:
        ways: tuple[Callable[[], int], ...] = (
            lambda: _delay(result, stereo, floor=1.0),
            lambda: _envelope_delay(result, stereo),
        )
        assert error <= 0.01 * RATE or any(abs(way() - declared) <= 0.01 * RATE for way in ways)


def test_enough_of_them() -> None:
    assert len(ATTACKS) >= 200
    assert len({(a.family, a.kind) for a in ATTACKS}) >= 60
