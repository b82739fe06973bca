"""Classic marks: each reads its own bits back, at 16, 32 and 128, and those with a key need it."""

from __future__ import annotations

import numpy as np
import pytest

from soundsafe.eval.systems import classics, registry
from soundsafe.eval.systems.answers import answer

KEY = bytes(32)
SYSTEMS = [name for name in registry._OWN if name.startswith("classic-")]


@pytest.fixture(scope="module")
def audio() -> np.ndarray:
    """Three seconds of noise that falls by 6 dB an octave, as music does, in two channels at 48 kHz."""
    white = np.random.default_rng(0).normal(0, 1, (2, 3 * 48_000))
    spectrum = np.fft.rfft(white) / np.maximum(1, np.fft.rfftfreq(white.shape[1], 1 / 48_000) / 200)
    x = np.fft.irfft(spectrum)
    return (0.1 * x / x.std()).astype(np.float32)


@pytest.mark.parametrize("bits", [16, 32, 128])
@pytest.mark.parametrize("name", SYSTEMS)
def test_its_own_bits_come_back(name: str, bits: int, audio: np.ndarray) -> None:
    strength = {"classic-ss": 0.6, "classic-patchwork": 3.0, "classic-echo": 0.5}.get(name)
    option = f",strength={strength}" if strength else ""
    system = registry.get(f"{name}:bits={bits}{option}")
    payload = np.random.default_rng(bits).bytes(bits // 8)
    marked = system.embed(audio, 48_000, payload, KEY).audio
    right = np.unpackbits(np.frombuffer(payload, np.uint8))
    found = answer(system.decode(marked, 48_000, KEY))
    accuracy = np.mean(found.bits == right)
    assert accuracy >= (0.75 if name == "classic-echo" else 0.97)
    if getattr(system, "keyed", True):
        assert abs(np.mean(answer(system.decode(marked, 48_000, bytes([1] * 32))).bits == right) - 0.5) < 0.4
    assert system.describe()["checked"] is False


def test_informed_embedding_needs_less_strength(audio: np.ndarray) -> None:
    wrong = []
    for kind in (classics.PlainSpread, classics.InformedSpread):
        system = kind(bits=128, strength=0.1)
        payload = np.random.default_rng(1).bytes(16)
        found = system.decode(system.embed(audio, 48_000, payload, KEY).audio, 48_000, KEY)
        wrong.append(np.mean(found.bits != np.unpackbits(np.frombuffer(payload, np.uint8))))
    assert wrong[1] < 0.5 * wrong[0]
