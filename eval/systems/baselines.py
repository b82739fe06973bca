"""Baselines: a spread-spectrum mark and a quantised one as papers have them, and a system that does nothing.

Both take 4 bytes of payload and protect them with a CRC-32, which is no authentication: what keeps a reader
without the key from decoding is the key's chips or dithers alone.

Spread spectrum (Kirovski and Malvar, IEEE Trans. Signal Process. 51, 2003): a block of two seconds of the
spectrum is divided into tiles, each made louder and then softer, or the reverse, by a fixed amount; the sign
is a keyed chip times a bit, and each bit is spread over the whole block. The detector takes each cell's level
over its neighbours' in time and frequency, folds all blocks into one, tries every shift by half a frame
step, and correlates with the chips. Blind; no psychoacoustics beyond the constant amount.

Quantisation index modulation (Chen and Wornell, IEEE Trans. Inf. Theory 47, 2001): coefficients of a DCT over
blocks of 1024 samples are moved onto one of two dithered lattices. Plain: a fixed step, a grid that starts at
sample 0 and is not searched for, no defence against gain.
"""

from __future__ import annotations

import hashlib
import zlib
from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dct, idct
from scipy.ndimage import uniform_filter1d

from soundsafe.aliases import Audio
from soundsafe.codecs import resample
from soundsafe.errors import NotMarkable
from soundsafe.eval.systems.interface import Found, Marked, SimpleSystem
from soundsafe.eval.systems.mixing import mixed_in
from soundsafe.result import Eul
from soundsafe.stft import RATE, Stft, stft

__all__ = ["Null", "PlainQim", "SpreadSpectrum"]

PAYLOAD_BYTES = 4
BITS = 64
"""Payload and CRC."""


def _word(payload: bytes) -> NDArray[np.uint8]:
    """Payload and CRC as bits."""
    word = payload[:PAYLOAD_BYTES].ljust(PAYLOAD_BYTES, b"\0")
    return np.unpackbits(np.frombuffer(word + zlib.crc32(word).to_bytes(4, "big"), np.uint8))


def _checked(bits: NDArray[np.bool_]) -> bytes | None:
    """The payload in bits whose CRC is right."""
    word = np.packbits(bits).tobytes()
    payload, check = word[:PAYLOAD_BYTES], word[PAYLOAD_BYTES:]
    return payload if zlib.crc32(payload).to_bytes(4, "big") == check else None


def _draws(key: bytes, name: bytes, n: int) -> NDArray[np.uint64]:
    return np.frombuffer(hashlib.shake_256(key + name).digest(8 * n), "<u8")


def _dealt(draws: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Which bit each place carries: all bits equally often, in keyed order."""
    bit = np.empty(len(draws), np.int64)
    bit[np.argsort(draws, kind="stable")] = np.arange(len(draws)) % BITS
    return bit


class _Baseline(SimpleSystem):
    payload_bytes = PAYLOAD_BYTES

    def describe(self) -> dict[str, object]:
        return {"version": version("soundsafe"), "checked": True}


class SpreadSpectrum(_Baseline):
    """`amount_db`: by how much each cell is made louder or softer."""

    name = "spread-spectrum"

    frames = 200
    """Of a block: two seconds."""

    bins = slice(10, 160)
    """500 Hz to 8 kHz."""

    tile = (2, 2)
    """Bins, and frames before the sign turns."""

    around = 9
    """Bins and frames over which a cell's level is compared."""

    def __init__(self, amount_db: float = 1.0) -> None:
        self.amount_db = amount_db

    def _chips(self, key: bytes) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Which bit each cell ``[bins, frames]`` of a block carries, and its sign."""
        high, wide = self.tile
        shape = (self.bins.stop - self.bins.start) // high, self.frames // (2 * wide)
        draws = _draws(key, b"spread", shape[0] * shape[1])
        sign = (draws & np.uint64(1)).astype(np.float64).reshape(shape) * 2 - 1
        cells = np.kron(sign, np.repeat([[1.0, -1.0]], wide, axis=1).repeat(high, axis=0))
        return np.kron(_dealt(draws).reshape(shape), np.ones((high, 2 * wide), np.int64)), cells

    def embed(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> Marked:
        """Raises NotMarkable for audio shorter than one block."""
        x = resample(audio, rate, RATE)
        if x.shape[1] < 2 * RATE:
            raise NotMarkable("spread-spectrum needs two seconds")
        bit, sign = self._chips(key)
        block = sign * (1.0 - 2.0 * _word(payload)[bit])
        grid = Stft()
        whole = grid.whole_hops(x)
        spectrum = grid.forward(whole)
        gain = np.ones(spectrum.shape[1:], np.float32)
        turned = np.resize(block.T, (gain.shape[1], len(block))).T
        gain[self.bins] = 10.0 ** (self.amount_db / 20.0 * turned)
        mark = grid.inverse(spectrum * torch.from_numpy(gain), whole.shape[1]).numpy()[:, : x.shape[1]] - x
        return mixed_in(audio, rate, mark, RATE)

    def _folded(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Levels over their neighbours', all blocks added up: ``[bins, frames]`` of standard deviation 1."""
        level = 20.0 * np.log10(stft(x)[self.bins].abs().numpy().astype(np.float64) + 1e-5)
        for axis in (0, 1):
            level = level - uniform_filter1d(level, self.around, axis=axis)
        level = np.clip(level, -6.0, 6.0)
        out = np.zeros((level.shape[0], self.frames))
        np.add.at(out.T, np.arange(level.shape[1]) % self.frames, level.T)
        return out / max(float(out.std()), 1e-9)

    def decode(self, audio: Audio, rate: int, key: bytes) -> Found:
        x = resample(audio, rate, RATE).mean(axis=0, dtype=np.float32)
        if len(x) < 2 * RATE:
            return Found(False, None)
        bit, sign = self._chips(key)
        best = np.zeros(BITS)
        for start in (0, 220):
            folded = self._folded(x[start:])
            for shift in range(self.frames):
                matched = np.roll(folded, -shift, axis=1) * sign
                sums = np.bincount(bit.ravel(), matched.ravel(), BITS)
                if np.abs(sums).sum() > np.abs(best).sum():
                    best = sums.astype(np.float64)
        found = _checked(best < 0)
        return Found(found is not None, found, float(np.abs(best).mean() / np.sqrt(sign.size / BITS)))

    def describe(self) -> dict[str, object]:
        return super().describe() | {"amount_db": self.amount_db, "minimum_s": 2.0}


class PlainQim(_Baseline):
    """`step`: distance of lattice points that mean the same bit, in units of the orthonormal DCT."""

    name = "qim"

    block = 1024
    coefficients = slice(24, 216)
    """500 Hz to 4.6 kHz."""

    def __init__(self, step: float = 0.005) -> None:
        self.step = step

    def _places(self, key: bytes) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """For one second: which bit each coefficient ``[blocks, coefficients]`` carries, and its dither."""
        shape = RATE // self.block, self.coefficients.stop - self.coefficients.start
        draws = _draws(key, b"qim", shape[0] * shape[1])
        return _dealt(draws).reshape(shape), (draws % np.uint64(4096)).reshape(shape) / 4096.0

    def _blocks(self, second: NDArray[np.float32]) -> NDArray[np.float64]:
        whole = second[..., : RATE // self.block * self.block].astype(np.float64)
        return np.asarray(dct(whole.reshape(*whole.shape[:-1], -1, self.block), norm="ortho"))

    def embed(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> Marked:
        """Raises NotMarkable for audio shorter than one second."""
        x = resample(audio, rate, RATE)
        if x.shape[1] < RATE:
            raise NotMarkable("qim needs one second")
        bit, dither = self._places(key)
        wanted = dither + 0.5 * _word(payload)[bit]
        marked = x.copy()
        for start in range(0, x.shape[1] - RATE + 1, RATE):
            spectrum = self._blocks(x[:, start : start + RATE])
            part = spectrum[..., self.coefficients]
            part[...] = self.step * (np.round(part / self.step - wanted) + wanted)
            blocks = idct(spectrum, norm="ortho").reshape(len(x), -1)
            marked[:, start : start + blocks.shape[1]] = blocks
        return mixed_in(audio, rate, marked - x, RATE)

    def decode(self, audio: Audio, rate: int, key: bytes) -> Found:
        x = resample(audio, rate, RATE)
        bit, dither = self._places(key)
        total, euls = np.zeros(BITS), []
        for i, start in enumerate(range(0, x.shape[1] - RATE + 1, RATE)):
            part = self._blocks(x[:, start : start + RATE])[..., self.coefficients]
            soft = np.cos(2 * np.pi * (part / self.step - dither)).sum(axis=0)
            sums = np.bincount(bit.ravel(), soft.ravel(), BITS)
            bits = sums < 0
            euls.append(Eul(float(i), _checked(bits) is not None, 0, 0, {}, bits.astype(np.uint8)))
            total += sums
        found = _checked(total < 0)
        noise = np.sqrt(max(1, len(euls)) * len(x) * bit.size / BITS / 2)
        return Found(found is not None, found, float(np.abs(total).mean() / noise), tuple(euls))

    def coded_bits(self, payload: bytes, key: bytes, n_euls: int) -> NDArray[np.uint8]:
        return np.tile(_word(payload), (n_euls, 1))

    def describe(self) -> dict[str, object]:
        return super().describe() | {"step": self.step, "minimum_s": 1.0}


class Null(_Baseline):
    """Embeds nothing and finds nothing: what the bench reports of it is the bench's own floor."""

    name = "null"

    def embed(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> Marked:
        return Marked(audio.copy())

    def decode(self, audio: Audio, rate: int, key: bytes) -> Found:
        return Found(False, None)
