"""Clicks and gaps, echoes that come first, and audio that begins too late. The length is kept."""

from __future__ import annotations

import numpy as np

from soundsafe.attacks.registry import Audio, attack


@attack(
    "impulse_noise",
    {f"clicks_{n}_per_s": {"per_s": n, "below_peak_db": 6} for n in (1, 10, 100)},
    differentiable=True,
)
def clicks(audio: Audio, rate: int, rng: np.random.Generator, *, per_s: float, below_peak_db: float) -> Audio:
    """Short cracks, as of a worn record: so many a second, half as high as the clip's peak. No delay."""
    out = audio.copy()
    height = float(np.abs(audio).max(initial=0.0)) * 10 ** (-below_peak_db / 20)
    shape = np.exp(-np.arange(12) / 2.0) * np.cos(np.arange(12) * np.pi / 2)
    for at in rng.integers(0, audio.shape[1], max(1, round(per_s * audio.shape[1] / rate))):
        part = out[:, at : at + len(shape)]
        part += (height * rng.choice([-1.0, 1.0]) * shape[: part.shape[1]]).astype(np.float32)
    return out


@attack(
    "impulse_noise",
    {f"salt_and_pepper_{p}%": {"percent": p} for p in (0.01, 0.1, 1)},
    differentiable=True,
)
def salt_and_pepper(audio: Audio, rate: int, rng: np.random.Generator, *, percent: float) -> Audio:
    """That share of the samples at the clip's highest or lowest value. No delay."""
    hit = rng.random(audio.shape) < percent / 100
    peak = np.float32(np.abs(audio).max(initial=0.0))
    return np.where(hit, peak * rng.choice([-1.0, 1.0], audio.shape).astype(np.float32), audio)


@attack(
    "packet_loss",
    {
        f"packet_loss_{p}%_{how}": {"percent": p, "repeat": how == "repeated"}
        for p in (1, 3, 10)
        for how in ("silent", "repeated")
    },
    differentiable=True,
)
def packet_loss(audio: Audio, rate: int, rng: np.random.Generator, *, percent: float, repeat: bool) -> Audio:
    """That share of packets of 20 ms lost, at least one: silence, or the packet before again. No delay."""
    size = max(1, round(0.02 * rate))
    packets = max(1, audio.shape[1] // size)
    lost = rng.random(packets) < percent / 100
    lost[int(rng.integers(0, packets))] = True
    out = audio.copy()
    starts: list[int] = (np.flatnonzero(lost) * size).tolist()
    for start in starts:
        before = out[:, start - size : start]
        out[:, start : start + size] = before if repeat and start else 0
    return out


@attack(
    "pre_echo",
    {
        f"pre_echo_{ms}ms_{p}%": {"ms": ms, "gain": p / 100}
        for ms, p in ((5, 50), (20, 30), (50, 50), (100, 30))
    },
    differentiable=True,
)
def pre_echo(audio: Audio, rate: int, rng: np.random.Generator, *, ms: float, gain: float) -> Audio:
    """The sound heard faintly before it comes, as from the next turn of a tape. The sound itself keeps its
    place."""
    ahead = round(ms * rate / 1000)
    early = np.pad(audio, ((0, 0), (0, ahead)))[:, ahead:]
    return audio + np.float32(gain) * early


def _advance_delay(rate: int, channels: int, *, ms: float) -> int:
    return -round(ms * rate / 1000)


@attack(
    "advance",
    {f"advance_{ms}ms": {"ms": ms} for ms in (1, 10, 100, 333)},
    differentiable=True,
    delay=_advance_delay,
)
def advance(audio: Audio, rate: int, rng: np.random.Generator, *, ms: float) -> Audio:
    """The first `ms` cut off and as much silence put at the end: the sound comes earlier, the length
    stays."""
    ahead = min(round(ms * rate / 1000), audio.shape[1])
    return np.pad(audio, ((0, 0), (0, ahead)))[:, ahead:]
