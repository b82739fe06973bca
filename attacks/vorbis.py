"""Vorbis by libvorbis, in Ogg."""

from __future__ import annotations

import numpy as np

from soundsafe import codecs
from soundsafe.attacks.registry import Audio, attack


@attack(
    "vorbis",
    {f"vorbis_q{q}": {"quality": q} for q in (8, 6, 5, 4, 2, 0)},
    changes_length=True,
    engine="libvorbis (libsndfile)",
)
def vorbis(audio: Audio, rate: int, rng: np.random.Generator, *, quality: float) -> Audio:
    """Quality 0 to 10, as in `oggenc -q`; in stereo 64 (0), 96 (2), 128 (4), 192 (6), 256 (8) kbit/s."""
    return codecs.vorbis_roundtrip(audio, rate, quality=quality)
