"""RNNoise, a small recurrent network that takes noise from speech, with the weights of its package."""

from __future__ import annotations

import numpy as np

from soundsafe import codecs
from soundsafe.attacks.packages import RNNOISE
from soundsafe.attacks.registry import Audio, attack
from soundsafe.attacks.sources import RNNOISE_SOURCE

RATE = 48000
LATE = 2  # frames: by its overlap, and by one that it looks ahead


@attack(
    "neural",
    {"rnnoise": {"passes": 1}, "rnnoise_twice": {"passes": 2}},
    engine="RNNoise (pyrnnoise)",
    packages=(RNNOISE,),
    source=RNNOISE_SOURCE,
)
def rnnoise(audio: Audio, rate: int, rng: np.random.Generator, *, passes: int) -> Audio:
    """Each channel by itself at 48 kHz in frames of 10 ms, after Valin, "A hybrid DSP/deep learning approach
    to real-time full-band speech enhancement", MMSP 2018. Its delay of two frames is taken back."""
    out = codecs.resample(audio, rate, RATE)
    for _ in range(passes):
        out = np.stack([_denoised(channel) for channel in out])
    return codecs.fit_length(codecs.resample(out, RATE, rate), audio.shape[1])


def _denoised(channel: Audio) -> Audio:
    from pyrnnoise import rnnoise as library

    size = library.FRAME_SIZE
    padded = np.pad(channel, (0, -len(channel) % size + LATE * size))
    steps = np.clip(np.rint(padded * 32767), -32768, 32767).astype(np.int16)
    state = library.create()
    try:
        frames = [library.process_mono_frame(state, frame)[0] for frame in steps.reshape(-1, size)]
    finally:
        library.destroy(state)
    return (np.concatenate(frames)[LATE * size :][: len(channel)] / 32767).astype(np.float32)
