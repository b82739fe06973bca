"""What messengers and streaming programs do to sound on its way: gain control, noise suppression, a codec.

The sound goes through 48 kHz. Opus and these steps do not delay; the length is kept.
"""

from __future__ import annotations

import numpy as np

from soundsafe import codecs
from soundsafe.attacks.audiomarkbench import opus_round_trip
from soundsafe.attacks.denoise import denoise
from soundsafe.attacks.dynamics import expander
from soundsafe.attacks.filtering import highpass
from soundsafe.attacks.limiter import limit
from soundsafe.attacks.production import controlled
from soundsafe.attacks.registry import Audio, attack

RATE = 48000


@attack(
    "messenger",
    {f"messenger_voice_{k}": {"kbps": k, "suppression_db": 12} for k in (12, 16, 24, 32)}
    | {"messenger_voice_24_no_suppression": {"kbps": 24, "suppression_db": 0}},
    engine="libopus (PyAV)",
    to_mono=True,
)
def messenger_voice(
    audio: Audio, rate: int, rng: np.random.Generator, *, kbps: int, suppression_db: float
) -> Audio:
    """A call or voice message: one channel, high-pass at 80 Hz, noise suppression, gain control to -20 dBFS,
    and Opus."""
    mono = codecs.resample(audio.mean(axis=0, keepdims=True), rate, RATE)
    mono = highpass(mono, RATE, rng, cutoff_hz=80)
    if suppression_db:
        mono = denoise(mono, RATE, rng, reduction_db=suppression_db)
    mono = limit(controlled(mono, RATE, -20.0, 0.4), RATE, 10 ** (-1 / 20))
    coded = opus_round_trip(mono, RATE, 1000 * kbps, 5)
    return codecs.fit_length(codecs.resample(coded, RATE, rate), audio.shape[1])


@attack(
    "messenger",
    {f"messenger_stream_{k}": {"kbps": k} for k in (64, 96, 160)},
    engine="libopus (PyAV)",
)
def messenger_stream(audio: Audio, rate: int, rng: np.random.Generator, *, kbps: int) -> Audio:
    """A live stream: a noise gate at -45 dB, a limiter at -3 dBFS, and Opus for each pair of channels."""
    gated = expander(audio, rate, rng, threshold_db=-45, ratio=10, range_db=80)
    return codecs.opus_roundtrip(limit(gated, rate, 10 ** (-3 / 20)), rate, kbps=kbps, align=True)
