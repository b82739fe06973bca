"""The systems under test by their names.

A package adds a system through the entry point group `soundsafe.systems`: a name, and a callable without
arguments (a class, for instance) that returns a `System`. A program adds one with `register`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from typing import TypeVar

from soundsafe.errors import InputError
from soundsafe.eval.systems.interface import System
from soundsafe.message.container import BODY

__all__ = ["facts_of", "get", "listing", "register", "systems"]

Factory = Callable[[], System]
F = TypeVar("F", bound=Factory)


@dataclass(frozen=True)
class _Own:
    """A system of this package: where it is, and what is known of it without loading anything.

    `payload_bytes` None: whether it can be loaded at all has to be tried.
    """

    module: str
    factory: str
    payload_bytes: int | None = None

    def load(self) -> Factory:
        found: Factory = getattr(import_module(f"soundsafe.eval.systems.{self.module}"), self.factory)
        return found


_OWN = {
    "soundsafe": _Own("codec", "Soundsafe", BODY),
    "soundsafe-eul": _Own("codec", "SoundsafeEul", BODY),
    "soundsafe-16": _Own("codec", "Soundsafe16", 16),
    "soundsafe-8": _Own("codec", "Soundsafe8", 8),
    "soundsafe-128bit": _Own("codec", "Soundsafe128Bit", 16),
    "soundsafe-rs": _Own("codec", "SoundsafeRs", BODY),
    "soundsafe-fixed": _Own("codec", "SoundsafeFixed", BODY),
    "soundsafe-eul-driver": _Own("eul_driver", "SoundsafeEulDriver", BODY),
    "soundsafe-seed": _Own("eul_driver", "SoundsafeSeed", BODY),
    "spread-spectrum": _Own("baselines", "SpreadSpectrum", 4),
    "qim": _Own("baselines", "PlainQim", 4),
    "null": _Own("baselines", "Null", 4),
    "audiowmark": _Own("peers", "Audiowmark"),
    "perth": _Own("peers", "perth"),
    "audioseal": _Own("peers", "audioseal"),
    "wavmark": _Own("peers", "wavmark"),
    "silentcipher": _Own("peers", "silentcipher"),
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
    return loaders | {name: partial(_itself, factory) for name, factory in _REGISTERED.items()}


def _itself(factory: Factory) -> Factory:
    return factory


def systems() -> tuple[str, ...]:
    """Names of all systems, sorted."""
    return tuple(sorted(_found()))


def facts_of(system: System) -> dict[str, object]:
    """What a run keeps of a system."""
    return dict(system.describe()) | {"payload_bytes": system.payload_bytes}


def get(name: str) -> System:
    """The system of that name.

    Raises:
        InputError: there is none, or its package cannot be loaded.
    """
    loaders = _found()
    if name not in loaders:
        raise InputError(f"unknown system {name}: choose from {', '.join(sorted(loaders))}")
    try:
        return loaders[name]()()
    except ImportError as error:
        raise InputError(f"system {name} cannot be loaded: {error}") from error


def _listed(name: str) -> Mapping[str, object]:
    own = _OWN.get(name)
    size = None if own is None else own.payload_bytes
    missing = ""
    if size is None:
        try:
            size = get(name).payload_bytes
        except InputError as error:
            missing = str(error)
    return {"system": name, "payload_bytes": size, "available": not missing, "missing": missing}


def listing() -> list[Mapping[str, object]]:
    """All systems as JSON: `system`, `payload_bytes` (null where it is absent), `available`, `missing` (how
    to get it, or '')."""
    return [_listed(name) for name in systems()]
