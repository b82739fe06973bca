"""What an audio file says of itself, and what of it can be worked on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = [
    "BITS",
    "LOUDEST",
    "MAX_CHANNELS",
    "MAX_RATE",
    "MIN_RATE",
    "WAV_FORMATS",
    "AudioInfo",
    "PathLike",
]

MIN_RATE, MAX_RATE = 8_000, 192_000
MAX_CHANNELS = 8
LOUDEST = 1e4
"""Largest sample that is worked on: what lies 80 dB above full scale is no audio, and libraries that get it
may end the process."""

BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
"""Bits of a sample, by libsndfile's names of the formats."""

WAV_FORMATS = ("WAV", "WAVEX", "RF64")

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class AudioInfo:
    """What a file says of itself.

    `rate` in Hz, `frames` samples in each channel (what a compressed file gives may differ by some),
    `format` and `subtype` as libsndfile names them, or FFmpeg's container and codec in capitals, `tags` by
    upper-case Vorbis comment names, `channel_mask` the loudspeakers as WAVE_FORMAT_EXTENSIBLE numbers them,
    None where the file does not say.
    """

    path: Path
    rate: int
    channels: int
    frames: int
    format: str
    subtype: str
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    channel_mask: int | None = None

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.frames / self.rate
