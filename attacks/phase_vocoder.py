"""Tempo and pitch by the plain phase vocoder, torchaudio's: each bin's phase runs on by itself.

Flanagan and Golden, "Phase vocoder", Bell Syst. Tech. J. 45(9), 1966, in the form that has been in textbooks
since Dolson, "The phase vocoder: a tutorial", Computer Music Journal 10(4), 1986: frames of 2048 samples, a
quarter of that from frame to frame, magnitudes between two frames interpolated. Bins of one sound lose each
other, which smears what is sharp; `rubberband` and `signalsmith` keep them together. Toolboxes for machine
learning stretch like this.
"""

from __future__ import annotations

import math

import numpy as np

from soundsafe import codecs
from soundsafe.attacks.packages import TORCHAUDIO
from soundsafe.attacks.registry import Audio, attack, unknown_delay
from soundsafe.attacks.sources import TORCHAUDIO_SOURCE
from soundsafe.attacks.speed import change_speed
from soundsafe.attacks.torchaudio_cpu import load_torchaudio

PERCENT = (1, -1, 2, -2, 5, -5)
WIDE_PERCENT = (10, -10, 25, 50, -30)


_FRAME, _HOP = 2048, 512


@attack(
    "tempo",
    {f"tempo_vocoder_{p:+d}%": {"percent": p} for p in (*PERCENT, *WIDE_PERCENT)},
    changes_length=True,
    engine="torchaudio",
    delay=unknown_delay,
    packages=(TORCHAUDIO,),
    source=TORCHAUDIO_SOURCE,
)
def tempo_vocoder(audio: Audio, rate: int, rng: np.random.Generator, *, percent: float) -> Audio:
    """Faster by `percent`, at the same pitch; the length changes with the tempo."""
    return stretched(audio, 1 + percent / 100)


@attack(
    "pitch",
    {f"pitch_vocoder_{p:+d}%": {"factor": 1 + p / 100} for p in PERCENT},
    engine="torchaudio",
    packages=(TORCHAUDIO,),
    source=TORCHAUDIO_SOURCE,
)
def pitch_vocoder(audio: Audio, rate: int, rng: np.random.Generator, *, factor: float) -> Audio:
    """All frequencies times `factor`, at the same tempo. No delay, length kept."""
    return codecs.fit_length(change_speed(stretched(audio, 1 / factor), factor), audio.shape[1])


def stretched(audio: Audio, tempo: float) -> Audio:
    """`audio` played `tempo` times as fast at the same pitch; round(samples / tempo) samples.

    Audio shorter than half a frame is padded with silence for the transform.
    """
    import torch

    samples = audio.shape[1]
    window = torch.hann_window(_FRAME)
    source = torch.from_numpy(np.pad(audio, ((0, 0), (0, max(0, _FRAME - samples)))))
    # Silence before and behind: bins run on from the phases of the first frame, and those of a mirror image
    # would be none of the sound's.
    spectrum = torch.stft(source, _FRAME, _HOP, window=window, pad_mode="constant", return_complex=True)
    advance = torch.linspace(0, math.pi * _HOP, _FRAME // 2 + 1)[:, None]
    moved = load_torchaudio().functional.phase_vocoder(spectrum, tempo, advance)
    out = torch.istft(moved, _FRAME, _HOP, window=window, length=round(source.shape[1] / tempo))
    return out[:, : max(1, round(samples / tempo))].numpy()
