"""Rooms and echoes. The direct sound stays where and as loud as it is; the tail is cut at the clip's end.

A room's response is the image-source method of Allen and Berkley ("Image method for efficiently simulating
small-room acoustics", JASA 65(4), 1979) for its first 80 ms, high-passed as there, continued by noise that
decays at the room's reverberation time; the reflection of the walls follows from that time by Eyring's
formula.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from soundsafe.attacks.access import at_snr
from soundsafe.attacks.registry import Audio, attack

SOUND_M_S = 343.0
_EARLY_S = 0.08
_LOWEST_HZ = 80.0

ROOMS: dict[str, tuple[float, float, float]] = {
    "booth": (2.2, 2.8, 2.3),
    "room": (4.2, 5.6, 2.6),
    "classroom": (7.5, 9.8, 3.3),
    "hall": (16.0, 24.0, 8.5),
}
"""Width, length and height in metres."""


@attack(
    "reverb",
    {
        f"reverb_{rt60}s": {"room": room, "rt60_s": rt60, "distance_m": distance}
        for room, rt60, distance in (
            ("booth", 0.15, 0.5), ("room", 0.3, 1.0), ("room", 0.5, 2.0),
            ("classroom", 0.8, 2.5), ("hall", 1.5, 5.0),
        )
    },
    differentiable=True,
)  # fmt: skip
def reverb(
    audio: Audio, rate: int, rng: np.random.Generator, *, room: str, rt60_s: float, distance_m: float
) -> Audio:
    """A simulated room with a reverberation time of `rt60_s`; each channel has a microphone of its own."""
    return in_room(audio, rate, rng, room, rt60_s, distance_m)


@attack(
    "reverb",
    {
        f"reverb_mix_{snr}dB": {"room": "room", "rt60_s": 0.5, "distance_m": 2.0, "snr_db": snr}
        for snr in (12, 6, 3, 0)
    },
    differentiable=True,
)
def reverb_mix(
    audio: Audio,
    rate: int,
    rng: np.random.Generator,
    *,
    room: str,
    rt60_s: float,
    distance_m: float,
    snr_db: float,
) -> Audio:
    """The audio, and under it the same audio in a room, `snr_db` quieter."""
    return at_snr(audio, in_room(audio, rate, rng, room, rt60_s, distance_m), snr_db)


@attack(
    "echo",
    {
        f"echo_{s}s_{percent}%": {"delay_s": s, "gain": percent / 100}
        for s, percent in (
            (0.005, 50), (0.02, 50), (0.1, 10), (0.1, 30), (0.1, 50),
            (0.2, 20), (0.3, 30), (0.4, 40), (0.3, 50), (0.5, 30), (0.5, 50),
        )
    },
    differentiable=True,
)  # fmt: skip
def echo(audio: Audio, rate: int, rng: np.random.Generator, *, delay_s: float, gain: float) -> Audio:
    """The audio once more, `delay_s` later and `gain` as loud."""
    shift = round(delay_s * rate)
    out = audio.copy()
    out[:, shift:] += np.float32(gain) * audio[:, : max(0, audio.shape[1] - shift)]
    return out


def in_room(
    audio: Audio, rate: int, rng: np.random.Generator, room: str, rt60_s: float, distance_m: float
) -> Audio:
    """`audio` heard at `distance_m` in one of `ROOMS`."""
    from scipy.signal import oaconvolve

    out = np.empty_like(audio)
    for channel, samples in enumerate(audio):
        # Microphones 20 cm apart.
        early = _early(ROOMS[room], rt60_s, distance_m + 0.2 * channel, rate)
        response = np.concatenate([early, _tail(early, rt60_s, rate, rng)])
        out[channel] = oaconvolve(samples, response)[: audio.shape[1]]
    return out


@lru_cache(maxsize=64)
def _early(
    size: tuple[float, float, float], rt60_s: float, distance_m: float, rate: int
) -> NDArray[np.float64]:
    """Response up to 80 ms after the direct sound, which is 1 at index 0."""
    from scipy.signal import butter, sosfilt

    x, y, z = size
    volume, surface = x * y * z, 2 * (x * y + y * z + x * z)
    absorbed = 1 - np.exp(-0.161 * volume / (surface * rt60_s))
    reflected = np.sqrt(1 - absorbed)
    source = np.array([0.37 * x, 0.31 * y, 0.45 * z])
    distance = min(distance_m, 0.6 * y)
    ear = source + np.array([0.13 * distance, 0.98 * distance, 0.1])
    direct = float(np.linalg.norm(ear - source))
    farthest = direct + SOUND_M_S * _EARLY_S
    axes = []
    for length, s, e in zip(size, source, ear, strict=True):
        n = np.arange(-int(farthest / (2 * length)) - 1, int(farthest / (2 * length)) + 2)
        # Images at 2nL + s with |2n| reflections, and at 2nL - s with |2n - 1|.
        offset = np.concatenate([2 * n * length + s, 2 * n * length - s]) - e
        axes.append((offset, np.concatenate([np.abs(2 * n), np.abs(2 * n - 1)])))
    (dx, nx), (dy, ny), (dz, nz) = axes
    far = np.sqrt(dx[:, None, None] ** 2 + dy[None, :, None] ** 2 + dz[None, None, :] ** 2)
    count = nx[:, None, None] + ny[None, :, None] + nz[None, None, :]
    at = np.rint((far - direct) / SOUND_M_S * rate).astype(int)
    length = round(_EARLY_S * rate)
    near = (at >= 0) & (at < length)
    loudness = (direct / far * reflected**count)[near]
    response = np.bincount(at[near], loudness, minlength=length).astype(np.float64)
    # All images being positive, they would add up to a boom at frequencies of which a room has few modes.
    response[0] = 0.0
    response = sosfilt(butter(2, _LOWEST_HZ, "high", fs=rate, output="sos"), response)
    response[0] = 1.0
    response.flags.writeable = False
    return response


def _tail(
    early: NDArray[np.float64], rt60_s: float, rate: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Noise that goes on from the level of the last 20 ms, falling by 60 dB in `rt60_s`."""
    last = early[-round(0.02 * rate) :]
    level = np.sqrt(np.mean(last**2))
    t = np.arange(max(0, round(rt60_s * rate) - len(early))) / rate
    return level * rng.standard_normal(len(t)) * 10 ** (-3 * t / rt60_s)
