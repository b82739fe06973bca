"""A toy watermark and toy attacks for the bench's tests: fast, blind, and easy to break on purpose.

Each second at 8 kHz starts with a keyed pattern, followed by bits as the signs of blocks of 64 samples.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from soundsafe.errors import NotMarkable

RATE = 8000
SYNC = 1024
BLOCK = 64
BITS = 96
LEVEL = 0.02
PAYLOAD = 4


def _pattern(key: bytes, what: str, n: int) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(key + what.encode()).digest(), "big")
    return np.random.default_rng(seed).choice([-1.0, 1.0], n).astype(np.float32)


def _codeword(payload: bytes, key: bytes) -> np.ndarray:
    tag = hashlib.sha256(key + payload).digest()[:8]
    return np.unpackbits(np.frombuffer(payload + tag, np.uint8))


class Toy:
    """The toy itself; refuses clips near full scale."""

    name = "toy"
    payload_bytes = PAYLOAD
    level = LEVEL

    def embed(self, audio: np.ndarray, rate: int, payload: bytes, key: bytes) -> Any:
        if np.max(np.abs(audio)) > 0.9:
            raise NotMarkable("too loud to be marked")
        out = audio.copy()
        for i in range(audio.shape[1] // rate):
            at = i * rate
            out[:, at : at + SYNC] += self.level * _pattern(key, "sync", SYNC)
            signs = 2.0 * _codeword(payload, key) - 1
            chip = _pattern(key, "chip", BITS * BLOCK)
            out[:, at + SYNC : at + SYNC + BITS * BLOCK] += self.level * np.repeat(signs, BLOCK) * chip
        return SimpleNamespace(audio=out, warnings=["second 1: nearly silent"])

    def decode(self, audio: np.ndarray, rate: int, key: bytes) -> Any:
        x = audio.mean(axis=0)
        strength = np.correlate(x, _pattern(key, "sync", SYNC), "valid") / SYNC
        euls: list[Any] = []
        found: bytes | None = None
        total = np.zeros(BITS)
        at = 0
        while at + SYNC + BITS * BLOCK <= len(x):
            window = strength[at : at + rate]
            best = int(np.argmax(window)) + at
            if strength[best] < 0.5 * LEVEL or best + SYNC + BITS * BLOCK > len(x):
                at += rate
                continue
            body = x[best + SYNC : best + SYNC + BITS * BLOCK] * _pattern(key, "chip", BITS * BLOCK)
            soft = body.reshape(BITS, BLOCK).sum(axis=1)
            total += soft
            bits = (soft > 0).astype(np.uint8)
            payload = self._open(bits, key)
            found = found or payload
            euls.append(
                SimpleNamespace(
                    start_s=best / rate,
                    ok=payload is not None,
                    corrected_bytes=0,
                    erasures=0,
                    bits=bits,
                    features=np.full((3, 4), round(20 * float(np.std(body))), np.int16),
                    slots="a" if strength[best] > 0.8 * LEVEL else "b",
                    seed=7,
                )
            )
            at = best + rate // 2
        alone = found is not None
        if not alone and euls:
            found = self._open((total > 0).astype(np.uint8), key)
        return SimpleNamespace(
            ok=found is not None,
            payload=found,
            score=float(strength.max(initial=0.0)),
            id_ok=found is not None,
            combined=0 if alone else len(euls),
            euls=euls,
            speed=1.0,
            tempo=1.0,
            pitch=1.0,
            code="toy",
            layer="only",
        )

    @staticmethod
    def _open(bits: np.ndarray, key: bytes) -> bytes | None:
        payload = np.packbits(bits).tobytes()[:PAYLOAD]
        return payload if np.array_equal(bits, _codeword(payload, key)) else None

    def coded_bits(self, payload: bytes, key: bytes, n_euls: int) -> np.ndarray:
        return np.tile(_codeword(payload, key), (n_euls, 1))

    def layouts(self, audio: np.ndarray, rate: int, key: bytes) -> list[Any]:
        n = audio.shape[1] // rate
        return [SimpleNamespace(features=np.full((3, 4), 0, np.int16), slots="a", seed=7) for _ in range(n)]

    def describe(self) -> dict[str, Any]:
        return {"version": "1", "level": self.level}


class Weak(Toy):
    """The same name at a level at which much is lost: a regression."""

    level = 0.6 * LEVEL


class Dying(Toy):
    """Kills its process as many times as the file in BENCH_FAKE_DEATHS says."""

    name = "dying"

    def decode(self, audio: np.ndarray, rate: int, key: bytes) -> Any:
        path = Path(os.environ["BENCH_FAKE_DEATHS"])
        left = int(path.read_text())
        if left > 0:
            path.write_text(str(left - 1))
            os._exit(9)
        return super().decode(audio, rate, key)


class Slow(Toy):
    name = "slow"

    def decode(self, audio: np.ndarray, rate: int, key: bytes) -> Any:
        time.sleep(0.05)
        return super().decode(audio, rate, key)


class Stopping(Toy):
    """Decodes so many times, then waits: `BENCH_FAKE_STOP` is a file with a byte for each, counted to 6."""

    name = "stopping"

    def decode(self, audio: np.ndarray, rate: int, key: bytes) -> Any:
        if "BENCH_FAKE_STOP" in os.environ:
            path = Path(os.environ["BENCH_FAKE_STOP"])
            with path.open("ab") as file:
                file.write(b".")
            if path.stat().st_size > 6:
                time.sleep(600)
        return super().decode(audio, rate, key)


class Failing(Toy):
    """Never marks anything, by a mistake of its own."""

    name = "failing"

    def embed(self, audio: np.ndarray, rate: int, payload: bytes, key: bytes) -> Any:
        return 1 / 0


class Deaf:
    """A system without bits, layouts or details, as an outside one may be; it always says yes."""

    name = "deaf"
    payload_bytes = 2

    def embed(self, audio: np.ndarray, rate: int, payload: bytes, key: bytes) -> Any:
        return SimpleNamespace(audio=audio)

    def decode(self, audio: np.ndarray, rate: int, key: bytes) -> Any:
        return SimpleNamespace(ok=True, payload=b"\0\0")

    def coded_bits(self, payload: bytes, key: bytes, n_euls: int) -> None:
        return None

    def layouts(self, audio: np.ndarray, rate: int, key: bytes) -> list[Any]:
        return []

    def describe(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Noise:
    sigma: float
    family: str = "noise"

    @property
    def name(self) -> str:
        return f"noise_{self.sigma:g}"

    @property
    def params(self) -> dict[str, Any]:
        return {"sigma": self.sigma}

    def apply(self, audio: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
        return audio + rng.normal(0, self.sigma, audio.shape).astype(np.float32)

    def delay_samples(self, rate: int, channels: int = 2) -> int | None:
        return 0


@dataclass(frozen=True)
class Shift:
    """Cuts off (negative) or puts in front so many samples."""

    samples: int
    told: bool = True
    name: str = field(default="shift")
    family: str = "shift"

    @property
    def params(self) -> dict[str, Any]:
        return {"samples": self.samples}

    def apply(self, audio: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
        if self.samples < 0:
            return audio[:, -self.samples :]
        return np.pad(audio, ((0, 0), (self.samples, 0)))

    def delay_samples(self, rate: int, channels: int = 2) -> int | None:
        return self.samples if self.told else None


@dataclass(frozen=True)
class Broken:
    """Raises, or returns what is not audio."""

    how: str
    family: str = "broken"

    @property
    def name(self) -> str:
        return f"broken_{self.how}"

    @property
    def params(self) -> dict[str, Any]:
        return {}

    def apply(self, audio: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
        if self.how == "nan":
            return audio * np.float32(np.nan)
        if self.how == "empty":
            return audio[:, :0]
        raise RuntimeError("the codec is on fire\nsecond line")

    def delay_samples(self, rate: int, channels: int = 2) -> int | None:
        return 0


def attacks() -> list[Any]:
    """Nothing, both controls, and attacks that are survived, that are not, and that move or cut."""
    return [
        "none",
        "unmarked",
        "wrong_key",
        Noise(0.05),
        Noise(0.12),
        Shift(1105, name="late"),
        Shift(-4000, name="cut"),
    ]
