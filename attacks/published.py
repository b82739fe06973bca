"""What several published benchmarks have in common: steps that their attacks are made of.

All take and return float32 `[1, samples]`, at whatever rate their benchmark runs at.
"""

from __future__ import annotations

import numpy as np

from soundsafe import codecs
from soundsafe.attacks.registry import Audio

__all__ = [
    "aac",
    "cut_or_padded",
    "echo_after",
    "echo_before",
    "high_passed",
    "librosa_stretched",
    "low_passed",
    "mp3_aligned",
    "smoothed",
]


def cut_or_padded(audio: Audio, samples: int) -> Audio:
    """`audio` with exactly `samples`, cut or filled with silence at its end."""
    return codecs.fit_length(audio, samples)


def librosa_stretched(audio: Audio, tempo: float) -> Audio:
    """`audio` played `tempo` times as fast by librosa's phase vocoder; the length changes with it."""
    import librosa

    return np.asarray(librosa.effects.time_stretch(audio, rate=tempo), dtype=np.float32)


def low_passed(audio: Audio, share: float) -> Audio:
    """Julius' windowed sinc of great steepness; `share`: cutoff over the rate, at most 0.5. No delay."""
    import julius
    import torch

    return julius.lowpass_filter(torch.from_numpy(audio[None]), cutoff=share)[0].numpy()


def high_passed(audio: Audio, share: float) -> Audio:
    """What `low_passed` takes away."""
    import julius
    import torch

    return julius.highpass_filter(torch.from_numpy(audio[None]), cutoff=share)[0].numpy()


def smoothed(audio: Audio, window: int) -> Audio:
    """Each sample becomes the mean of itself and those after it, `window` in all; the last ones silence.

    The content comes (window - 1) / 2 samples earlier.
    """
    samples = audio.shape[1]
    if samples < window:
        return np.zeros_like(audio)
    sums = np.cumsum(np.pad(audio.astype(np.float64), ((0, 0), (1, 0))), axis=1)
    means = (sums[:, window:] - sums[:, :-window]) / window
    return cut_or_padded(means.astype(np.float32), samples)


def echo_before(audio: Audio, distance: int, volume: float) -> Audio:
    """An echo that comes `distance` - 1 samples before the sound; as loud at its peak as before.

    The last `distance` - 1 samples are silence: the convolution is only taken where both overlap.
    """
    samples = audio.shape[1]
    kept = samples - distance + 1
    if kept <= 0 or distance < 2:
        return audio
    out = audio[:, :kept] + np.float32(volume) * audio[:, distance - 1 :]
    peak = np.abs(out).max()
    if peak > 0:
        out = out / peak * np.abs(audio).max()
    return cut_or_padded(out.astype(np.float32), samples)


def echo_after(audio: Audio, distance: int, volume: float) -> Audio:
    """An echo `distance` samples after the sound, which keeps its place; as loud at its peak as before."""
    late = np.pad(audio, ((0, 0), (distance, 0)))[:, : audio.shape[1]]
    out = audio + np.float32(volume) * late
    peak = float(np.abs(out).max(initial=0.0))
    return out * np.float32(np.abs(audio).max() / peak) if peak > 0 else out


def mp3_aligned(audio: Audio, rate: int, bits_per_s: int, quality: float | None = None) -> Audio:
    """MP3 as FFmpeg's program writes it, read by a decoder that removes the delay; mono.

    Args:
        audio: float32 `[1, samples]`.
        rate: one that MP3 has (8,000 to 48,000).
        bits_per_s: constant bit rate; below 1000 LAME takes its own default.
        quality: FFmpeg's `-q:a` instead, 0 (best) to 9.

    Returns:
        As many samples as the decoder gives, at `rate`.
    """
    return _through_av(audio, rate, "libmp3lame", "mp3", bits_per_s, quality)


def aac(audio: Audio, rate: int, bits_per_s: int) -> Audio:
    """AAC-LC in ADTS, with the 1024 samples that the encoder puts before the sound."""
    return _through_av(audio, rate, "aac", "adts", bits_per_s, None)


_LAMBDA = 118  # FFmpeg's FF_QP2LAMBDA: its qualities are in these steps


def _through_av(
    audio: Audio,
    rate: int,
    codec: str,
    container: str,
    bits_per_s: int,
    quality: float | None,
) -> Audio:
    by_quality = (
        None if quality is None else {"flags": "+qscale", "global_quality": str(round(quality * _LAMBDA))}
    )
    rate_asked = bits_per_s if quality is None else None
    data = codecs.ffmpeg_encode(audio, rate, codec, container, "fltp", rate_asked, by_quality)
    return codecs.ffmpeg_decode(data, {"adts": "aac"}.get(container, container))[0]
