"""What the bench asks of a watermark under test.

`soundsafe.eval.systems.registry` names those that there are, and says how a package adds one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from soundsafe.aliases import Audio
from soundsafe.eval.rows import EUL_S
from soundsafe.result import Eul

__all__ = ["EUL_S", "Found", "Marked", "Movable", "ReadsMany", "SimpleSystem", "System"]


class AnsweredEmbedding(Protocol):
    """What `embed` returns: the marked audio, and where known `warnings` and `unmarked_seconds`."""

    @property
    def audio(self) -> Audio | None: ...


class AnsweredDetection(Protocol):
    """What `decode` returns: whether the payload was found, and the payload; more where the system has it."""

    @property
    def ok(self) -> bool: ...

    @property
    def payload(self) -> bytes | None: ...


@runtime_checkable
class System(Protocol):
    """A watermark under test. Audio is float32 `[channels, samples]` in [-1, 1]; a key is 32 bytes.

    A system may also be a `ReadsMany` or a `Movable`: the bench makes use of either.

    Example:
        >>> class Silent(SimpleSystem):
        ...     name, payload_bytes = "silent", 2
        ...     def embed(self, audio, rate, payload, key):
        ...         return Marked(audio)
        ...     def decode(self, audio, rate, key):
        ...         return Found(ok=False, payload=None)
        >>> isinstance(Silent(), System)
        True
    """

    name: str
    payload_bytes: int

    def embed(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> AnsweredEmbedding:
        """Mark audio.

        Args:
            audio: float32 `[channels, samples]`.
            rate: samples per second.
            payload: `payload_bytes` bytes.
            key: 32 bytes.

        Returns:
            An object with `.audio` (same shape) and, where known, `.warnings` and `.unmarked_seconds`.

        Raises:
            NotMarkable: this audio cannot be marked.
            InputError: this request cannot be met.
        """
        ...

    def decode(self, audio: Audio, rate: int, key: bytes) -> AnsweredDetection:
        """Read audio.

        Args:
            audio: float32 `[channels, samples]`.
            rate: samples per second.
            key: 32 bytes.

        Returns:
            An object with `.ok`, `.payload` (bytes or None) and, where the system has them, the other fields
            of `soundsafe.result.Decoded`; a missing one is a figure not measured.
        """
        ...

    def coded_bits(self, payload: bytes, key: bytes, n_euls: int) -> NDArray[np.uint8] | None:
        """What `embed` puts into each second.

        Args:
            payload: `payload_bytes` bytes.
            key: 32 bytes.
            n_euls: number of seconds.

        Returns:
            `[n_euls, bits]`, 0 or 1; None where there is no such thing (no bit error rate then).
        """
        ...

    def layouts(self, audio: Audio, rate: int, key: bytes) -> Sequence[object]:
        """The layouts that unattacked audio gives, on the grid at sample 0.

        Args:
            audio: float32 `[channels, samples]`.
            rate: samples per second.
            key: 32 bytes.

        Returns:
            One for each second, with features, slots and seed; [] where there is no such thing.
        """
        ...

    def describe(self) -> Mapping[str, object]:
        """Everything that changes the system's figures: version, profile and its hash.

        Returns:
            Values that JSON can hold, for `run.json`.
        """
        ...


@runtime_checkable
class ReadsMany(Protocol):
    """A system that is quicker with several clips at a time: `batch` is how many at most."""

    batch: int

    def decode_batch(self, audio: Sequence[Audio], rate: int, key: bytes) -> Sequence[AnsweredDetection]:
        """Read clips of one rate, as `decode` does.

        Args:
            audio: clips, each float32 `[channels, samples]`.
            rate: samples per second.
            key: 32 bytes.

        Returns:
            An answer for each clip.
        """
        ...


@runtime_checkable
class Movable(Protocol):
    """A system whose model can run on a device of one's choice (`--device`)."""

    def to(self, device: str) -> object:
        """Move the model, here and for good.

        Args:
            device: as torch names it.
        """
        ...


@dataclass(frozen=True)
class Marked:
    """What `embed` must answer: audio ``[channels, samples]``, of the original's shape."""

    audio: Audio


@dataclass(frozen=True)
class Found:
    """What `decode` must answer.

    Attributes:
        ok: whether a mark was found (and, where there is a payload, read).
        payload: None unless `ok`; not needed where `bits` are given.
        score: a higher one means likelier marked.
        euls: seconds that were read by themselves.
        bits: of the message, found or not: a list, an array or a tensor of 0 and 1, or of chances of a 1.
        present: for each sample of the audio that was read, whether it is marked (or the chance of it).

    Example:
        >>> Found(ok=True, bits=[0, 1, 1]).score
        0.0
    """

    ok: bool
    payload: bytes | None = None
    score: float = 0.0
    euls: Sequence[Eul] = ()
    bits: ArrayLike | None = None
    present: ArrayLike | None = None


class SimpleSystem:
    """A system without EULs or layouts: `name`, `payload_bytes`, `embed` and `decode` are left to write."""

    name: str
    payload_bytes: int

    def coded_bits(self, payload: bytes, key: bytes, n_euls: int) -> NDArray[np.uint8] | None:
        return None

    def layouts(self, audio: Audio, rate: int, key: bytes) -> Sequence[object]:
        return []

    def describe(self) -> Mapping[str, object]:
        return {}
