"""What holds for every registered attack."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100
ATTACKS = attacks.all_attacks()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
@pytest.mark.parametrize("clip", ["stereo", "mono", "one_second"])
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


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
def test_declares_itself(attack: attacks.Attack) -> None:
    assert json.loads(json.dumps(attack.params)) == attack.params
    assert attack.name == attack.name.strip()
    assert attack.family
    delay = attack.delay_samples(RATE)
    assert delay is None or isinstance(delay, int)
    assert attacks.get(attack.name) is attack


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.name)
def test_silence_does_not_break_it(attack: attacks.Attack) -> None:
    result = attack.apply(np.zeros((2, RATE), np.float32), RATE, np.random.default_rng(0))
    assert np.isfinite(result).all()


def _delay(result: NDArray[np.float32], source: NDArray[np.float32]) -> int:
    n = source.shape[1] + result.shape[1]
    # Only the phase counts, so that filters and echoes do not move the peak.
    cross = np.fft.rfft(result.mean(axis=0), n) * np.conj(np.fft.rfft(source.mean(axis=0), n))
    peak = int(np.argmax(np.fft.irfft(cross / np.maximum(np.abs(cross), 1e-9 * np.abs(cross).max()), n)))
    return peak if peak <= result.shape[1] else peak - n


@pytest.mark.parametrize(
    "attack", [a for a in ATTACKS if a.delay_samples(RATE) is not None], ids=lambda a: a.name
)
def test_delay_is_the_declared_one(attack: attacks.Attack, stereo: NDArray[np.float32]) -> None:
    result = attack.apply(stereo, RATE, np.random.default_rng(3))
    declared = attack.delay_samples(RATE)
    assert declared is not None
    assert abs(_delay(result, stereo) - declared) <= 1
