"""Systems under test: what the bench asks of a watermark, and the registry that names them.

A package adds a system through the entry point group `soundsafe.systems`: a name, and a callable without
arguments (a class, for instance) that returns a `System`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points, version
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from soundsafe.errors import InputError

__all__ = [
    "EUL_S", "Found", "Marked", "SimpleSystem", "Soundsafe", "System", "facts_of", "get", "listing",
    "register", "systems",
]  # fmt: skip

EUL_S = 1.0
"""Length of an EUL in seconds: EUL number i of a marked clip starts at i seconds."""

Audio = NDArray[np.float32]


@runtime_checkable
class System(Protocol):
    """A watermark under test. Audio is float32 [channels, samples] in [-1, 1]; a key is 32 bytes.

    `embed` returns an object with `.audio` (same shape) and, where known, `.warnings` and
    `.unmarked_seconds`; it raises `NotMarkable` or `InputError` to refuse. `decode` returns an object with
    `.ok`, `.payload` (bytes or None) and, where the system has them, the other fields of
    `soundsafe.result.Decoded`; a missing one is a figure not measured.
    """

    name: str
    payload_bytes: int

    def embed(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> Any: ...

    def decode(self, audio: Audio, rate: int, key: bytes) -> Any: ...

    def coded_bits(self, payload: bytes, key: bytes, n_euls: int) -> NDArray[np.uint8] | None:
        """[n_euls, bits] what `embed` puts into each EUL; None where there is no such thing (no BER then)."""
        ...

    def layouts(self, audio: Audio, rate: int, key: bytes) -> list[Any]:
        """The EULs of unattacked audio on the grid at sample 0, with features, slots, seed; [] for none."""
        ...

    def describe(self) -> dict[str, Any]:
        """Everything that changes its figures: version, profile and its hash. JSON values, for `run.json`."""
        ...


@dataclass(frozen=True)
class Marked:
    """What `embed` must answer: audio ``[channels, samples]``, of the original's shape."""

    audio: Audio


@dataclass(frozen=True)
class Found:
    """What `decode` must answer. `payload` is None unless `ok`; a higher `score` means likelier marked."""

    ok: bool
    payload: bytes | None
    score: float = 0.0
    euls: tuple[Any, ...] = ()


class SimpleSystem:
    """A system without EULs or layouts: `name`, `payload_bytes`, `embed` and `decode` are left to write."""

    name: str
    payload_bytes: int

    def coded_bits(self, payload: bytes, key: bytes, n_euls: int) -> NDArray[np.uint8] | None:
        return None

    def layouts(self, audio: Audio, rate: int, key: bytes) -> list[Any]:
        return []

    def describe(self) -> dict[str, Any]:
        return {}


Factory = Callable[[], System]
F = TypeVar("F", bound=Factory)
_SYSTEMS: dict[str, Factory] = {}


def register(name: str) -> Callable[[F], F]:
    """Register a factory of systems under a name."""

    def add(factory: F) -> F:
        if name in _SYSTEMS:
            raise ValueError(f"system {name} is registered twice")
        _SYSTEMS[name] = factory
        return factory

    return add


def _found() -> dict[str, Callable[[], Factory]]:
    """Loaders of all factories by name; those of this module first, entry points cannot replace them."""
    loaders: dict[str, Callable[[], Factory]] = {
        point.name: point.load for point in entry_points(group="soundsafe.systems")
    }
    for name, factory in _SYSTEMS.items():
        loaders[name] = lambda factory=factory: factory  # type: ignore[misc]
    return loaders


def systems() -> tuple[str, ...]:
    """Names of all systems, sorted."""
    return tuple(sorted(_found()))


def facts_of(system: System) -> dict[str, Any]:
    """What a run keeps of a system."""
    return system.describe() | {"payload_bytes": system.payload_bytes}


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


def listing() -> list[dict[str, Any]]:
    """All systems as JSON: `system`, `payload_bytes` (null where it is absent), `available`, `missing` (how
    to get it, or '')."""
    out: list[dict[str, Any]] = []
    for name in systems():
        try:
            out.append(
                {"system": name, "payload_bytes": get(name).payload_bytes, "available": True, "missing": ""}
            )
        except InputError as error:
            out.append({"system": name, "payload_bytes": None, "available": False, "missing": str(error)})
    return out


@register("soundsafe")
class Soundsafe:
    """This package's codec: default profile, default quality, all layers."""

    name = "soundsafe"

    def __init__(self) -> None:
        from soundsafe.cells.profile import ROBUST
        from soundsafe.message.container import BODY

        self.payload_bytes = BODY
        self.profile = ROBUST
        self.layers: tuple[str, ...] = ("eul", "tile")

    def embed(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> Any:
        from soundsafe import embed

        return embed(audio, rate, payload, key, profile=self.profile, layers=self.layers)

    def decode(self, audio: Audio, rate: int, key: bytes) -> Any:
        from soundsafe import decode

        return decode(audio, rate, key, profile=self.profile)

    def coded_bits(self, payload: bytes, key: bytes, n_euls: int) -> NDArray[np.uint8]:
        from soundsafe import coded_bits

        return np.asarray(coded_bits(payload, key, n_euls, self.profile))

    def layouts(self, audio: Audio, rate: int, key: bytes) -> list[Any]:
        from soundsafe import layouts

        return list(layouts(audio, rate, key, profile=self.profile))

    def describe(self) -> dict[str, Any]:
        from soundsafe.tiles.geometry import ROBUST_TILES

        profile = json.loads(json.dumps(self.profile.to_json()))
        return {
            "version": version("soundsafe"),
            "profile": profile,
            "profile_digest": self.profile.digest,
            "quality": "default",
            "layers": list(self.layers),
            **({"tile_profile_digest": ROBUST_TILES.digest} if "tile" in self.layers else {}),
        }


@register("soundsafe-eul")
class SoundsafeEul(Soundsafe):
    """The layer of one-second EULs alone."""

    name = "soundsafe-eul"

    def __init__(self) -> None:
        super().__init__()
        self.layers = ("eul",)


@register("soundsafe-128bit")
class Soundsafe128Bit(Soundsafe):
    """The same codec with a payload of 16 bytes, as peers carry: the rest of the block is empty."""

    name = "soundsafe-128bit"

    def __init__(self) -> None:
        super().__init__()
        self.payload_bytes = 16


@register("soundsafe-rs")
class SoundsafeRs(SoundsafeEul):
    """The layer of one-second EULs with RS(255,191), which reads hard decisions, in place of LDPC."""

    name = "soundsafe-rs"

    def __init__(self) -> None:
        super().__init__()
        self.profile = dataclasses.replace(self.profile, name="rs", code="rs")


@register("soundsafe-fixed")
class SoundsafeFixed(SoundsafeEul):
    """The layer of one-second EULs, its bits in the same proportion in all bands whatever the audio."""

    name = "soundsafe-fixed"

    def __init__(self) -> None:
        super().__init__()
        # No band counts as dead at any level that a feature can have.
        self.profile = dataclasses.replace(self.profile, name="fixed", dead_db=1000.0)


@register("soundsafe-seed")
def _seed_profile() -> System:
    """The rules of the original design to the letter; see `soundsafe.eval.systems.seed`."""
    from soundsafe.eval.systems.seed import SoundsafeSeed

    return SoundsafeSeed()


@register("spread-spectrum")
def _spread_spectrum() -> System:
    """A baseline as papers have it; see `soundsafe.eval.systems.baselines`."""
    from soundsafe.eval.systems.baselines import SpreadSpectrum

    return SpreadSpectrum()


@register("qim")
def _plain_qim() -> System:
    """A baseline as papers have it; see `soundsafe.eval.systems.baselines`."""
    from soundsafe.eval.systems.baselines import PlainQim

    return PlainQim()


@register("null")
def _null() -> System:
    """Embeds nothing: the control."""
    from soundsafe.eval.systems.baselines import Null

    return Null()


@register("audiowmark")
def _audiowmark() -> System:
    """A program on PATH; see `soundsafe.eval.systems.peers`."""
    from soundsafe.eval.systems.peers import Audiowmark

    return Audiowmark()


def _peer(name: str) -> Factory:
    """A published system in a process of its own; see `soundsafe.eval.systems.peers`."""

    def make() -> System:
        from soundsafe.eval.systems.peers import PEERS, PeerSystem

        return PeerSystem(PEERS[name])

    return make


for _name in ("perth", "audioseal", "wavmark", "silentcipher"):
    register(_name)(_peer(_name))
