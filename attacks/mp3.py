"""MP3 by LAME, with the real delay of encoder and decoder."""

from __future__ import annotations

from typing import Any

import numpy as np

from soundsafe import codecs
from soundsafe.attacks.channels import downmix_mono
from soundsafe.attacks.registry import Audio, attack

LAME = "LAME (lameenc)"
BITRATES = (320, 256, 192, 160, 128, 96, 64, 48, 40, 32, 24, 16, 8)


def _delay(rate: int, channels: int, *, effort: int = 2, **params: Any) -> int:
    return codecs.mp3_delay(rate, channels=channels, **params)


def _mono_delay(rate: int, channels: int, **params: Any) -> int:
    return codecs.mp3_delay(rate, channels=1, **params)


@attack(
    "mp3",
    {f"mp3_{kbps}": {"kbps": kbps} for kbps in BITRATES}
    | {f"mp3_V{v}": {"vbr": v} for v in (0, 2, 5)}
    | {f"mp3_192_q{q}": {"kbps": 192, "effort": q} for q in (3, 5, 7)},
    changes_length=True,
    engine=LAME,
    delay=_delay,
)
def mp3(
    audio: Audio,
    rate: int,
    rng: np.random.Generator,
    *,
    kbps: int | None = None,
    vbr: float | None = None,
    effort: int = 2,
) -> Audio:
    """Constant bit rate in kbit/s, or LAME's V quality. `effort`: LAME's -q, 3 by default in its program;
    audiomentations takes 7."""
    return codecs.mp3_roundtrip(audio, rate, kbps=kbps, vbr=vbr, effort=effort)


@attack(
    "mp3",
    {f"mp3_mono_{kbps}": {"kbps": kbps} for kbps in (192, 128)},
    changes_length=True,
    engine=LAME,
    delay=_mono_delay,
    to_mono=True,
)
def mp3_mono(audio: Audio, rate: int, rng: np.random.Generator, *, kbps: int) -> Audio:
    """Mixed to one channel, which then has the whole bit rate."""
    return codecs.mp3_roundtrip(downmix_mono(audio, rate, rng), rate, kbps=kbps)


@attack(
    "mp3",
    {f"mp3_stereo_{kbps}": {"kbps": kbps} for kbps in (320, 192, 128)},
    changes_length=True,
    engine="LAME (PyAV)",
    delay=_delay,
)
def mp3_stereo(audio: Audio, rate: int, rng: np.random.Generator, *, kbps: int) -> Audio:
    """Left and right coded apart, without joint stereo."""
    return codecs.mp3_roundtrip(audio, rate, kbps=kbps, joint=False)
