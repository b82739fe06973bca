"""Systems on equal terms: how strong a mark may be, so that it is as far from the original as another's.

Robustness is bought with distance, so a comparison at each system's own default compares two things at once.
Here an option of one system (its strength, or `scale`, which multiplies what it adds) is moved until the mean
logarithm of the Zimtohrli distance over some clips is that of another system, or a number.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from soundsafe.aliases import Audio
from soundsafe.codecs import resample
from soundsafe.datasets import Clip
from soundsafe.distance.zimtohrli import worst_channel
from soundsafe.errors import InputError
from soundsafe.eval.running.seeds import bench_key, payload_of
from soundsafe.eval.systems import registry
from soundsafe.eval.systems.interface import System
from soundsafe.eval.systems.whole_clip import bits_of, bytes_of, payload_bits_of
from soundsafe.stft import RATE

__all__ = ["Strength", "at_distance", "distance_of", "log_distance", "strength_at"]

Marked = TypeVar("Marked")

_NEAR = 0.01
"""Marks count as equally far where the mean logarithms of their distances differ by less."""

_FAR = 0.1
"""Marks whose mean logarithms differ by more are not equally far."""

_SLOPE = 1.4
"""Of the logarithm of the distance over that of the factor, before two factors tell it."""

_LEAST = 1e-7
"""A distance below this one counts as this one."""


@dataclass(frozen=True)
class Strength:
    """A system's name with the option that brings it to a distance, and the distance that it has then."""

    system: str
    distance: float


def log_distance(pairs: Iterable[tuple[Audio, Audio]]) -> float:
    """Mean logarithm of the Zimtohrli distance of `pairs` of original and marked audio
    ``[channels, samples]``."""
    return float(np.mean([math.log(max(worst_channel(x, y, RATE), _LEAST)) for x, y in pairs]))


def at_distance(
    mark: Callable[[float], tuple[Marked, float]], wanted: float | None
) -> tuple[float, float, Marked]:
    """Factor, log distance and what was marked, by secants from factor 1 until the distance is `wanted`.

    `mark(factor)`: what is marked and its log distance. Without `wanted` the factor is 1. After six tries
    the last is taken.
    """
    factor, slope = 1.0, _SLOPE
    marked, distance = mark(factor)
    for _ in range(5):
        if wanted is None or abs(distance - wanted) < _NEAR:
            break
        move, before = (wanted - distance) / slope, distance
        factor *= math.exp(move)
        marked, distance = mark(factor)
        slope = max(0.5, (distance - before) / move)
    return factor, distance, marked


def _pairs(system: System, clips: Sequence[tuple[Audio, int]], seed: int) -> list[tuple[Audio, Audio]]:
    """Each clip and its marked copy, at the rate that the distance is measured at."""
    key, bits = bench_key(seed), payload_bits_of(system)
    out = []
    for i, (audio, rate) in enumerate(clips):
        payload = bytes_of(bits_of(payload_of(seed, str(i), system.payload_bytes), bits))
        marked = system.embed(audio.copy(), rate, payload, key).audio
        if marked is not None:
            out.append((resample(audio, rate, RATE), resample(np.asarray(marked, np.float32), rate, RATE)))
    return out


def _audio(clips: Sequence[Clip], seconds: float | None) -> list[tuple[Audio, int]]:
    out = []
    for clip in clips:
        audio, rate = clip.read()
        out.append((audio if seconds is None else audio[:, : round(seconds * rate)], rate))
    return out


def distance_of(name: str, clips: Sequence[Clip], seconds: float | None = None, seed: int = 0) -> float:
    """The distance of a system's marks: the exponential of the mean logarithm over clips."""
    return math.exp(log_distance(_pairs(registry.get(name), _audio(clips, seconds), seed)))


def _start(name: str, option: str) -> float:
    """The option's own default. Raises InputError where the system does not say it."""
    from soundsafe.eval.systems.peer_catalogue import PEERS

    if option == "scale":
        return 1.0
    if name in PEERS and PEERS[name].strength == option and PEERS[name].default:
        return PEERS[name].default
    known = inspect.signature(type(registry.get(name)).__init__).parameters
    found = known[option].default if option in known else None
    if not isinstance(found, int | float) or found <= 0:
        raise InputError(f"{name} has no option {option} with a default to start from")
    return float(found)


def strength_at(
    name: str,
    wanted: float,
    clips: Sequence[Clip],
    *,
    option: str = "scale",
    seconds: float | None = None,
    seed: int = 0,
) -> Strength:
    """The option's value at which a system's marks have a distance.

    Args:
        name: of a system, with other options behind it where needed.
        wanted: Zimtohrli distance, above 0.
        clips: to tune on; take others to report on.
        option: that is moved; a larger value must mean a stronger mark.
        seconds: the first so many of each clip; None: all.
        seed: of key and payloads.

    Returns:
        The system's name with the option, and the distance that it has: mostly within 1 % of `wanted`, always
        within 10 %.

    Raises:
        InputError: there is no such system or option, or the option does not change the distance enough.
        NotMarkable: it refuses a clip.
    """
    audio = _audio(clips, seconds)
    plain = name.partition(":")[0]
    start = _start(plain, option)
    join = "," if ":" in name else ":"

    def named(factor: float) -> str:
        return f"{name}{join}{option}={start * factor:.4g}"

    if option == "scale":  # what is added need not be made anew
        first = _pairs(registry.get(name), audio, seed)
        registry.get(named(1.0))  # refuses a system without this option

        def mark(factor: float) -> tuple[None, float]:
            return None, log_distance((x, np.clip(x + factor * (y - x), -1, 1)) for x, y in first)

    else:
        mark = partial(_marked_by, lambda factor: _pairs(registry.get(named(factor)), audio, seed))
    factor, distance, _ = at_distance(mark, math.log(wanted))
    if abs(distance - math.log(wanted)) > _FAR:
        reached = f"{math.exp(distance):.3g} at {start * factor:.3g}"
        raise InputError(f"{option} does not bring {name} to {wanted:.3g}: {reached}")
    return Strength(named(factor), math.exp(distance))


def _marked_by(pairs: Callable[[float], list[tuple[Audio, Audio]]], factor: float) -> tuple[None, float]:
    return None, log_distance(pairs(factor))
