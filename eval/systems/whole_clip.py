"""Systems that read clips as a whole: any number of bits, or none; with a key, or without.

Such a system says what it is (`payload_bits`, `keyed`, `rate`, `mono`, `minimum_s`) and writes `mark` and
`read` on its own terms. The bench converts rates and channels, refuses what is too short, and counts message
bits.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        chunk_s: longer audio is marked and read in pieces of this length, each with all bits; the end joins
            the last one where it is shorter than half a piece, or than `minimum_s`. None: all at once.
        batch: clips that `read_batch` takes at a time.

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
    chunk_s: float | None = None
    batch: int = 1

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

    def read_batch(self, audio: Sequence[Audio], rate: int, key: bytes) -> Sequence[Found]:
        """Read several clips, for systems that are quicker so (`batch`); one by one where it is not written.

        Args:
            audio: of any lengths, each as `read` gets it.
            rate: samples per second.
            key: 32 bytes.

        Returns:
            What `read` returns, for each.
        """
        return [self.read(one, rate, key) for one in audio]

    def _pieces(self, samples: int, rate: int) -> list[slice]:
        """Where the pieces lie that are marked and read one by one."""
        size = samples if self.chunk_s is None else max(1, round(self.chunk_s * rate))
        least = max(size // 2, round(self.minimum_s * rate))
        starts = [0, *(at for at in range(size, samples, size) if samples - at >= least)]
        return [slice(a, b) for a, b in zip(starts, [*starts[1:], samples], strict=True)]

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
        pieces = [host[:, at] for at in self._pieces(host.shape[1], own_rate)]
        done = [np.asarray(plain(self.mark(p.copy(), own_rate, bits, key)), np.float32) for p in pieces]
        for piece, its in zip(pieces, done, strict=True):
            if its.shape != piece.shape:
                raise ValueError(f"mark returned shape {its.shape} for audio of shape {piece.shape}")
        marked = np.concatenate(done, axis=1)
        if host.shape == audio.shape and own_rate == rate:
            return Marked(marked)
        return mixed_in(audio, rate, marked - host, own_rate)

    def decode(self, audio: Audio, rate: int, key: bytes) -> Found:
        """As `System.decode`; audio that is too short bears no mark."""
        return self.decode_batch([audio], rate, key)[0]

    def decode_batch(self, audio: Sequence[Audio], rate: int, key: bytes) -> list[Found]:
        """As `decode`, of several clips; `read_batch` gets their pieces, no more than `batch` at a time."""
        long_enough = [one.shape[1] >= self.minimum_s * rate for one in audio]
        owns = [self._own(one, rate) for one, good in zip(audio, long_enough, strict=True) if good]
        cut = [[own[:, at] for at in self._pieces(own.shape[1], own_rate)] for own, own_rate in owns]
        todo = [np.ascontiguousarray(piece) for pieces in cut for piece in pieces]
        read: list[Found] = []
        for first in range(0, len(todo), self.batch):
            part = todo[first : first + self.batch]
            if len(part) == 1:
                read.append(self.read(part[0], owns[0][1], key))
                continue
            answers = list(self.read_batch(part, owns[0][1], key))
            if len(answers) != len(part):
                raise ValueError(f"read_batch answered {len(answers)} times for {len(part)} clips")
            read += answers
        its = iter(read)
        found = iter([_together([next(its) for _ in pieces], [p.shape[1] for p in pieces]) for pieces in cut])
        own_of = iter(owns)
        return [
            self._placed(next(found), one, rate, *next(own_of)) if good else Found(ok=False)
            for one, good in zip(audio, long_enough, strict=True)
        ]

    def _placed(self, found: Found, audio: Audio, rate: int, own: Audio, own_rate: int) -> Found:
        """With which samples of `audio` are marked, where those of `own` were judged."""
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
            **({} if self.chunk_s is None else {"chunk_s": self.chunk_s}),
        }


def _together(found: Sequence[Found], samples: Sequence[int]) -> Found:
    """What the pieces of a clip say together: bits and scores on average, `ok` where half of them are."""
    if len(found) == 1:
        return found[0]
    bits = [np.asarray(plain(f.bits), np.float64) for f in found if f.bits is not None]
    judged = [np.asarray(plain(f.present), np.float64) for f in found if f.present is not None]
    for its, wanted in zip(judged, samples, strict=False):
        if its.shape != (wanted,):
            raise ValueError(f"{its.size} samples judged, {wanted} there")
    payload = next((f.payload for f in found if f.ok and f.payload is not None), None)
    ok = 2 * sum(bool(f.ok) for f in found) >= len(found)
    return Found(
        ok=ok,
        payload=payload if ok and not bits else None,
        score=float(np.mean([f.score for f in found])),
        bits=np.mean(bits, axis=0) if len(bits) == len(found) else None,
        present=np.concatenate(judged) if len(judged) == len(found) else None,
    )


def payload_bits_of(system: System) -> int:
    """Bits that a clip of a system is given to carry."""
    return system.payload_bits if isinstance(system, WholeClipSystem) else 8 * system.payload_bytes
