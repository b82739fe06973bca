"""Tempo and pitch by the plain phase vocoder: each bin's phase runs on by itself.

Flanagan and Golden, "Phase vocoder", Bell Syst. Tech. J. 45(9), 1966, in the form that has been in textbooks
since Dolson, "The phase vocoder: a tutorial", Computer Music Journal 10(4), 1986: frames of 2048 samples, a
quarter of that from frame to frame, magnitudes between two frames interpolated. Bins of one sound lose each
other, which smears what is sharp; `rubberband` and `signalsmith` keep them together. Toolboxes for machine
learning stretch like this.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from soundsafe import codecs
from soundsafe.attacks.registry import Audio, attack, unknown_delay
from soundsafe.attacks.speed import change_speed

if TYPE_CHECKING:
    import torch

    from soundsafe.stft import Stft

PERCENT = (1, -1, 2, -2, 5, -5)
WIDE_PERCENT = (10, -10, 25, 50, -30)


@cache
def _grid() -> Stft:
    from soundsafe.stft import Stft

    return Stft(2048, 512)


@attack(
    "tempo",
    {f"tempo_vocoder_{p:+d}%": {"percent": p} for p in (*PERCENT, *WIDE_PERCENT)},
    changes_length=True,
    delay=unknown_delay,
)
def tempo_vocoder(audio: Audio, rate: int, rng: np.random.Generator, *, percent: float) -> Audio:
    """Faster by `percent`, at the same pitch."""
    return stretched(audio, 1 + percent / 100)


@attack("pitch", {f"pitch_vocoder_{p:+d}%": {"factor": 1 + p / 100} for p in PERCENT})
def pitch_vocoder(audio: Audio, rate: int, rng: np.random.Generator, *, factor: float) -> Audio:
    """All frequencies times `factor`, at the same tempo."""
    return codecs.fit_length(change_speed(stretched(audio, 1 / factor), factor), audio.shape[1])


def stretched(audio: Audio, tempo: float) -> Audio:
    """`audio` played `tempo` times as fast at the same pitch; round(samples / tempo) samples."""
    import torch

    spectrum = _spectrum(audio)
    length = max(1, round(audio.shape[1] / tempo))
    frames = _grid().frames(length)
    spectrum = torch.nn.functional.pad(spectrum, (0, 2))
    at = torch.arange(frames, dtype=torch.float64) * tempo
    first = at.floor().long().clamp(max=spectrum.shape[-1] - 2)
    part = (at - first).clamp(0.0, 1.0).float()
    before, after = spectrum[..., first], spectrum[..., first + 1]
    magnitude = (1.0 - part) * before.abs() + part * after.abs()
    turn = (
        2.0 * math.pi * _grid().hop / _grid().n_fft * torch.arange(_grid().bins, dtype=torch.float64)[:, None]
    )
    off = (after.angle() - before.angle()).double() - turn
    advance = turn + off - 2.0 * math.pi * torch.round(off / (2.0 * math.pi))
    phase = torch.cumsum(advance, dim=-1) - advance + spectrum[..., :1].angle()
    return _grid().inverse(torch.polar(magnitude, phase.float()), length).numpy()


def _spectrum(audio: Audio) -> torch.Tensor:
    """With silence before and behind: bins run on from the phases of the first frame, and those of a mirror
    image would be none of the sound's."""
    import torch

    if not _grid().centred(audio.shape[1]):
        return _grid().forward(audio)
    edge = _grid().n_fft // 2
    return torch.stft(
        torch.from_numpy(np.pad(audio, ((0, 0), (edge, edge)))), _grid().n_fft, _grid().hop,
        window=torch.hann_window(_grid().n_fft), center=False, return_complex=True,
    )  # fmt: skip
