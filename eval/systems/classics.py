"""Classic marks as their papers have them: any number of bits, no error check, no search for an offset.

They say what an idea alone is worth, at a strength that `soundsafe-eval peer equal` finds. Each reads the
bits by their sign and gives a message for every audio. What is laid out by blocks starts at sample 0, so
that a cut or a change of tempo loses it; that is so in the papers too, where nothing is said of it.

- Spread spectrum, plain (Cox, Kilian, Leighton and Shamoon, IEEE Trans. Image Process. 6, 1997) and informed
  (Malvar and Florêncio, IEEE Trans. Signal Process. 51, 2003): what the host says of a bit is taken out.
- Patchwork (Bender, Gruhl, Morimoto and Lu, IBM Syst. J. 35, 1996): one half of a bit's coefficients louder,
  the other softer.
- Echo hiding (Gruhl, Lu and Bender, Information Hiding, 1996): one of two delays.
- Phase coding (Bender et al., 1996): phases of the first block, the others moved alike.
"""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, idct
from scipy.ndimage import uniform_filter1d

from soundsafe.aliases import Audio, Bits
from soundsafe.eval.systems.interface import Found
from soundsafe.eval.systems.whole_clip import WholeClipSystem
from soundsafe.stft import RATE

__all__ = ["EchoHiding", "InformedSpread", "Patchwork", "PhaseCoding", "PlainSpread"]

Values = NDArray[np.float64]

_BLOCK = 1024
_BLOCKS = RATE // _BLOCK
"""Blocks after which the pattern of bits and chips begins anew: about a second."""

_BAND = slice(24, 216)
"""Coefficients of a block that are marked: 500 Hz to 4.6 kHz."""


class _Classic(WholeClipSystem):
    rate = RATE
    mono = True
    minimum_s = 1.0

    def __init__(self, bits: int, strength: float) -> None:
        self.payload_bits, self.strength = bits, strength

    def describe(self) -> dict[str, object]:
        from importlib.metadata import version

        own = {"version": version("soundsafe"), "checked": False, "strength": self.strength}
        return super().describe() | own

    def _answer(self, sums: Values) -> Found:
        """A message from one number for each bit, above 0 for a 1."""
        return Found(True, bits=(sums > 0).astype(np.uint8), score=float(np.abs(sums).mean()))


def _signs(bits: Bits) -> Values:
    return 2.0 * bits.astype(np.float64) - 1.0


class _Blocks(_Classic):
    """Bits in coefficients of a DCT over blocks; each bit has as many, dealt by the key, each with a chip."""

    def _cells(self, key: bytes, blocks: int) -> tuple[NDArray[np.int64], Values]:
        """Which bit each coefficient ``[blocks, coefficients]`` carries, and its chip, -1 or 1."""
        shape = _BLOCKS, _BAND.stop - _BAND.start
        size = shape[0] * shape[1]
        draws = np.frombuffer(hashlib.shake_256(key + b"classic").digest(8 * size), "<u8")
        bit = np.empty(size, np.int64)
        bit[np.argsort(draws, kind="stable")] = np.arange(size) % self.payload_bits
        chip = (draws & np.uint64(1)).astype(np.float64) * 2 - 1
        again = np.arange(blocks) % _BLOCKS
        return bit.reshape(shape)[again], chip.reshape(shape)[again]

    def _spectrum(self, x: NDArray[np.float32]) -> Values:
        whole = x[: len(x) // _BLOCK * _BLOCK].astype(np.float64).reshape(-1, _BLOCK)
        return np.asarray(dct(whole, norm="ortho"))

    def _changed(self, part: Values, bit: NDArray[np.int64], chip: Values, message: Values) -> Values:
        raise NotImplementedError

    def _evidence(self, part: Values) -> Values:
        """What is multiplied by chips and added up for each bit."""
        raise NotImplementedError

    def mark(self, audio: Audio, rate: int, bits: Bits, key: bytes) -> Audio:
        out = audio.copy()
        spectrum = self._spectrum(audio[0])
        part = spectrum[:, _BAND]
        bit, chip = self._cells(key, len(part))
        spectrum[:, _BAND] = self._changed(part, bit, chip, _signs(bits))
        marked = np.asarray(idct(spectrum, norm="ortho")).reshape(-1)
        out[0, : len(marked)] = marked
        return out

    def read(self, audio: Audio, rate: int, key: bytes) -> Found:
        part = self._spectrum(audio[0])[:, _BAND]
        bit, chip = self._cells(key, len(part))
        sums = np.bincount(bit.ravel(), (self._evidence(part) * chip).ravel(), self.payload_bits)
        return self._answer(sums / np.sqrt(part.size / self.payload_bits))


def _level(part: Values) -> Values:
    """Root mean square over nine coefficients."""
    return np.sqrt(uniform_filter1d(part**2, 9, axis=1) + 1e-12)


class PlainSpread(_Blocks):
    """Chips times bits, added at `strength` times the level around; read by correlation.

    Example:
        >>> system = PlainSpread(bits=4, strength=0.5)
        >>> noise = np.random.default_rng(0).normal(0, 0.1, (1, 88_200)).astype(np.float32)
        >>> marked = system.embed(noise, 44_100, b"\\xa0", bytes(32))
        >>> system.decode(marked.audio, 44_100, bytes(32)).bits.tolist()
        [1, 0, 1, 0]
    """

    name = "classic-ss"

    def __init__(self, bits: int = 32, strength: float = 0.15) -> None:
        super().__init__(bits, strength)

    def _changed(self, part: Values, bit: NDArray[np.int64], chip: Values, message: Values) -> Values:
        return part + self.strength * _level(part) * chip * message[bit]

    def _evidence(self, part: Values) -> Values:
        return part / _level(part)


class InformedSpread(PlainSpread):
    """The same, and the host's own correlation with a bit's chips is taken out of every second."""

    name = "classic-iss"

    def _changed(self, part: Values, bit: NDArray[np.int64], chip: Values, message: Values) -> Values:
        level = _level(part)
        out = part.copy()
        for start in range(0, len(part), _BLOCKS):
            rows = slice(start, start + _BLOCKS)
            own, of = (part[rows] / level[rows] * chip[rows]).ravel(), bit[rows].ravel()
            host = np.bincount(of, own, self.payload_bits) / np.maximum(
                1, np.bincount(of, minlength=len(message))
            )
            out[rows] += level[rows] * chip[rows] * (self.strength * message - host)[bit[rows]]
        return out


class Patchwork(_Blocks):
    """Coefficients of chip 1 louder by `strength` dB, the others softer, or the reverse, as the bit says."""

    name = "classic-patchwork"

    def __init__(self, bits: int = 32, strength: float = 1.0) -> None:
        super().__init__(bits, strength)

    def _changed(self, part: Values, bit: NDArray[np.int64], chip: Values, message: Values) -> Values:
        return part * 10.0 ** (self.strength / 20.0 * chip * message[bit])

    def _evidence(self, part: Values) -> Values:
        loud = np.log(np.abs(part) + 1e-9)
        return np.clip(loud - uniform_filter1d(loud, 9, axis=1), -2.0, 2.0)


class EchoHiding(_Classic):
    """A part of the clip for each bit, with an echo of `strength` after 1 ms or 1.3 ms; read by cepstrum."""

    name = "classic-echo"
    keyed = False
    delays = 44, 57
    """Samples, for a 0 and a 1."""

    def __init__(self, bits: int = 32, strength: float = 0.2) -> None:
        super().__init__(bits, strength)

    def _edges(self, samples: int) -> NDArray[np.int64]:
        return np.linspace(0, samples, self.payload_bits + 1).astype(np.int64)

    def mark(self, audio: Audio, rate: int, bits: Bits, key: bytes) -> Audio:
        x = audio[0].astype(np.float64)
        ones = np.repeat(bits.astype(np.float64), np.diff(self._edges(len(x))))
        share = uniform_filter1d(ones, min(512, max(1, len(x) // len(bits) // 4)))  # no steps between parts
        none, one = (np.concatenate([np.zeros(d), x[: len(x) - d]]) for d in self.delays)
        return (x + self.strength * ((1 - share) * none + share * one))[None].astype(np.float32)

    def read(self, audio: Audio, rate: int, key: bytes) -> Found:
        edges = self._edges(audio.shape[1])
        sums = np.zeros(self.payload_bits)
        for i, (start, end) in enumerate(itertools.pairwise(edges)):
            part = audio[0, start:end].astype(np.float64) * np.hanning(end - start)
            cepstrum = np.fft.irfft(np.log(np.abs(np.fft.rfft(part, 2 * max(64, len(part)))) ** 2 + 1e-9))
            sums[i] = cepstrum[self.delays[1]] - cepstrum[self.delays[0]]
        return self._answer(sums)


class PhaseCoding(_Classic):
    """Phases of the first block say the bits, those of later blocks move alike; `strength` 1: all the way."""

    name = "classic-phase"
    keyed = False
    length = 8192
    bins = slice(93, 745)
    """500 Hz to 4 kHz."""

    def __init__(self, bits: int = 32, strength: float = 1.0) -> None:
        super().__init__(bits, strength)

    def _of(self) -> NDArray[np.int64]:
        """Which bit each bin says: neighbours the same one."""
        count = self.bins.stop - self.bins.start
        return np.arange(count) * self.payload_bits // count

    def mark(self, audio: Audio, rate: int, bits: Bits, key: bytes) -> Audio:
        out = audio.copy()
        whole = audio.shape[1] // self.length * self.length
        spectrum = np.fft.rfft(audio[0, :whole].astype(np.float64).reshape(-1, self.length))
        phase = np.angle(spectrum[0, self.bins])
        wanted = np.pi / 2 * _signs(bits)[self._of()]
        move = self.strength * np.angle(np.exp(1j * (wanted - phase)))
        spectrum[:, self.bins] *= np.exp(1j * move)
        out[0, :whole] = np.fft.irfft(spectrum).reshape(-1)
        return out

    def read(self, audio: Audio, rate: int, key: bytes) -> Found:
        first = np.fft.rfft(audio[0, : self.length].astype(np.float64))[self.bins]
        evidence = np.sqrt(np.abs(first) + 1e-12) * np.sin(np.angle(first))
        sums = np.bincount(self._of(), evidence, self.payload_bits).astype(np.float64)
        return self._answer(sums)
