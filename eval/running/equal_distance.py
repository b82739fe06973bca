"""Systems on equal terms: how strong a mark may be, so that it is as far from the original as another's.

Robustness is bought with distance, so a comparison at each system's own default compares two things at once.
Here an option of one system (its strength, or `scale`, which multiplies what it adds) is moved until the mean
logarithm of the Zimtohrli distance over some clips is that of another system, or a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from soundsafe.aliases import Audio
from soundsafe.codecs import resample
from soundsafe.datasets import Clip
from soundsafe.errors import InputError
from soundsafe.eval.running.seeds import bench_key, payload_of
from soundsafe.eval.systems import registry
from soundsafe.eval.systems.as_far import at_distance, log_distance, near, scaled, start_of, with_option
from soundsafe.eval.systems.interface import System
from soundsafe.eval.systems.whole_clip import bits_of, bytes_of, payload_bits_of
from soundsafe.stft import RATE

__all__ = ["Strength", "distance_of", "strength_at"]


@dataclass(frozen=True)
class Strength:
    """A system's name with the option that brings it to a distance, and the distance that it has then."""

    system: str
    distance: float


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
    start = start_of(name, option)

    def named(factor: float) -> str:
        return with_option(name, option, start * factor)

    if option == "scale":  # what is added need not be made anew
        first = _pairs(registry.get(name), audio, seed)
        registry.get(named(1.0))  # refuses a system without this option

        def mark(factor: float) -> tuple[None, float]:
            return None, log_distance((x, scaled(x, y, factor)) for x, y in first)

    else:
        mark = partial(_marked_by, lambda factor: _pairs(registry.get(named(factor)), audio, seed))
    factor, distance, _ = at_distance(mark, math.log(wanted))
    if not near(distance, math.log(wanted)):
        reached = f"{math.exp(distance):.3g} at {start * factor:.3g}"
        raise InputError(f"{option} does not bring {name} to {wanted:.3g}: {reached}")
    return Strength(named(factor), math.exp(distance))


def _marked_by(pairs: Callable[[float], list[tuple[Audio, Audio]]], factor: float) -> tuple[None, float]:
    return None, log_distance(pairs(factor))
