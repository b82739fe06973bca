"""`EULDriver` as a system under test, under both profiles: every second written and read by itself.

Seconds are marked from sample 0 on, each a codeword; the container of the default system fills the 191 bytes,
so that success means the same. Nothing is combined.

``soundsafe-eul-driver`` reads windows of two seconds, one a second: the second that begins in the first half
is found wherever it begins. ``soundsafe-seed`` is the original design to the letter: a second starts where
the anchors or, where they do not answer, the sync pattern say (`SyncDetector.detect_robust`); anchors answer
with offset 0.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.aliases import Audio
from soundsafe.cells.profile import ROBUST
from soundsafe.errors import NotMarkable
from soundsafe.message.container import BODY, Part, assemble, open_part, pack, payload_id
from soundsafe.pipeline.rules import SEED
from soundsafe.pipeline.sync_anchors import SyncDetector
from soundsafe.result import Decoded, Embedded, Eul
from soundsafe.stft import as_tensor
from soundsafe.streams.eul_driver import EULDriver, EulReading

__all__ = ["SoundsafeEulDriver", "SoundsafeSeed"]

_WINDOW_S = 2.1
"""Seconds that are searched for one second, and a little for what surrounds it."""


class _Driven:
    """A file of seconds: what both systems have in common."""

    payload_bytes = BODY
    profile = "robust"

    def driver(self, key: bytes) -> EULDriver:
        return EULDriver(profile=self.profile, key=key)

    def embed(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> Embedded:
        """Raises NotMarkable under one second."""
        blocks = pack(payload, key)
        seconds = _seconds(audio, rate)
        if not seconds:
            raise NotMarkable("the audio is shorter than one second")
        driver, marked = self.driver(key), audio.copy()
        unmarked: list[int] = []
        for i in range(len(seconds)):
            try:
                y = self._encode(driver, seconds, i, blocks[i % len(blocks)], rate)
            except NotMarkable:
                unmarked.append(i)
                continue
            marked[:, i * rate : (i + 1) * rate] = y.numpy()
        return Embedded(
            audio=marked,
            euls=len(seconds),
            euls_verified=0,
            payload_bytes=len(payload),
            capacity_bytes_per_eul=BODY,
            snr_db=float("nan"),
            zimtohrli=float("nan"),
            seconds=0.0,
            realtime_factor=0.0,
            unmarked_seconds=unmarked,
        )

    def _encode(
        self, driver: EULDriver, seconds: list[Audio], number: int, block: bytes, rate: int
    ) -> torch.Tensor:
        before = seconds[number - 1] if number else None
        after = seconds[number + 1] if number + 1 < len(seconds) else None
        return driver.encode_eul(seconds[number], block, orig_sr=rate, second=number, around=(before, after))

    def coded_bits(self, payload: bytes, key: bytes, n_euls: int) -> NDArray[np.uint8]:
        driver = self.driver(key)
        blocks = [driver.coded_bits(block) for block in pack(payload, key)]
        return np.stack([blocks[i % len(blocks)] for i in range(n_euls)])

    def layouts(self, audio: Audio, rate: int, key: bytes) -> list[Eul]:
        driver = self.driver(key)
        return [
            replace(driver.layout(second, orig_sr=rate, second=i), start_s=float(i))
            for i, second in enumerate(_seconds(audio, rate))
        ]


class SoundsafeEulDriver(_Driven):
    """`EULDriver` under its default profile, a whole file of seconds."""

    name = "soundsafe-eul-driver"

    def decode(self, audio: Audio, rate: int, key: bytes) -> Decoded:
        driver = self.driver(key)
        length = round(_WINDOW_S * rate)
        found: list[EulReading] = []
        for first in range(0, audio.shape[1] - rate + 1, rate):
            reading = driver.read(audio[:, first : first + length], orig_sr=rate)
            start = reading.eul.start_s + first / rate
            reading = replace(reading, eul=replace(reading.eul, start_s=start))
            if reading.eul.bits is None:
                continue
            if found and start - found[-1].eul.start_s < 0.5:  # the same second, at the edge of two windows
                found[-1] = max(found[-1], reading, key=lambda one: one.eul.ok)
            else:
                found.append(reading)
        return _answer(found, key, driver.code, round(rate * found[0].eul.start_s) if found else None)

    def describe(self) -> dict[str, object]:
        return {"version": version("soundsafe"), "profile_digest": ROBUST.digest, "quality": "default"}


class SoundsafeSeed(_Driven):
    """`EULDriver` under the profile ``seed``, a whole file of seconds."""

    name = "soundsafe-seed"
    profile = "seed"

    def __init__(self) -> None:
        self.sync = SyncDetector()

    def _encode(
        self, driver: EULDriver, seconds: list[Audio], number: int, block: bytes, rate: int
    ) -> torch.Tensor:
        """Nothing is read back: under these rules nothing would be."""
        second = seconds[number]
        x = as_tensor(second)
        if rate == driver.sr and second.any() and self.sync.sync_anchor.detect_anchor_and_seed(x)[0] is None:
            x = self.sync.sync_anchor.embed_pattern(x)
        return driver.encode_eul(x, block, orig_sr=rate)

    def decode(self, audio: Audio, rate: int, key: bytes) -> Decoded:
        """Reads the second that each position of the grid holds."""
        driver, start = self.driver(key), 0
        if rate == driver.sr and audio.shape[1] >= rate:
            start = self.sync.detect_robust(torch.from_numpy(audio[:, :rate].copy()))[0]
        found = []
        for i, second in enumerate(_seconds(audio, rate, start)):
            reading = driver.read(second, orig_sr=rate)
            found.append(replace(reading, eul=replace(reading.eul, start_s=start / rate + i)))
        return _answer(found, key, "rs", start)

    def describe(self) -> dict[str, object]:
        return {
            "version": version("soundsafe"),
            "rules": {k: list(v) if isinstance(v, tuple) else v for k, v in vars(SEED).items()},
        }


def _seconds(audio: Audio, rate: int, first: int = 0) -> list[Audio]:
    return [audio[:, i : i + rate] for i in range(first, audio.shape[1] - rate + 1, rate)]


def _answer(found: list[EulReading], key: bytes, code: str, offset: int | None) -> Decoded:
    """What the readings say together; a second counts where its block authenticates."""
    parts: list[Part] = []
    euls: list[Eul] = []
    for reading in found:
        part = None if reading.payload is None else open_part(reading.payload, key)
        if part is not None:
            parts.append(part)
        euls.append(replace(reading.eul, ok=part is not None))
    payload = assemble(parts, key)
    identifier = None if payload is None else payload_id(payload)
    return Decoded(
        ok=payload is not None,
        payload=payload,
        score=float(len(parts)),
        code=code,
        layer=None if payload is None else "eul",
        id_ok=identifier is not None,
        id_hex=None if identifier is None else identifier.hex(),
        euls=euls,
        combined=0,
        speed=1.0,
        tempo=1.0,
        pitch=1.0,
        offset_samples=offset,
        false_accept_bound=0.0,
        seconds=0.0,
        realtime_factor=0.0,
    )
