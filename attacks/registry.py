"""The registry of attacks: a decorated function for each kind of attack, a name for each of its strengths.

A package adds its own through the entry point group `soundsafe.attacks`, whose entries name modules that use
the same decorator; they are imported when the registry is first read. A file does as a plug-in
(`soundsafe.plugins`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, TypeVar

import numpy as np

from soundsafe import plugins
from soundsafe.aliases import Audio
from soundsafe.attacks.access import Access
from soundsafe.attacks.folders import Folder
from soundsafe.attacks.packages import Package
from soundsafe.attacks.programs import Program
from soundsafe.attacks.sources import SOUNDSAFE, Source, joined
from soundsafe.attacks.weights import Weights
from soundsafe.errors import InputError, unknown

__all__ = ["JOIN", "Attack", "Audio", "all_attacks", "attack", "get"]

Delay = Callable[..., int | None]
F = TypeVar("F", bound=Callable[..., Audio])

JOIN = "+then+"
"""Between the names of a chain's steps, in the order in which they are applied."""


@dataclass(frozen=True)
class Attack:
    """One attack at one strength.

    Attributes:
        name: `family[_engine]_strength`, or several joined by `+then+`.
        family: what it is reported under.
        kind: the function that implements it; strengths of one attack share it.
        params: JSON values that, with `kind`, say all that it does.
        changes_length: the result may have another number of samples.
        differentiable: almost everywhere, as a function of the audio.
        engine: the outside code that does it, '' for this package's own.
        function: what does it: `f(audio, rate, rng, **params) -> audio`.
        delay: `f(rate, channels, **params)`, see `delay_samples`.
        needs_access: it is an adversary's, who has more than the audio: see `Access`.
        weights: of networks that it runs, which the user brings.
        programs: that it runs, which the user installs.
        to_mono: the result has one channel.
        packages: of Python that it imports when it is applied.
        folders: of recordings that it draws from, which the user brings.
        source: where its definition comes from, and under which licence that was published.

    Example:
        >>> quieter = get("gain_-3dB")
        >>> audio = np.ones((1, 3), np.float32)
        >>> quieter.apply(audio, 44_100, np.random.default_rng(0)).round(3)
        array([[0.708, 0.708, 0.708]], dtype=float32)
        >>> quieter.delay_samples(44_100), quieter.left_out
        (0, '')
    """

    name: str
    family: str
    kind: str
    params: Mapping[str, Any]
    changes_length: bool
    differentiable: bool
    engine: str
    function: Callable[..., Audio] = field(repr=False, compare=False)
    delay: Delay = field(repr=False, compare=False)
    needs_access: bool = False
    weights: tuple[Weights, ...] = ()
    programs: tuple[Program, ...] = ()
    to_mono: bool = False
    packages: tuple[Package, ...] = ()
    folders: tuple[Folder, ...] = ()
    source: Source = SOUNDSAFE

    @property
    def left_out(self) -> str:
        """Why it cannot be run here, in one line; '' where it can."""
        needed: tuple[Weights | Program | Package | Folder, ...] = (
            *self.weights, *self.programs, *self.packages, *self.folders,
        )  # fmt: skip
        return next((reason for n in needed if (reason := n.missing())), "")

    def apply(self, audio: Audio, rate: int, rng: np.random.Generator, access: Access | None = None) -> Audio:
        """The attacked audio, a new array.

        Args:
            audio: float32 `[channels, samples]`; left as it is.
            rate: samples per second; the result has the same.
            rng: all the randomness that the attack uses.
            access: what else the adversary has, where the attack `needs_access`.

        Returns:
            float32 `[channels, samples]`, finite. It may leave [-1, 1]: nothing is clipped unless the attack
            is about clipping. Attacks on channels may return fewer of them.

        Raises:
            InputError: it needs access and there is none, or it is left out here.
        """
        source = np.atleast_2d(np.asarray(audio, dtype=np.float32))
        more: dict[str, Any] = dict(self.params)
        if self.needs_access:
            if access is None:
                raise InputError(f"{self.name} attacks a system, not audio alone: soundsafe-eval runs it")
            more["access"] = access
        out = np.ascontiguousarray(self.function(source, rate, rng, **more), dtype=np.float32)
        return out.copy() if np.may_share_memory(out, source) else out

    def delay_samples(self, rate: int, channels: int = 2) -> int | None:
        """How much later the content comes.

        Args:
            rate: samples per second.
            channels: of the audio, at least 1.

        Returns:
            Samples, negative where it comes earlier; None where there is no one figure.
        """
        return self.delay(rate, channels, **self.params)


_ATTACKS: dict[str, Attack] = {}
_entry_points_loaded = False


def no_delay(rate: int, channels: int, **params: Any) -> int | None:
    """The delay of attacks that leave everything in its place."""
    return 0


def unknown_delay(rate: int, channels: int, **params: Any) -> int | None:
    """The delay of attacks that move different parts by different times."""
    return None


def attack(
    family: str,
    strengths: Mapping[str, Mapping[str, Any]],
    *,
    changes_length: bool = False,
    differentiable: bool = False,
    engine: str = "",
    delay: Delay = no_delay,
    needs_access: bool = False,
    weights: Weights | None = None,
    program: Program | None = None,
    to_mono: bool = False,
    packages: tuple[Package, ...] = (),
    folder: Folder | None = None,
    source: Source = SOUNDSAFE,
) -> Callable[[F], F]:
    """Register the decorated function `f(audio, rate, rng, **params) -> audio` under several names.

    `audio` is float32 `[channels, samples]`, the caller's own: the function must not write to it.

    Args:
        family: see `Attack`.
        strengths: the parameters for each name.
        changes_length: see `Attack`.
        differentiable: see `Attack`.
        engine: see `Attack`.
        delay: `f(rate, channels, **params)`, see `Attack.delay_samples`.
        needs_access: the function takes `access` (an `Access`) too.
        weights: without which it is left out.
        program: without which it is left out.
        packages: without which it is left out.
        folder: without which it is left out.
        to_mono: see `Attack`.
        source: see `Attack`.

    Returns:
        A decorator that gives the function back.

    Raises:
        ValueError: a name is taken.

    Example:
        >>> @attack("example", {"example_flip": {}})
        ... def flip(audio, rate, rng):
        ...     return -audio
        >>> get("example_flip").apply(np.ones((1, 2), np.float32), 44_100, np.random.default_rng(0)).tolist()
        [[-1.0, -1.0]]
        >>> del _ATTACKS["example_flip"]
    """

    def register(function: F) -> F:
        kind = getattr(function, "__name__", family)
        for name, params in strengths.items():
            if name in _ATTACKS:
                raise ValueError(f"attack {name} is registered twice")
            _ATTACKS[name] = Attack(
                name, family, kind, dict(params), changes_length, differentiable, engine, function, delay,
                needs_access, () if weights is None else (weights,), () if program is None else (program,),
                to_mono, packages, () if folder is None else (folder,), source,
            )  # fmt: skip
        return function

    return register


def get(name: str) -> Attack:
    """The attack of a name.

    Args:
        name: of one attack, or of several joined by `+then+`, which are applied in that order.

    Returns:
        The attack, or the chain.

    Raises:
        InputError: there is no such attack.

    Example:
        >>> get("gain_-3dB+then+mp3_128").family
        'chain'
    """
    _load_entry_points()
    if name in _ATTACKS:
        return _ATTACKS[name]
    if JOIN in name:
        return _chain([get(step) for step in name.split(JOIN)])
    raise InputError(unknown("attack", name, _ATTACKS, "soundsafe-eval list attacks"))


def all_attacks() -> tuple[Attack, ...]:
    """All registered attacks.

    Returns:
        In order of registration.

    Example:
        >>> len(all_attacks()) > 100
        True
    """
    _load_entry_points()
    return tuple(_ATTACKS.values())


def _chain(steps: list[Attack]) -> Attack:
    def run(
        audio: Audio, rate: int, rng: np.random.Generator, access: Access | None = None, **params: Any
    ) -> Audio:
        for step in steps:
            audio = step.apply(audio, rate, rng, access)
        return audio

    def delay(rate: int, channels: int, **params: Any) -> int | None:
        total = 0
        for step in steps:
            added = step.delay_samples(rate, channels)
            if added is None:
                return None
            total += added
            channels = 1 if step.to_mono else channels
        return total

    return Attack(
        name=JOIN.join(s.name for s in steps),
        family="chain",
        kind="chain",
        params={"steps": [{"attack": s.name, "params": dict(s.params)} for s in steps]},
        changes_length=any(s.changes_length for s in steps),
        differentiable=all(s.differentiable for s in steps),
        engine=", ".join(dict.fromkeys(s.engine for s in steps if s.engine)),
        function=run,
        delay=delay,
        needs_access=any(s.needs_access for s in steps),
        weights=tuple(dict.fromkeys(w for s in steps for w in s.weights)),
        programs=tuple(dict.fromkeys(p for s in steps for p in s.programs)),
        to_mono=any(s.to_mono for s in steps),
        packages=tuple(dict.fromkeys(p for s in steps for p in s.packages)),
        folders=tuple(dict.fromkeys(f for s in steps for f in s.folders)),
        source=joined([s.source for s in steps]),
    )


def _load_entry_points() -> None:
    global _entry_points_loaded
    plugins.loaded()
    if _entry_points_loaded:
        return
    _entry_points_loaded = True
    for point in entry_points(group="soundsafe.attacks"):
        try:
            point.load()
        except Exception as error:
            # One broken add-on must not take the others' attacks away.
            warnings.warn(f"attacks of {point.name} cannot be loaded: {error}", stacklevel=2)
