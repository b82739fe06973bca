"""This package's codec as a system under test, whole and in parts."""

from __future__ import annotations

import dataclasses
import json
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from soundsafe.aliases import Audio
from soundsafe.result import Decoded, Embedded, Eul

__all__ = [
    "Soundsafe",
    "Soundsafe8",
    "Soundsafe16",
    "Soundsafe16Learnable",
    "Soundsafe128Bit",
    "SoundsafeEul",
    "SoundsafeFixed",
    "SoundsafeNetwork",
    "SoundsafeRs",
]


class Soundsafe:
    """This package's codec: default profile, default quality, all layers.

    Args:
        payload_bytes: of the payload, 1 to 4096; None: as many as a second holds.
        strength: ``quiet``, ``default``, ``strong``, or decibels against the default.
    """

    name = "soundsafe"

    def __init__(self, payload_bytes: int | None = None, strength: str | float = "default") -> None:
        from soundsafe.cells.profile import ROBUST
        from soundsafe.message.container import BODY
        from soundsafe.streams.strength import strength_of

        self.payload_bytes = BODY if payload_bytes is None else payload_bytes
        self.strength_db = strength_of(strength)
        self.profile = ROBUST
        self.layers: tuple[str, ...] = ("eul", "tile")

    def embed(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> Embedded:
        from soundsafe import embed

        return embed(
            audio, rate, payload, key, profile=self.profile, layers=self.layers, strength=self.strength_db
        )

    def decode(self, audio: Audio, rate: int, key: bytes) -> Decoded:
        from soundsafe import decode

        return decode(audio, rate, key, profile=self.profile)

    def coded_bits(self, payload: bytes, key: bytes, n_euls: int) -> NDArray[np.uint8]:
        from soundsafe import coded_bits

        return np.asarray(coded_bits(payload, key, n_euls, self.profile))

    def layouts(self, audio: Audio, rate: int, key: bytes) -> list[Eul]:
        from soundsafe import layouts

        return list(layouts(audio, rate, key, profile=self.profile))

    def describe(self) -> dict[str, object]:
        from soundsafe.tiles.geometry import ROBUST_TILES

        profile = json.loads(json.dumps(self.profile.to_json()))
        return {
            "version": version("soundsafe"),
            "profile": profile,
            "profile_digest": self.profile.digest,
            "quality": "default",
            "layers": list(self.layers),
            **({"strength_db": self.strength_db} if self.strength_db else {}),
            **({"tile_profile_digest": ROBUST_TILES.digest} if "tile" in self.layers else {}),
        }


class SoundsafeEul(Soundsafe):
    """The layer of one-second EULs alone."""

    name = "soundsafe-eul"

    def __init__(self) -> None:
        super().__init__()
        self.layers = ("eul",)


class Soundsafe16(Soundsafe):
    """The same codec with a payload of 16 bytes, as peers carry, in words of their own."""

    name = "soundsafe-16"

    def __init__(self) -> None:
        super().__init__()
        self.payload_bytes = 16

    def describe(self) -> dict[str, object]:
        from soundsafe.tiles.geometry import SHORT_TILES

        return super().describe() | {"tile_profile_digest": SHORT_TILES.digest}


class Soundsafe16Learnable(Soundsafe16):
    """`Soundsafe16` with marks of version 1, which followed from the key alone and could be learned."""

    name = "soundsafe-16-learnable"

    def __init__(self) -> None:
        from soundsafe.cells.profile import LEARNABLE

        super().__init__()
        self.profile = LEARNABLE

    def describe(self) -> dict[str, object]:
        from soundsafe.tiles.geometry import LEARNABLE_TILES

        return super().describe() | {"tile_profile_digest": LEARNABLE_TILES.digest}


class Soundsafe128Bit(Soundsafe16):
    """`Soundsafe16` by its earlier name."""

    name = "soundsafe-128bit"


class Soundsafe8(Soundsafe16):
    """The same with 8 bytes."""

    name = "soundsafe-8"

    def __init__(self) -> None:
        super().__init__()
        self.payload_bytes = 8


class SoundsafeNetwork(Soundsafe):
    """The codec through the map of a network, `soundsafe embed --model`.

    Args:
        payload_bytes: of the payload, 1 to 4096; None: as many as a second holds.
        strength: ``quiet``, ``default``, ``strong``, or decibels against the default.
        model: a name, or the path of a file of `soundsafe train steps`.
    """

    name = "soundsafe-network"

    def __init__(
        self, payload_bytes: int | None = None, strength: str | float = "default", model: str = "steps"
    ) -> None:
        from soundsafe.cells.learned import with_model

        super().__init__(payload_bytes, strength)
        self.profile = with_model(model)

    def describe(self) -> dict[str, object]:
        from soundsafe.cells.learned import model_card

        return super().describe() | {"model": model_card(self.profile)}


class SoundsafeRs(SoundsafeEul):
    """The layer of one-second EULs with RS(255,191), which reads hard decisions, in place of LDPC."""

    name = "soundsafe-rs"

    def __init__(self) -> None:
        super().__init__()
        self.profile = dataclasses.replace(self.profile, name="rs", code="rs")


class SoundsafeFixed(SoundsafeEul):
    """The layer of one-second EULs, its bits in the same proportion in all bands whatever the audio."""

    name = "soundsafe-fixed"

    def __init__(self) -> None:
        super().__init__()
        # No band counts as dead at any level that a feature can have.
        self.profile = dataclasses.replace(self.profile, name="fixed", dead_db=1000.0)
