"""Folders of recordings that attacks draw from, which the user brings: rooms, noises, music."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from soundsafe.aliases import Audio
from soundsafe.errors import InputError

__all__ = ["MUSIC", "NOISES", "ROOMS", "Folder"]

_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3"}


@dataclass(frozen=True)
class Folder:
    """A folder of recordings, which the environment variable `variable` names; `holds` says of what."""

    variable: str
    holds: str

    def missing(self) -> str:
        """Why there are none, in one line; '' where there are."""
        folder = os.environ.get(self.variable)
        if not folder:
            return f"needs recordings: {self.variable} names their folder ({self.holds})"
        if not Path(folder).is_dir():
            return f"needs recordings: {self.variable} names no folder"
        if not any(_recordings(Path(folder))):
            return f"needs recordings: the folder of {self.variable} holds no WAV, FLAC, OGG or MP3"
        return ""

    def recordings(self) -> tuple[Path, ...]:
        """All recordings in it, at any depth, sorted by path.

        Raises:
            InputError: there are none.
        """
        if reason := self.missing():
            raise InputError(reason)
        return tuple(sorted(_recordings(Path(os.environ[self.variable]))))

    def sound(self, number: int) -> tuple[Audio, int]:
        """One of the recordings ``[channels, samples]``, counted from 0 and from there again after the last;
        and its rate in Hz.

        Raises:
            InputError: there are none, or it is damaged.
        """
        from soundsafe.files.audio_file import read_audio  # late: listing attacks needs no decoder

        files = self.recordings()
        audio, info = read_audio(files[number % len(files)], tags=False)
        return audio, info.rate


def _recordings(folder: Path) -> list[Path]:
    return [p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file()]


ROOMS = Folder("SOUNDSAFE_ROOMS", "impulse responses of rooms, such as AIR or the MIT IR survey")
NOISES = Folder("SOUNDSAFE_NOISES", "background noises, such as DEMAND")
MUSIC = Folder("SOUNDSAFE_MUSIC", "music to lie under a voice")
