"""Effects of torchaudio, as its functions and transforms have them.

Its recursive filters (biquads, phaser, flanger, overdrive) are left out: beside a torch without CUDA they run
sample by sample in Python, some three seconds for each second of sound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from soundsafe import codecs
from soundsafe.attacks.packages import TORCHAUDIO
from soundsafe.attacks.registry import Audio, attack, unknown_delay
from soundsafe.attacks.sources import TORCHAUDIO_SOURCE
from soundsafe.attacks.torchaudio_cpu import load_torchaudio

_FRAME, _HOP = 2048, 512


@attack(
    "torchaudio",
    {f"torchaudio_speed_{p:+d}%": {"percent": p} for p in (1, -1, 5, -5, 10, -10)},
    changes_length=True,
    engine="torchaudio",
    delay=unknown_delay,
    packages=(TORCHAUDIO,),
    source=TORCHAUDIO_SOURCE,
)
def torchaudio_speed(audio: Audio, rate: int, rng: np.random.Generator, *, percent: int) -> Audio:
    """Faster by `percent`, pitch and length with it, by its resampler (windowed sinc)."""
    import torch

    resample = load_torchaudio().functional.resample
    return np.asarray(resample(torch.from_numpy(audio.copy()), 100 + percent, 100).numpy())


@attack(
    "torchaudio",
    {f"torchaudio_contrast_{n}": {"amount": n} for n in (25, 50, 75, 100)},
    differentiable=True,
    engine="torchaudio",
    packages=(TORCHAUDIO,),
    source=TORCHAUDIO_SOURCE,
)
def torchaudio_contrast(audio: Audio, rate: int, rng: np.random.Generator, *, amount: float) -> Audio:
    """Each sample bent by a sine, which sounds louder and fuller. No delay, length kept."""
    import torch

    return np.asarray(load_torchaudio().functional.contrast(torch.from_numpy(audio.copy()), amount).numpy())


@attack(
    "torchaudio",
    {f"torchaudio_mulaw_{n}": {"levels": n} for n in (256, 64, 16)},
    engine="torchaudio",
    packages=(TORCHAUDIO,),
    source=TORCHAUDIO_SOURCE,
)
def torchaudio_mulaw(audio: Audio, rate: int, rng: np.random.Generator, *, levels: int) -> Audio:
    """Companded by the mu-law, rounded to `levels`, and back; clipped at full scale. No delay, length
    kept."""
    import torch

    functional = load_torchaudio().functional
    codes = functional.mu_law_encoding(torch.from_numpy(np.clip(audio, -1, 1)), levels)
    return np.asarray(functional.mu_law_decoding(codes, levels).numpy())


@attack(
    "torchaudio",
    {f"torchaudio_freq_mask_{p}%": {"axis": 1, "percent": p} for p in (2, 5, 15)}
    | {f"torchaudio_time_mask_{p}%": {"axis": 2, "percent": p} for p in (2, 5, 15)},
    engine="torchaudio",
    packages=(TORCHAUDIO,),
    source=TORCHAUDIO_SOURCE,
)
def torchaudio_mask(audio: Audio, rate: int, rng: np.random.Generator, *, axis: int, percent: float) -> Audio:
    """SpecAugment: one stripe of the spectrogram, up to `percent` of its frequencies or frames, set to zero,
    its width and place drawn by lot, the same in all channels. No delay, length kept."""

    def masked(spectrum: Any) -> Any:
        import torch

        widest = max(1, int(percent / 100 * spectrum.shape[axis]))
        ones = torch.ones((1, *spectrum.shape[1:]))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(0, 2**31)))
            return spectrum * load_torchaudio().functional.mask_along_axis(ones, widest, 0.0, axis)

    return _through_spectrum(audio, masked)


@attack(
    "torchaudio",
    {f"torchaudio_griffinlim_{n}": {"rounds": n} for n in (8, 32)},
    engine="torchaudio",
    delay=unknown_delay,
    packages=(TORCHAUDIO,),
    source=TORCHAUDIO_SOURCE,
)
def torchaudio_griffinlim(audio: Audio, rate: int, rng: np.random.Generator, *, rounds: int) -> Audio:
    """All phases thrown away and found anew from the magnitudes (Griffin and Lim), from random ones on.
    Length kept; the sound keeps its place to within a frame."""
    import torch

    window = torch.hann_window(_FRAME)
    source = torch.from_numpy(codecs.fit_length(audio, max(audio.shape[1], _FRAME)))
    magnitude = torch.stft(source, _FRAME, _HOP, window=window, return_complex=True).abs()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(0, 2**31)))
        out = load_torchaudio().functional.griffinlim(
            magnitude, window, _FRAME, _HOP, _FRAME, 1.0, rounds, 0.99, source.shape[1], True
        )
    return codecs.fit_length(out.numpy(), audio.shape[1])


def _through_spectrum(audio: Audio, change: Callable[[Any], Any]) -> Audio:
    import torch

    window = torch.hann_window(_FRAME)
    source = torch.from_numpy(codecs.fit_length(audio, max(audio.shape[1], _FRAME)))
    spectrum = change(torch.stft(source, _FRAME, _HOP, window=window, return_complex=True))
    out = torch.istft(spectrum, _FRAME, _HOP, window=window, length=source.shape[1])
    return codecs.fit_length(out.numpy(), audio.shape[1])
