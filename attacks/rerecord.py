"""Played by a loudspeaker and recorded again: speaker, room, microphone, recorder's codec."""

from __future__ import annotations

import numpy as np

from soundsafe.attacks.aac import aac, aac_delay
from soundsafe.attacks.dynamics import soft_clip
from soundsafe.attacks.filtering import highpass, lowpass
from soundsafe.attacks.noise import add_noise
from soundsafe.attacks.registry import Audio, attack
from soundsafe.attacks.reverb import in_room


def _delay(rate: int, channels: int, *, kbps: int, **others: object) -> int:
    return aac_delay(rate, channels, kbps=kbps)


@attack(
    "rerecord",
    {
        "rerecord_studio": {
            "low_hz": 50, "high_hz": 16000, "drive_db": -6, "room": "booth", "rt60_s": 0.15,
            "distance_m": 0.5, "snr_db": 45, "kbps": 192,
        },
        "rerecord_room": {
            "low_hz": 120, "high_hz": 12000, "drive_db": 0, "room": "room", "rt60_s": 0.3,
            "distance_m": 1.0, "snr_db": 35, "kbps": 128,
        },
        "rerecord_phone": {
            "low_hz": 400, "high_hz": 7500, "drive_db": 6, "room": "room", "rt60_s": 0.5,
            "distance_m": 2.0, "snr_db": 25, "kbps": 96,
        },
    },
    changes_length=True,
    engine="FFmpeg aac (PyAV)",
    delay=_delay,
)  # fmt: skip
def rerecord(
    audio: Audio,
    rate: int,
    rng: np.random.Generator,
    *,
    low_hz: float,
    high_hz: float,
    drive_db: float,
    room: str,
    rt60_s: float,
    distance_m: float,
    snr_db: float,
    kbps: int,
) -> Audio:
    """A simulated speaker (band and overdrive) and room, background noise, and a real AAC recording of it.

    The time that sound needs from speaker to microphone is left out.
    """
    audio = soft_clip(audio, rate, rng, drive_db=drive_db)
    audio = highpass(audio, rate, rng, cutoff_hz=low_hz)
    audio = lowpass(audio, rate, rng, cutoff_hz=high_hz)
    audio = in_room(audio, rate, rng, room, rt60_s, distance_m)
    audio = add_noise(audio, rate, rng, "background", snr_db)
    return aac(audio, rate, rng, kbps=kbps)
