"""The rules of the original design to the letter as a system under test, so that its claims can be measured.

One codeword of RS(255,191) a second, whole seconds from sample 0 on. A second starts where the anchors or,
where they do not answer, the sync pattern say (`SyncDetector.detect_robust`); anchors answer with offset 0.
The same container as the default profile's fills the 191 bytes, so that success means the same.
"""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.aliases import Audio
from soundsafe.errors import NotMarkable
from soundsafe.message.container import BODY, Part, assemble, open_part, pack, payload_id
from soundsafe.pipeline.ingest_and_chunk import Allocation, EULDriver
from soundsafe.pipeline.rules import SEED
from soundsafe.pipeline.sync_anchors import SyncDetector
from soundsafe.result import Decoded, Embedded, Eul
from soundsafe.stft import as_tensor

__all__ = ["SoundsafeSeed"]


def _seconds(audio: Audio, rate: int, first: int = 0) -> list[Audio]:
    return [audio[:, i : i + rate] for i in range(first, audio.shape[1] - rate + 1, rate)]


def _eul(
    start_s: float, allocation: Allocation, ok: bool, corrected: int, bits: NDArray[np.uint8] | None
) -> Eul:
    """An EUL as the bench compares it; features in whole steps are wider than 16 bits."""
    return Eul(
        start_s,
        ok,
        corrected,
        0,
        {"bits_per_band": [int(b) for b in allocation.bits_per_band], "seed": allocation.seed},
        bits,
        allocation.features,  # type: ignore[arg-type]
        allocation.digest,
        allocation.seed,
    )


class SoundsafeSeed:
    """`EULDriver` under the rules `SEED`, a whole file of seconds."""

    name = "soundsafe-seed"
    payload_bytes = BODY

    def __init__(self) -> None:
        self.driver = EULDriver(rules=SEED)
        self.sync = SyncDetector(self.driver.sync_anchor)

    def embed(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> Embedded:
        """Nothing is read back: under these rules nothing would be. Raises NotMarkable under one second."""
        blocks = pack(payload, key)
        seconds = _seconds(audio, rate)
        if not seconds:
            raise NotMarkable("the audio is shorter than one second")
        marked = audio.copy()
        silent: list[int] = []
        for i, second in enumerate(seconds):
            if not second.any():
                silent.append(i)
                continue
            x = as_tensor(second)
            if rate == self.driver.sr and self.sync.sync_anchor.detect_anchor_and_seed(x)[0] is None:
                x = self.sync.sync_anchor.embed_pattern(x)
            y = self.driver.encode_eul(x, blocks[i % len(blocks)], orig_sr=rate)
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
            unmarked_seconds=silent,
        )

    def decode(self, audio: Audio, rate: int, key: bytes) -> Decoded:
        """Reads the second that each position of the grid holds."""
        start = 0
        if rate == self.driver.sr and audio.shape[1] >= rate:
            start = self.sync.detect_robust(torch.from_numpy(audio[:, :rate].copy()))[0]
        euls: list[Eul] = []
        parts: list[Part] = []
        for i, second in enumerate(_seconds(audio, rate, start)):
            reading = self.driver.read(second, orig_sr=rate)
            part = None if reading.payload is None else open_part(reading.payload, key)
            if part is not None:
                parts.append(part)
            euls.append(
                _eul(
                    start / rate + i,
                    reading.allocation,
                    part is not None,
                    reading.corrected_bytes,
                    reading.bits,
                )
            )
        payload = assemble(parts, key)
        identifier = None if payload is None else payload_id(payload)
        return Decoded(
            ok=payload is not None,
            payload=payload,
            score=float(len(parts)),
            code="rs",
            layer=None if payload is None else "eul",
            id_ok=identifier is not None,
            id_hex=None if identifier is None else identifier.hex(),
            euls=euls,
            combined=0,
            speed=1.0,
            tempo=1.0,
            pitch=1.0,
            offset_samples=start,
            false_accept_bound=0.0,
            seconds=0.0,
            realtime_factor=0.0,
        )

    def coded_bits(self, payload: bytes, key: bytes, n_euls: int) -> NDArray[np.uint8]:
        blocks = [self.driver.coded_bits(block) for block in pack(payload, key)]
        return np.stack([blocks[i % len(blocks)] for i in range(n_euls)])

    def layouts(self, audio: Audio, rate: int, key: bytes) -> list[Eul]:
        return [
            _eul(float(i), self.driver.allocation(second, orig_sr=rate), False, 0, None)
            for i, second in enumerate(_seconds(audio, rate))
        ]

    def describe(self) -> dict[str, object]:
        return {
            "version": version("soundsafe"),
            "rules": {k: list(v) if isinstance(v, tuple) else v for k, v in vars(SEED).items()},
        }
