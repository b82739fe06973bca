"""A trained network's checkpoint as a system under test.

The network marks and reads single seconds. Each marked second also gets the sync pattern of `SyncAnchor`, by
which the reader finds where seconds begin, to the sample, from eight of them together. Another speed or
tempo is not searched for. Nothing but the received audio and the key is used.

Each second carries the whole payload, `rs_payload_bytes` of the training's configuration, as the Reed-Solomon
code RS(255,191) shortened to them (zeros that are known stand for the bytes left out), 32 wrong bytes at most
being put right. The network's cells are no secret; so that another key reads nothing, the coded bits are
combined with a keyed stream, as the random bits of training were. There is no authentication beyond the code:
a random word lies within reach of some codeword with a chance below 2^-100.

The mean of the channels is marked and read, and what the mark adds goes to all of them alike.
"""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.aliases import Audio
from soundsafe.codecs import resample
from soundsafe.errors import InputError, NotMarkable
from soundsafe.eval.systems.interface import Found, Marked
from soundsafe.eval.systems.mixing import mixed_in
from soundsafe.keys import derive
from soundsafe.message.coding import rs_correct_255_191, rs_encode_255_191
from soundsafe.models import INNWatermarker
from soundsafe.pipeline.sync_anchors import SyncAnchor
from soundsafe.result import Eul
from soundsafe.stft import RATE
from soundsafe.training.checkpoint import read_checkpoint
from soundsafe.training.evaluation import frame_features

__all__ = ["ALIGNMENT", "NetworkSystem"]

ALIGNMENT = "whole seconds at 44.1 kHz from where the sync pattern is found, else from sample 0"
"""Where the reading starts, for tables and `run.json`."""

_SYNC = SyncAnchor()
_LEAST_CONFIDENCE = 0.05
_LISTENED = 8
"""Seconds in which the pattern is looked for."""

_MESSAGE = 191


@dataclass(frozen=True)
class _Embedded(Marked):
    """Marked audio, and the seconds that were left alone because they are silent."""

    unmarked_seconds: tuple[int, ...]


@lru_cache(maxsize=2)
def _networks(path: Path, digest: str) -> tuple[INNWatermarker, INNWatermarker]:
    """The network that embeds and, in the configuration's precision, the one that reads."""
    checkpoint = read_checkpoint(path)
    model = checkpoint.model().eval()
    return model, copy.deepcopy(model).double() if checkpoint.config.decode_precision == "fp64" else model


class NetworkSystem:
    """The network in the checkpoint at `path`, under the name `name`.

    `step`: of the training, when the checkpoint was written. Travels to worker processes as a path; weights
    are loaded where they are used. Raises InputError where `path` is no checkpoint or safetensors is missing.
    """

    def __init__(self, name: str, path: Path) -> None:
        checkpoint = read_checkpoint(path)
        checkpoint.model()  # weights of another network are refused here
        self.name, self.path = name, path
        self.config, self.step, self.data_hash = checkpoint.config, checkpoint.step, checkpoint.data_hash
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        self.payload_bytes = self.config.rs_payload_bytes

    def _codeword(self, payload: bytes) -> NDArray[np.uint8]:
        if len(payload) > self.payload_bytes:
            raise InputError(f"a second of {self.name} holds {self.payload_bytes} bytes, not {len(payload)}")
        word = rs_encode_255_191(payload.ljust(_MESSAGE, b"\0"))
        return np.unpackbits(np.frombuffer(word[: self.payload_bytes] + word[_MESSAGE:], np.uint8))

    def _payload(self, bits: NDArray[np.bool_]) -> tuple[bytes, int] | None:
        """Payload and number of bytes put right, or None where no codeword is within reach."""
        word, size = np.packbits(bits).tobytes(), self.payload_bytes
        found = rs_correct_255_191(word[:size] + bytes(_MESSAGE - size) + word[size:])
        if found is None or any(found[0][size:]):
            return None
        return found[0][:size], found[1]

    def _stream(self, key: bytes) -> NDArray[np.uint8]:
        return np.unpackbits(np.frombuffer(derive(key, "network", self.config.bits // 8), np.uint8))

    def _features(self, second: Audio) -> NDArray[np.float64]:
        """The allocator's features ``[bands, frames]`` of the profile that training kept stable."""
        return frame_features(second, self.config)

    def embed(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> _Embedded:
        """Nothing is read back. Raises NotMarkable under one second."""
        x = _mono(audio, rate)
        if len(x) < RATE:
            raise NotMarkable(f"{self.name} needs one second")
        model, _ = _networks(self.path, self.digest)
        bits = torch.from_numpy((self._codeword(payload) ^ self._stream(key)).astype(np.float32))
        mark = np.zeros_like(x)
        silent = []
        for i, second in enumerate(_seconds(x)):
            if not second.any():
                silent.append(i)
                continue
            with torch.no_grad():
                marked = model.embed(torch.from_numpy(second)[None], bits[None])[0]
            mark[i * RATE : (i + 1) * RATE] = _SYNC.embed_pattern(marked).numpy() - second
        return _Embedded(mixed_in(audio, rate, mark[None], RATE).audio, tuple(silent))

    def decode(self, audio: Audio, rate: int, key: bytes) -> Found:
        """Each second by itself; the payload from the sum of all seconds, else from the first that reads."""
        _, model = _networks(self.path, self.digest)
        dtype = torch.float64 if self.config.decode_precision == "fp64" else torch.float32
        signs = 1.0 - 2.0 * self._stream(key)
        total = np.zeros(self.config.bits)
        euls: list[Eul] = []
        payloads: list[bytes] = []
        x = _mono(audio, rate)
        start = _start(x)
        for i, second in enumerate(_seconds(x[start:])):
            with torch.no_grad():
                logits = model.read(torch.from_numpy(second)[None].to(dtype))[0].double().numpy()
            soft = logits * signs
            total += soft
            one = self._payload(soft > 0)
            if one is not None:
                payloads.append(one[0])
            bits = (soft > 0).astype(np.uint8)
            corrected = 0 if one is None else one[1]
            features = self._features(second)
            euls.append(Eul(i + start / RATE, one is not None, corrected, 0, {}, bits, features))  # type: ignore[arg-type]
        together = self._payload(total > 0) if euls else None
        found = together[0] if together is not None else next(iter(payloads), None)
        return Found(found is not None, found, float(np.abs(total).mean() / max(1, len(euls))), tuple(euls))

    def coded_bits(self, payload: bytes, key: bytes, n_euls: int) -> NDArray[np.uint8]:
        """``[n_euls, bits]`` in the order of the code, as `decode` gives them: without the keyed stream."""
        return np.tile(self._codeword(payload), (n_euls, 1))

    def layouts(self, audio: Audio, rate: int, key: bytes) -> list[Eul]:
        """Features alone: the network has neither slots nor a seed."""
        seconds = _seconds(_mono(audio, rate))
        return [
            Eul(float(i), False, 0, 0, {}, None, self._features(s))  # type: ignore[arg-type]
            for i, s in enumerate(seconds)
        ]

    def describe(self) -> dict[str, object]:
        return {
            "version": version("soundsafe"),
            "checkpoint": self.digest,
            "step": self.step,
            "training_data": self.data_hash,
            "training": self.config.to_json(),
            "alignment": ALIGNMENT,
            "minimum_s": 1.0,
        }


def _mono(audio: Audio, rate: int) -> Audio:
    """The mean of the channels at 44.1 kHz, ``[samples]``."""
    return resample(audio, rate, RATE).mean(axis=0, dtype=np.float32)


def _start(x: Audio) -> int:
    """The sample at which the first whole second begins, by the patterns of the first seconds together."""
    offset, confidence = _SYNC.find_pattern(x[: _LISTENED * RATE], period=RATE) if len(x) else (0, 0.0)
    return offset if confidence >= _LEAST_CONFIDENCE else 0


def _seconds(x: Audio) -> list[Audio]:
    return [np.ascontiguousarray(x[i : i + RATE]) for i in range(0, len(x) - RATE + 1, RATE)]
