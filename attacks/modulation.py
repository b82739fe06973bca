"""Effects that sway: chorus, flanger, phaser, tremolo and vibrato, as of pedals and studio racks.

The sway is a sine that begins at a phase drawn by lot, the same in all channels. The length is kept.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundsafe.attacks.registry import Audio, attack, unknown_delay

_STRETCH = 64  # samples for which a phaser's filters stand still


def _sway(samples: int, rate: int, hz: float, rng: np.random.Generator) -> NDArray[np.float64]:
    return np.sin(2 * np.pi * hz * np.arange(samples) / rate + rng.uniform(0, 2 * np.pi))


def _delayed(audio: Audio, delay: NDArray[np.float64]) -> Audio:
    """Each sample read `delay` samples before its place, between two in a straight line."""
    places = np.arange(audio.shape[1])
    return np.stack([np.interp(places - delay, places, c, left=0.0) for c in audio]).astype(np.float32)


@attack("chorus", {f"chorus_{p}%": {"wet": p / 100} for p in (20, 50, 100)})
def chorus(audio: Audio, rate: int, rng: np.random.Generator, *, wet: float) -> Audio:
    """Three voices 15 to 25 ms later whose delays sway by 3 ms, their sum at `wet`. No delay of the sound
    itself."""
    voices = np.zeros_like(audio)
    for k, hz in enumerate((0.6, 0.8, 1.1)):
        delay = (0.015 + 0.005 * k + 0.003 * _sway(audio.shape[1], rate, hz, rng)) * rate
        voices += _delayed(audio, delay) / np.float32(3)
    return ((audio + np.float32(wet) * voices) / np.float32(1 + wet)).astype(np.float32)


@attack("flanger", {f"flanger_{p}%": {"wet": p / 100} for p in (30, 70, 100)})
def flanger(audio: Audio, rate: int, rng: np.random.Generator, *, wet: float) -> Audio:
    """A copy 1 to 5 ms later, its delay swaying at 0.4 Hz. No delay of the sound itself."""
    delay = (0.003 + 0.002 * _sway(audio.shape[1], rate, 0.4, rng)) * rate
    return ((audio + np.float32(wet) * _delayed(audio, delay)) / np.float32(1 + wet)).astype(np.float32)


@attack("phaser", {f"phaser_{n}_stages": {"stages": n} for n in (2, 4, 8)})
def phaser(audio: Audio, rate: int, rng: np.random.Generator, *, stages: int) -> Audio:
    """All-pass filters whose corner sways from 300 Hz to 3 kHz, half and half with the sound. No delay of the
    sound itself."""
    from scipy.signal import lfilter

    samples = audio.shape[1]
    corner = 300 * 10 ** ((_sway(samples, rate, 0.5, rng) + 1) / 2)
    tangent = np.tan(np.pi * np.minimum(corner, 0.45 * rate) / rate)
    factor = (tangent - 1) / (tangent + 1)
    out = np.empty_like(audio)
    for channel, source in zip(out, audio.astype(np.float64), strict=True):
        states = [np.zeros(1) for _ in range(stages)]
        for start in range(0, samples, _STRETCH):
            piece, c = source[start : start + _STRETCH], factor[start]
            for k in range(stages):
                piece, states[k] = lfilter([c, 1.0], [1.0, c], piece, zi=states[k])
            channel[start : start + _STRETCH] = piece
    return (audio + out) / np.float32(2)


@attack(
    "tremolo",
    {f"tremolo_{hz}Hz_{p}%": {"hz": hz, "depth": p / 100} for hz in (2, 6) for p in (30, 80)},
    differentiable=True,
)
def tremolo(audio: Audio, rate: int, rng: np.random.Generator, *, hz: float, depth: float) -> Audio:
    """Loudness that swings down by `depth`. No delay."""
    swing = (1 - _sway(audio.shape[1], rate, hz, rng)) / 2
    return (audio * (1 - depth * swing)).astype(np.float32)


@attack("vibrato", {f"vibrato_{c}cents": {"cents": c} for c in (5, 20, 50)}, delay=unknown_delay)
def vibrato(audio: Audio, rate: int, rng: np.random.Generator, *, cents: float) -> Audio:
    """Pitch that swings by `cents` at 5 Hz: the sound comes up to a few milliseconds later."""
    depth = (2 ** (cents / 1200) - 1) / (2 * np.pi * 5)
    return _delayed(audio, depth * (1 + _sway(audio.shape[1], rate, 5.0, rng)) * rate)
