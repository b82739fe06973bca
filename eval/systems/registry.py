"""The systems under test by their names.

Options may stand behind a name, as its factory takes them: `qim:step=0.01`. All of it is that system's name.
Every system takes `equal_to`, another's name or a Zimtohrli distance, and `moving`, the option that brings it
there (`soundsafe.eval.systems.as_far`).

A package adds a system through the entry point group `soundsafe.systems`: a name, and a callable without
arguments (a class, for instance) that returns a `System`. A program adds one with `register`, a plug-in
(`soundsafe.plugins`) by a class with a name, `embed` and `decode`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType
from typing import Protocol, TypeVar, runtime_checkable

from soundsafe import plugins
from soundsafe.errors import InputError, unknown
from soundsafe.eval.systems.interface import SimpleSystem, System
from soundsafe.eval.systems.peer_catalogue import PEERS
from soundsafe.message.container import BODY

__all__ = ["checked", "facts_of", "get", "listing", "register", "systems"]

Factory = Callable[[], System]
F = TypeVar("F", bound=Factory)


@runtime_checkable
class _SystemClass(Protocol):
    """A class of a plug-in that is a system."""

    name: object
    embed: Callable[..., object]
    decode: Callable[..., object]

    def __call__(self) -> System: ...


@dataclass(frozen=True)
class _Own:
    """A system of this package: where it is, and what is known of it without loading anything.

    `payload_bytes` None: whether it can be loaded at all has to be tried. `of`: what `factory` makes a
    factory of, where it is none itself.
    """

    module: str
    factory: str
    description: str
    payload_bytes: int | None = None
    of: str = ""

    def load(self) -> Factory:
        found = getattr(import_module(f"soundsafe.eval.systems.{self.module}"), self.factory)
        loaded: Factory = found(self.of) if self.of else found
        return loaded


_OWN = {
    "soundsafe": _Own(
        "codec", "Soundsafe", "this package's codec, both layers, as `soundsafe embed` marks", BODY
    ),
    "soundsafe-eul": _Own("codec", "SoundsafeEul", "its layer of one-second units alone", BODY),
    "soundsafe-16": _Own("codec", "Soundsafe16", "the codec with a payload as short as peers carry", 16),
    "soundsafe-16-learnable": _Own(
        "codec",
        "Soundsafe16Learnable",
        "the same with marks of version 1, which can be learned",
        16,
    ),
    "soundsafe-8": _Own("codec", "Soundsafe8", "the same with 8 bytes", 8),
    "soundsafe-128bit": _Own("codec", "Soundsafe128Bit", "soundsafe-16 by its earlier name", 16),
    "soundsafe-rs": _Own("codec", "SoundsafeRs", "one-second units with Reed-Solomon in place of LDPC", BODY),
    "soundsafe-network": _Own(
        "codec", "SoundsafeNetwork", "the codec through the map of its network, as embed --model steps", BODY
    ),
    "soundsafe-fixed": _Own(
        "codec", "SoundsafeFixed", "one-second units, bits spread over the bands whatever the audio", BODY
    ),
    "soundsafe-eul-driver": _Own(
        "eul_driver", "SoundsafeEulDriver", "EULDriver: every second written and read by itself", BODY
    ),
    "soundsafe-seed": _Own(
        "eul_driver", "SoundsafeSeed", "EULDriver by the rules of the original design", BODY
    ),
    "spread-spectrum": _Own("baselines", "SpreadSpectrum", "baseline: spread spectrum, as papers have it", 4),
    "qim": _Own("baselines", "PlainQim", "baseline: quantised DCT coefficients (QIM)", 4),
    "classic-ss": _Own("classics", "PlainSpread", "baseline: spread spectrum by DCT, unchecked", 4),
    "classic-iss": _Own("classics", "InformedSpread", "baseline: the same with informed embedding", 4),
    "classic-patchwork": _Own("classics", "Patchwork", "baseline: patchwork", 4),
    "classic-echo": _Own("classics", "EchoHiding", "baseline: echo hiding", 4),
    "classic-phase": _Own("classics", "PhaseCoding", "baseline: phase coding", 4),
    "null": _Own("baselines", "Null", "baseline: marks nothing, finds nothing", 4),
    "audiowmark": _Own("peers", "Audiowmark", "peer: audiowmark, the program"),
    **{p.name: _Own("peers", "factory", f"peer: {p.about}", of=p.name) for p in PEERS.values()},
}
_REGISTERED: dict[str, Factory] = {}


def register(name: str) -> Callable[[F], F]:
    """Register a factory of systems under a name, for this process.

    Raises:
        ValueError: the name is taken.
    """

    def add(factory: F) -> F:
        if name in _OWN or name in _REGISTERED:
            raise ValueError(f"system {name} is registered twice")
        _REGISTERED[name] = factory
        return factory

    return add


def _found() -> dict[str, Callable[[], Factory]]:
    """Loaders of all factories by name; entry points cannot replace the others."""
    loaders: dict[str, Callable[[], Factory]] = {
        point.name: point.load for point in entry_points(group="soundsafe.systems")
    }
    loaders |= {name: own.load for name, own in _OWN.items()}
    for module in plugins.loaded():
        loaders |= {
            name: partial(_itself, made) for name, made in _in_plugin(module).items() if name not in _OWN
        }
    return loaders | {name: partial(_itself, factory) for name, factory in _REGISTERED.items()}


def _in_plugin(module: ModuleType) -> dict[str, Factory]:
    """The systems that a plug-in defines: its classes that have a name, embed and decode."""
    out: dict[str, Factory] = {}
    for made in vars(module).values():
        own = isinstance(made, type) and made.__module__ == module.__name__
        if own and isinstance(made, _SystemClass) and isinstance(made.name, str):
            out[made.name] = _completed(made)
    return out


_OPTIONAL = ("coded_bits", "layouts", "describe")
"""What a system by the second has, and a plain one does without."""


def _completed(made: _SystemClass) -> Factory:
    """A plug-in's class; what it leaves out is as `SimpleSystem` has it."""
    if not isinstance(made, type) or all(hasattr(made, name) for name in _OPTIONAL):
        return made
    return type(made.__name__, (made, SimpleSystem), {"__module__": made.__module__, "__doc__": made.__doc__})


def checked(system: System) -> System:
    """The system, which has all that the bench asks of one.

    Raises:
        InputError: it lacks something.
    """
    needed = ("name", "payload_bytes", "embed", "decode", *_OPTIONAL)
    if missing := [name for name in needed if not hasattr(system, name)]:
        raise InputError(
            f"{type(system).__name__} is no system: it has no {', '.join(missing)} "
            "(soundsafe.eval.systems.interface.SimpleSystem has what may be left out)"
        )
    return system


def _itself(factory: Factory) -> Factory:
    return factory


def systems() -> tuple[str, ...]:
    """Names of all systems, sorted."""
    return tuple(sorted(_found()))


def facts_of(system: System) -> dict[str, object]:
    """What a run keeps of a system."""
    return dict(system.describe()) | {"payload_bytes": system.payload_bytes}


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text


def _options(text: str) -> dict[str, int | float | str]:
    pairs = [item.partition("=") for item in text.split(",") if item]
    if bad := [name for name, equals, value in pairs if not (name.isidentifier() and equals and value)]:
        raise InputError(f"{bad[0]} is no option: NAME=VALUE is needed")
    return {name: _value(value) for name, _, value in pairs}


def get(name: str) -> System:
    """The system of that name, with the options that stand behind it.

    Raises:
        InputError: there is none, its package cannot be loaded, or it has no such option.

    Example:
        >>> get("qim:step=0.01").step
        0.01
    """
    loaders = _found()
    plain, _, text = name.partition(":")
    if plain not in loaders:
        raise InputError(unknown("system", plain, sorted(loaders)))
    options = _options(text)
    equal_to, moving, equal_in = (options.pop(option, None) for option in ("equal_to", "moving", "equal_in"))
    if equal_to is not None:
        others = ",".join(f"{option}={value}" for option, value in options.items())
        full = f"{plain}:{others}" if others else plain
        return _as_far(name, full, equal_to, str(moving or ""), str(equal_in or "zimtohrli"))
    if moving or equal_in:
        raise InputError(f"{name}: {'moving' if moving else 'equal_in'} stands beside equal_to")
    try:
        make: Callable[..., System] = loaders[plain]()
        if not options:
            return checked(make())
        try:
            inspect.signature(make).bind(**options)
        except TypeError as error:
            raise InputError(f"{plain} takes no such option: {error}") from None
        system = make(**options)
    except ImportError as error:
        raise InputError(f"system {plain} cannot be loaded: {error}") from error
    system.name = name
    return system


def _as_far(name: str, plain: str, to: int | float | str, option: str, measure: str) -> System:
    """A system whose marks are as far from the original as another's, or as a number says."""
    # late: it looks systems up here
    from soundsafe.eval.systems.as_far import MEASURES, AsFar, option_of, start_of

    system = get(plain)
    if measure not in MEASURES:
        raise InputError(unknown("equal_in", measure, sorted(MEASURES)))
    if isinstance(to, str):
        get(to)
    elif measure != "zimtohrli":
        raise InputError(f"{name}: equal_in={measure} needs the name of a system in equal_to")
    elif not 0 < to < 1:
        raise InputError(f"{name}: a distance above 0 and below 1 is needed")
    option = option or option_of(plain)
    start_of(plain, option)
    vars(system)["embed"] = AsFar(plain, to, option, measure)
    system.name = name
    return system


def _listed(name: str) -> Mapping[str, object]:
    own = _OWN.get(name)
    size = None if own is None else own.payload_bytes
    missing = ""
    if size is None:
        try:
            size = get(name).payload_bytes
        except InputError as error:
            missing = str(error)
    description = _described(name) if own is None else own.description
    return {
        "system": name, "payload_bytes": size, "available": not missing, "missing": missing,
        "description": description,
    }  # fmt: skip


def _described(name: str) -> str:
    """The first line of what a class or function of others says of itself, or ''."""
    try:
        said = _found()[name]().__doc__
    except Exception:  # whatever importing another package raises
        return ""
    return (said or "").strip().split("\n")[0].rstrip(".")


def listing() -> list[Mapping[str, object]]:
    """All systems as JSON: `system`, `payload_bytes` (null where it is absent), `available`, `missing` (how
    to get it, or ''), `description` (one line)."""
    return [_listed(name) for name in systems()]
