"""Attacked audio in files that are named by what is in them, so that equal audio is made and kept once.

What an attack makes is found again by what went in: the audio, the attack with its parameters, and the seed
of its draws. Unmarked audio is the same for all systems, marked audio for an attack and for its control
`wrong_key`.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundsafe.aliases import Audio
from soundsafe.errors import InputError
from soundsafe.eval.running.store import write_atomically

__all__ = ["AudioStore", "Made", "digest_of_audio"]

_LEAST_FREE = 4 << 30
"""Bytes of the disk that audio which nobody asked to keep leaves free."""


def digest_of_audio(audio: Audio) -> str:
    """The SHA-256 of audio: its number of channels in decimal digits, a space, its float32 samples.

    Args:
        audio: float32 ``[channels, samples]``.

    Example:
        >>> stereo, mono = np.zeros((2, 1), np.float32), np.zeros((1, 2), np.float32)
        >>> digest_of_audio(stereo) == digest_of_audio(mono)
        False
    """
    digest = hashlib.sha256(b"%d " % len(audio))
    digest.update(np.ascontiguousarray(audio, np.float32).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Made:
    """Attacked audio, its digest, and the attack's delay in samples; None where that is not known."""

    audio: Audio
    digest: str
    delay: int | None


@dataclass(frozen=True)
class AudioStore:
    """A folder of audio.

    Attributes:
        folder: made when first written to.
        keep: it is to stay, and holds everything; else only what can be used again, while the disk has room.
    """

    folder: Path
    keep: bool = False

    def _file(self, digest: str) -> Path:
        if not digest.isalnum():
            raise InputError(f"{digest!r} is no digest of audio")
        return self.folder / f"{digest}.npy"

    def get(self, digest: str) -> Audio:
        """Audio by its digest.

        Raises:
            InputError: it is not there, or not as it was.
        """
        try:
            audio: Audio = np.load(self._file(digest), allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{self._file(digest)} is not there, or damaged") from error
        if audio.dtype != np.float32 or audio.ndim != 2 or digest_of_audio(audio) != digest:
            raise InputError(f"{self._file(digest)} is damaged: it holds other audio than its name says")
        return audio

    def put(self, audio: Audio) -> str:
        """Keep audio; its digest. Not kept where the disk is nearly full, and nobody asked for it."""
        digest = digest_of_audio(audio)
        self.folder.mkdir(parents=True, exist_ok=True)
        room = self.keep or shutil.disk_usage(self.folder).free - audio.nbytes > _LEAST_FREE
        if room and not self._file(digest).exists():
            buffer = io.BytesIO()
            np.save(buffer, audio)
            write_atomically(self._file(digest), buffer.getvalue())
        return digest

    def made(self, key: str, make: Callable[[], tuple[Audio, int | None]]) -> Made:
        """What `make` gives, audio and delay, or gave when `key` was last asked for."""
        note = self.folder / f"{key}.json"
        try:
            held = json.loads(note.read_text())
            return Made(self.get(held["sha256"]), held["sha256"], held["delay"])
        except (OSError, InputError, ValueError, KeyError, TypeError):
            pass  # never made, or not whole: it is made now
        audio, delay = make()
        digest = self.put(audio)
        write_atomically(note, json.dumps({"sha256": digest, "delay": delay}).encode())
        return Made(audio, digest, delay)
