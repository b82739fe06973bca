"""A system brought to a distance from the original: by an option of its own, or by scaling what it adds.

`audiowmark:equal_to=soundsafe-16` marks each clip as far from the original as `soundsafe-16` marks that clip,
so that neither buys robustness with distance. The same clip under another payload may be half as far again,
so the bench says which payload the other system gives it. With `equal_in=nmr` their noise-to-mask ratios are
equal instead.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from soundsafe.aliases import Audio
from soundsafe.codecs import resample
from soundsafe.distance.zimtohrli import worst_channel
from soundsafe.errors import InputError, NotMarkable
from soundsafe.eval.metrics.quality import nmr_db
from soundsafe.eval.systems import registry
from soundsafe.eval.systems.interface import Marked, System
from soundsafe.eval.systems.peer_catalogue import PEERS
from soundsafe.stft import RATE

__all__ = [
    "MEASURES", "AsFar", "at_distance", "log_distance", "near", "option_of", "payloads", "scaled", "start_of",
    "with_option",
]  # fmt: skip

T = TypeVar("T")

_payload_of: ContextVar[Callable[[System], bytes] | None] = ContextVar("payload of a system", default=None)

_NEAR = 0.01
"""Marks count as equally far where the mean logarithms of their distances differ by less."""

_SLOPE = 1.4
"""Of the logarithm of the distance over that of the factor, before two factors tell it."""

_FAR = 0.1
"""Marks whose mean logarithms differ by more are not equally far."""

_STEP = 3.0
"""The logarithm of the factor moves by no more than this at a time."""

_TRIES = 12
"""Marks of one clip: a system may stand far from the other at first."""

_LEAST = 1e-7
"""A distance below this one counts as this one."""

_LEAST_NMR_DB = -100.0


@contextmanager
def payloads(of: Callable[[System], bytes]) -> Iterator[None]:
    """While this lasts, another system's mark of the clip at hand carries the payload that `of` says."""
    token = _payload_of.set(of)
    try:
        yield
    finally:
        _payload_of.reset(token)


def log_distance(pairs: Iterable[tuple[Audio, Audio]]) -> float:
    """Mean logarithm of the Zimtohrli distance of `pairs` of original and marked audio
    ``[channels, samples]``."""
    return float(np.mean([math.log(max(worst_channel(x, y, RATE), _LEAST)) for x, y in pairs]))


def _log_noise_to_mask(original: Audio, marked: Audio) -> float:
    """Natural logarithm of the worst channel's noise-to-mask ratio."""
    found = nmr_db(original, marked, RATE)  # not finite where both are equal
    return (max(found, _LEAST_NMR_DB) if math.isfinite(found) else _LEAST_NMR_DB) * math.log(10.0) / 10.0


MEASURES: dict[str, Callable[[Audio, Audio], float]] = {
    "zimtohrli": lambda original, marked: log_distance([(original, marked)]),
    "nmr": _log_noise_to_mask,
}
"""What may be equal: natural logarithms of how far marked audio is from the original, by name."""


def at_distance(
    mark: Callable[[float], tuple[T, float]], wanted: float | None, tries: int = 6
) -> tuple[float, float, T]:
    """Factor, log distance and what was marked, by secants from factor 1 until the distance is `wanted`.

    `mark(factor)`: what is marked and its log distance. Without `wanted` the factor is 1. The last mark is
    taken after so many `tries`, and where another factor leaves the distance as it was.
    """
    at, slope = 0.0, _SLOPE
    marked, distance = mark(1.0)
    below, above = -math.inf, math.inf  # logarithms of factors that came out too near and too far
    for _ in range(tries - 1):
        if wanted is None or abs(distance - wanted) < _NEAR:
            break
        below, above = (at, above) if distance < wanted else (below, at)
        before, at = (at, distance), at + min(max((wanted - distance) / slope, -_STEP), _STEP)
        if not below < at < above:
            at = (below + above) / 2
        marked, distance = mark(math.exp(at))
        if distance == before[1]:
            break
        slope = max(0.5, (distance - before[1]) / (at - before[0]))
    return math.exp(at), distance, marked


def near(distance: float, wanted: float) -> bool:
    """Whether marks of these log distances are equally far from the original, within 10 %."""
    return abs(distance - wanted) <= _FAR


def scaled(audio: Audio, marked: Audio, factor: float) -> Audio:
    """The audio with `factor` times what the mark added, ``[channels, samples]``."""
    return np.clip(audio + np.float32(factor) * (marked - audio), -1, 1)


def option_of(name: str) -> str:
    """The option that makes a system's mark stronger: its own where its default is known, else `scale`."""
    plain = name.partition(":")[0]
    if plain in PEERS:
        return PEERS[plain].strength if PEERS[plain].default else "scale"
    known = inspect.signature(type(registry.get(plain)).__init__).parameters
    return next((option for option in ("strength", "amount_db", "scale") if option in known), "scale")


def start_of(name: str, option: str) -> float:
    """The option's own default. Raises InputError where the system does not say it."""
    plain = name.partition(":")[0]
    if option == "scale":
        return 1.0
    if plain in PEERS and PEERS[plain].strength == option and PEERS[plain].default:
        return PEERS[plain].default
    known = inspect.signature(type(registry.get(plain)).__init__).parameters
    found = known[option].default if option in known else None
    if not isinstance(found, int | float) or found <= 0:
        raise InputError(f"{plain} has no option {option} with a default to start from")
    return float(found)


def with_option(name: str, option: str, value: float) -> str:
    """The name of a system with one more option.

    >>> with_option("qim:bits=16", "step", 0.02)
    'qim:bits=16,step=0.02'
    """
    return f"{name}{',' if ':' in name else ':'}{option}={value:.4g}"


@dataclass(frozen=True)
class AsFar:
    """What embeds in a system's place: each clip as far from the original as another system's mark.

    Attributes:
        name: of the system, with its other options.
        to: the other system's name, or a Zimtohrli distance.
        option: that is moved, see `option_of`.
        measure: one of `MEASURES`.
    """

    name: str
    to: str | float
    option: str
    measure: str = "zimtohrli"

    def __call__(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> Marked:
        """As `System.embed`.

        Raises:
            NotMarkable: the option does not bring this clip to the distance, or one of both refuses it.
        """
        original = resample(audio, rate, RATE)

        def distance(marked: Audio) -> float:
            return MEASURES[self.measure](original, resample(marked, rate, RATE))

        if isinstance(self.to, str):
            other, of = registry.get(self.to), _payload_of.get()
            wanted = distance(_marked(other, audio, rate, payload if of is None else of(other), key))
        else:
            wanted = math.log(self.to)
        if self.option == "scale":  # what is added need not be made anew
            once = _marked(registry.get(self.name), audio, rate, payload, key)

            def mark(factor: float) -> tuple[Audio, float]:
                marked = scaled(audio, once, factor)
                return marked, distance(marked)

        else:
            start = start_of(self.name, self.option)

            def mark(factor: float) -> tuple[Audio, float]:
                system = registry.get(with_option(self.name, self.option, start * factor))
                marked = _marked(system, audio, rate, payload, key)
                return marked, distance(marked)

        _, reached, marked = at_distance(mark, wanted, _TRIES)
        if not near(reached, wanted):
            found, sought = math.exp(reached), math.exp(wanted)
            raise NotMarkable(
                f"{self.measure}: {self.option} brings {self.name} to {found:.3g}, not {sought:.3g}"
            )
        return Marked(marked)


def _marked(system: System, audio: Audio, rate: int, payload: bytes, key: bytes) -> Audio:
    """A clip as a system marks it, with as much of the payload as it carries, over and over."""
    n = system.payload_bytes
    own = payload if len(payload) == n else (payload or b"\0") * (n + 1)
    marked = system.embed(audio.copy(), rate, own[:n], key).audio
    if marked is None:
        raise NotMarkable(f"{system.name} marks nothing here")
    return np.asarray(marked, np.float32)
