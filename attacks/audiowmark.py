"""What audiowmark's own tests do to marked audio: every channel at the clip's own rate.

Its scripts run the programs `lame` and `sox` and commands of its own; the same is done here in process.
"""

from __future__ import annotations

import numpy as np

from soundsafe import codecs
from soundsafe.attacks.registry import Audio, attack, unknown_delay
from soundsafe.attacks.sources import AUDIOWMARK
from soundsafe.attacks.speed import change_speed

_EFFORT = 3  # what the program takes unless told


def _cut_delay(rate: int, channels: int, *, samples: int) -> int:
    return -samples


@attack(
    "audiowmark",
    {f"audiowmark_mp3_{k}": {"kbps": [k]} for k in (128, 256)}
    | {f"audiowmark_double_mp3_{k}": {"kbps": [128, k]} for k in (128, 256)},
    engine="LAME (lameenc)",
    source=AUDIOWMARK,
)
def audiowmark_mp3(audio: Audio, rate: int, rng: np.random.Generator, *, kbps: list[int]) -> Audio:
    """MP3 at one constant bit rate after another, the delay removed as by its decoder. Length kept."""
    for k in kbps:
        audio = codecs.mp3_roundtrip(audio, rate, kbps=k, effort=_EFFORT, align=True)
    return audio


@attack(
    "audiowmark",
    {f"audiowmark_speed_{s}": {"factor": s} for s in (0.85, 0.9764, 1.01, 1.15)},
    changes_length=True,
    differentiable=True,
    delay=unknown_delay,
    source=AUDIOWMARK,
)
def audiowmark_speed(audio: Audio, rate: int, rng: np.random.Generator, *, factor: float) -> Audio:
    """Played `factor` times as fast: pitch and length change with it."""
    return change_speed(audio, factor)


@attack(
    "audiowmark",
    {f"audiowmark_mp3_128_speed_{s}": {"kbps": 128, "factor": s} for s in (0.85, 1.15)},
    changes_length=True,
    engine="LAME (lameenc)",
    delay=unknown_delay,
    source=AUDIOWMARK,
)
def audiowmark_mp3_speed(
    audio: Audio, rate: int, rng: np.random.Generator, *, kbps: int, factor: float
) -> Audio:
    """MP3, and then played `factor` times as fast."""
    return change_speed(codecs.mp3_roundtrip(audio, rate, kbps=kbps, effort=_EFFORT, align=True), factor)


@attack(
    "audiowmark",
    {"audiowmark_cut_start_44300": {"samples": 44300}},
    changes_length=True,
    differentiable=True,
    delay=_cut_delay,
    source=AUDIOWMARK,
)
def audiowmark_cut_start(audio: Audio, rate: int, rng: np.random.Generator, *, samples: int) -> Audio:
    """The first `samples` cut off; of a clip that has no more than these, its last sample is left."""
    return audio[:, min(samples, audio.shape[1] - 1) :]
