"""Real audio, cut short, and the same with a mark: made once for each worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

import soundsafe
from soundsafe import datasets
from soundsafe.aliases import Audio

PAYLOAD = b"soundsafe: a payload of many bytes"


@dataclass(frozen=True)
class Marked:
    """`original` ``[channels, samples]`` at 44.1 kHz, and `audio`: the same with the one-second layer alone,
    under the default key."""

    original: Audio
    audio: Audio
    payload: bytes
    answer: soundsafe.Embedded

    @property
    def bits(self) -> NDArray[np.uint8]:
        """The 2040 coded bits of each EUL."""
        return soundsafe.coded_bits(self.payload, None, 1)[0]


@lru_cache(maxsize=16)
def _cut(name: str, seconds: float, start: float) -> Audio:
    audio, rate = next(c for c in datasets.load("bundled").clips if c.clip == name).read()
    out = audio[:, round(start * rate) : round((start + seconds) * rate)].copy()
    out.flags.writeable = False
    return out


@lru_cache(maxsize=16)
def _marked(name: str, seconds: float, mono: bool) -> Marked:
    original = _cut(name, seconds, 0.0)
    original = original.mean(axis=0, keepdims=True) if mono else original
    answer = soundsafe.embed(original, 44_100, PAYLOAD, layers=("eul",))
    assert answer.audio is not None
    answer.audio.flags.writeable = False
    return Marked(original, answer.audio, PAYLOAD, answer)


@pytest.fixture(scope="session")
def cut() -> Callable[..., Audio]:
    """A stretch of a bundled clip: ``cut(name, seconds=4.0, start=0.0)``, read-only."""
    return lambda name, seconds=4.0, start=0.0: _cut(name, seconds, start)


@pytest.fixture(scope="session")
def marked() -> Callable[..., Marked]:
    """The same with a mark: ``marked(name, seconds=4.0, mono=False)``, read-only."""
    return lambda name, seconds=4.0, mono=False: _marked(name, seconds, mono)
