"""Systems that read clips as a whole: any number of bits, or none; with a key, or without.

Such a system says what it is (`payload_bits`, `keyed`, `rate`, `mono`, `minimum_s`) and writes `mark` and
`read` on its own terms. The bench converts rates and channels, refuses what is too short, and counts message
bits.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from soundsafe.aliases import Audio, Bits
from soundsafe.codecs import resample
from soundsafe.errors import NotMarkable
from soundsafe.eval.systems.answers import plain
from soundsafe.eval.systems.interface import Found, Marked, SimpleSystem, System
from soundsafe.eval.systems.mixing import mixed_in

__all__ = ["WholeClipSystem", "bits_of", "bytes_of", "payload_bits_of"]


def bits_of(payload: bytes, n: int) -> Bits:
    """The first `n` bits of a payload, the highest of each byte first.

    >>> bits_of(b"\\xa0", 3).tolist()
    [1, 0, 1]
    """
    return np.unpackbits(np.frombuffer(payload, np.uint8))[:n]


def bytes_of(bits: Bits) -> bytes:
    """Bits as bytes, zeros at the end of the last one.

    >>> bytes_of(np.array([1, 0, 1], np.uint8))
    b'\\xa0'
    """
    return np.packbits(bits).tobytes()


class WholeClipSystem(SimpleSystem):
    """A system that marks and reads whole clips; `mark` and `read` are left to write.

    Attributes:
        name: of the system.
        payload_bits: that a clip carries; 0 where it only says that the mark is there.
        keyed: it reads nothing with another key; where it has no key, the control `wrong_key` is left out.
        rate: at which it works, in Hz; None: at any.
        mono: it works on one channel, the mean of all; what it adds goes to all of them.
        minimum_s: shorter audio it cannot mark.

    Example:
        >>> class Loud(WholeClipSystem):
        ...     name, payload_bits, keyed = "loud", 2, False
        ...     def mark(self, audio, rate, bits, key):
        ...         return audio * (1.0 + 0.1 * bits[0])
        ...     def read(self, audio, rate, key):
        ...         return Found(ok=True, bits=[0.4, 0.9], score=0.5)
        >>> Loud().payload_bytes, Loud().decode(np.ones((1, 8), np.float32), 8, bytes(32)).bits
        (1, [0.4, 0.9])
    """

    payload_bits: int = 0
    keyed: bool = True
    rate: int | None = None
    mono: bool = False
    minimum_s: float = 0.0

    @property
    def payload_bytes(self) -> int:  # type: ignore[override]
        """Bytes that hold the bits."""
        return -(-self.payload_bits // 8)

    def mark(self, audio: Audio, rate: int, bits: Bits, key: bytes) -> ArrayLike:
        """Mark a clip.

        Args:
            audio: float32 `[channels, samples]` at the system's own `rate`; one channel where it is `mono`.
            rate: samples per second.
            bits: `[payload_bits]`, each 0 or 1.
            key: 32 bytes; nothing to a system without a key.

        Returns:
            The marked audio, of the same shape.
        """
        raise NotImplementedError

    def read(self, audio: Audio, rate: int, key: bytes) -> Found:
        """Read a clip.

        Args:
            audio: float32 `[channels, samples]`, as `mark` gets it.
            rate: samples per second.
            key: 32 bytes.

        Returns:
            Whether a mark was found, its `bits` and `score`, and `present` where the system localises.
        """
        raise NotImplementedError

    def _own(self, audio: Audio, rate: int) -> tuple[Audio, int]:
        """The audio as the system wants it, and its rate."""
        own = audio.mean(axis=0, keepdims=True, dtype=np.float32) if self.mono else audio
        if self.rate is None or self.rate == rate:
            return own, rate
        return resample(own, rate, self.rate), self.rate

    def embed(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> Marked:
        """As `System.embed`. Raises NotMarkable for audio that is too short."""
        if audio.shape[1] < self.minimum_s * rate:
            raise NotMarkable(f"{self.name} needs {self.minimum_s:g} s")
        host, own_rate = self._own(audio, rate)
        bits = bits_of(payload, self.payload_bits)
        marked = np.asarray(plain(self.mark(host.copy(), own_rate, bits, key)), np.float32)
        if marked.shape != host.shape:
            raise ValueError(f"mark returned shape {marked.shape} for audio of shape {host.shape}")
        if host.shape == audio.shape and own_rate == rate:
            return Marked(marked)
        return mixed_in(audio, rate, marked - host, own_rate)

    def decode(self, audio: Audio, rate: int, key: bytes) -> Found:
        """As `System.decode`; audio that is too short bears no mark."""
        if audio.shape[1] < self.minimum_s * rate:
            return Found(ok=False)
        own, own_rate = self._own(audio, rate)
        found = self.read(own, own_rate, key)
        if found.present is None or own.shape[1] == audio.shape[1]:
            return found
        judged = np.asarray(plain(found.present))
        if judged.shape != own.shape[1:]:
            raise ValueError(f"{judged.size} samples judged, {own.shape[1]} there")
        nearest = np.minimum(np.arange(audio.shape[1]) * own_rate // rate, own.shape[1] - 1)
        return replace(found, present=judged[nearest])

    def describe(self) -> dict[str, object]:
        return {
            "payload_bits": self.payload_bits,
            "keyed": self.keyed,
            "rate": self.rate,
            "minimum_s": self.minimum_s,
        }


def payload_bits_of(system: System) -> int:
    """Bits that a clip of a system is given to carry."""
    return system.payload_bits if isinstance(system, WholeClipSystem) else 8 * system.payload_bytes
