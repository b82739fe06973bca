"""The message that a clip is given to carry."""

from __future__ import annotations

from soundsafe.eval.running import seeds
from soundsafe.eval.systems.interface import System
from soundsafe.eval.systems.whole_clip import bits_of, bytes_of, payload_bits_of

__all__ = ["message_of"]


def message_of(system: System, seed: int, clip: str) -> bytes:
    """The payload of a clip: random bytes, with zeros behind its last bit."""
    payload = seeds.payload_of(seed, clip, system.payload_bytes)
    return bytes_of(bits_of(payload, payload_bits_of(system)))
