"""What holds for every registered attack.

One strength of each kind is tried on a second of audio in every run of the tests; all others are `slow`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100
# An adversary's attacks and outside networks have files of their own; what needs a program, package or folder
# that is not here cannot be run.
ATTACKS = tuple(
    a for a in attacks.all_attacks() if not (a.needs_access or a.weights or a.folders or a.left_out)
)


def one_of_each(chosen: Iterable[attacks.Attack]) -> list[Any]:
    """All of them as parameters; of each kind all but the first marked `slow`."""
    seen: set[tuple[str, str, str]] = set()
    out: list[object] = []
    for a in chosen:
        kind = (a.family, a.kind, a.engine)
        out.append(pytest.param(a, id=a.name, marks=[pytest.mark.slow] if kind in seen else []))
        seen.add(kind)
    return out


@pytest.mark.parametrize("attack", one_of_each(ATTACKS))
@pytest.mark.parametrize(
    "clip", ["one_second", *(pytest.param(c, marks=pytest.mark.slow) for c in ("stereo", "mono", "speech"))]
)
def test_runs_deterministically_and_stays_finite(
    attack: attacks.Attack, clip: str, request: pytest.FixtureRequest
) -> None:
    audio: NDArray[np.float32] = request.getfixturevalue(clip)
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


@pytest.mark.parametrize("attack", one_of_each(attacks.all_attacks()))
def test_declares_itself(attack: attacks.Attack) -> None:
    assert attack.source.name
    assert attack.source.licence
    assert json.loads(json.dumps(attack.params)) == attack.params
    assert attack.name == attack.name.strip()
    assert attack.family
    delay = attack.delay_samples(RATE)
    assert delay is None or isinstance(delay, int)
    assert attacks.get(attack.name) is attack


@pytest.mark.parametrize("attack", one_of_each(ATTACKS))
def test_silence_does_not_break_it(attack: attacks.Attack) -> None:
    result = attack.apply(np.zeros((2, RATE), np.float32), RATE, np.random.default_rng(0))
    assert np.isfinite(result).all()


@pytest.mark.parametrize("attack", one_of_each(ATTACKS))
def test_low_rate_and_many_channels(attack: attacks.Attack) -> None:
    audio = (0.2 * np.random.default_rng(4).standard_normal((8, 8000))).astype(np.float32)
    result = attack.apply(audio, 8000, np.random.default_rng(5))
    assert np.isfinite(result).all()
    assert result.shape[0] in (1, 8)


EXACT = {"control", "gain", "mp3", "aac", "opus", "vorbis", "limiter", "editing", "resample", "bits", "echo"}
"""Families that move nothing against anything else: their delay shows to the sample."""


def _delay(result: NDArray[np.float32], source: NDArray[np.float32], floor: float = 1e-9) -> int:
    """By the correlation of the loudest channel, whitened but for bins below `floor` of the strongest."""
    n = source.shape[1] + result.shape[1]
    channel = int(np.argmax(np.sum(result**2, axis=1)))
    cross = np.fft.rfft(result[channel], n) * np.conj(np.fft.rfft(source[channel], n))
    whitened = np.fft.irfft(cross / np.maximum(np.abs(cross), floor * np.abs(cross).max()), n)
    peak = int(np.argmax(np.abs(whitened)))
    return peak if peak <= result.shape[1] else peak - n


def _envelope_delay(result: NDArray[np.float32], source: NDArray[np.float32]) -> int:
    """By the correlation of loudness in time, within 0.1 s."""
    window = np.hanning(RATE // 100)
    n = source.shape[1] + result.shape[1]
    loudness = [np.convolve(np.abs(a).mean(axis=0), window, "same") for a in (result, source)]
    first, second = (np.fft.rfft(x - x.mean(), n) for x in loudness)
    correlation = np.fft.irfft(first * np.conj(second), n)
    reach = RATE // 10
    near = np.concatenate([correlation[-reach:], correlation[:reach]])
    return int(np.argmax(near)) - reach


@pytest.mark.parametrize("attack", one_of_each(a for a in ATTACKS if a.delay_samples(RATE) is not None))
def test_delay_is_the_declared_one(attack: attacks.Attack, stereo: NDArray[np.float32]) -> None:
    result = attack.apply(stereo, RATE, np.random.default_rng(3))
    declared = attack.delay_samples(RATE)
    assert declared is not None
    error = abs(_delay(result, stereo) - declared)
    if attack.family in EXACT:
        assert error <= 1
    else:
        others = (_delay(result, stereo, floor=1.0), _envelope_delay(result, stereo))
        assert min(error, *(abs(found - declared) for found in others)) <= 0.01 * RATE


def test_enough_of_them() -> None:
    assert len(ATTACKS) >= 200
    assert len({(a.family, a.kind) for a in ATTACKS}) >= 60
