"""What studios, stations and disc jockeys do to finished audio.

No delay and the length kept, unless an attack says otherwise.
"""

from __future__ import annotations

import numpy as np

from soundsafe import codecs
from soundsafe.attacks.dynamics import compressor, multiband
from soundsafe.attacks.filtering import highpass
from soundsafe.attacks.limiter import limit
from soundsafe.attacks.packages import LIBROSA
from soundsafe.attacks.registry import Audio, attack, unknown_delay
from soundsafe.attacks.speed import change_speed

_OVER = 4


@attack(
    "true_peak",
    {
        f"true_peak_{c}dBTP_drive_{d}dB": {"ceiling_db": c, "drive_db": d}
        for c, d in ((-1, 0), (-1, 6), (-2, 6), (-1, 12))
    },
    differentiable=True,
)
def true_peak(
    audio: Audio, rate: int, rng: np.random.Generator, *, ceiling_db: float, drive_db: float
) -> Audio:
    """A limiter that counts what lies between the samples: four times the rate, `drive_db` of gain into a
    ceiling of `ceiling_db`."""
    fine = codecs.resample(audio * np.float32(10 ** (drive_db / 20)), rate, _OVER * rate)
    limited = limit(fine, _OVER * rate, 10 ** (ceiling_db / 20))
    return codecs.fit_length(codecs.resample(limited, _OVER * rate, rate), audio.shape[1])


@attack(
    "broadcast",
    {
        "broadcast_light": {"target_db": -23, "threshold_db": -24, "ratio": 2, "drive_db": 3},
        "broadcast_fm": {"target_db": -16, "threshold_db": -27, "ratio": 3, "drive_db": 6},
        "broadcast_loud": {"target_db": -12, "threshold_db": -30, "ratio": 4, "drive_db": 9},
    },
    differentiable=True,
)
def broadcast(
    audio: Audio,
    rate: int,
    rng: np.random.Generator,
    *,
    target_db: float,
    threshold_db: float,
    ratio: float,
    drive_db: float,
) -> Audio:
    """A station's chain: gain control towards `target_db` within seconds, three bands compressed apart, gain,
    and a limiter."""
    out = highpass(controlled(audio, rate, target_db), rate, rng, cutoff_hz=30)
    out = multiband(out, rate, rng, threshold_db=threshold_db, ratio=ratio)
    return limit(out * np.float32(10 ** (drive_db / 20)), rate, 10 ** (-1 / 20))


def controlled(audio: Audio, rate: int, target_db: float, seconds: float = 1.0) -> Audio:
    """`audio` under a gain that brings its level over `seconds` to `target_db`, by 12 dB at most.

    Args:
        audio: float32 `[channels, samples]`.
        rate: samples per second.
        target_db: RMS in dBFS.
        seconds: what the level is taken over.
    """
    from scipy.ndimage import uniform_filter1d

    block = max(1, round(0.01 * rate))
    samples = audio.shape[1]
    power = np.mean(audio.astype(np.float64) ** 2, axis=0)
    blocks = np.add.reduceat(power, np.arange(0, samples, block)) / block
    level = uniform_filter1d(blocks, max(1, round(seconds * rate / block)), mode="nearest")
    gain = np.clip(target_db - 10 * np.log10(np.maximum(level, 1e-7)), -12, 12)
    places = (np.arange(len(gain)) + 0.5) * block
    return (audio * 10 ** (np.interp(np.arange(samples), places, gain) / 20)).astype(np.float32)


@attack(
    "dj",
    {f"dj_fader_{p:+d}%": {"percents": [p]} for p in (4, -4, 8, -8)}
    | {f"dj_ride_{p:+d}%": {"percents": [0, p / 2, p, p / 2, 0]} for p in (4, -4, 8, -8)},
    changes_length=True,
    differentiable=True,
    engine="soxr",
    delay=unknown_delay,
)
def dj(audio: Audio, rate: int, rng: np.random.Generator, *, percents: list[float]) -> Audio:
    """A turntable's pitch fader: as many parts as `percents`, each that much faster and higher."""
    edges = np.linspace(0, audio.shape[1], len(percents) + 1).astype(int)
    parts = [
        change_speed(audio[:, a:b], 1 + p / 100) if p else audio[:, a:b]
        for a, b, p in zip(edges[:-1], edges[1:], percents, strict=True)
    ]
    return np.concatenate(parts, axis=1)


@attack(
    "stems",
    {f"stems_{part}": {"part": part} for part in ("harmonic", "percussive")}
    | {"stems_centre_removed": {"part": "sides"}},
    engine="librosa",
    packages=(LIBROSA,),
)
def stems(audio: Audio, rate: int, rng: np.random.Generator, *, part: str) -> Audio:
    """One part of the sound alone: what lasts, what beats (medians of the spectrogram in time and frequency),
    or what differs from the mean of the first two channels."""
    if part == "sides":
        return audio - audio[:2].mean(axis=0, keepdims=True) if len(audio) > 1 else audio
    import librosa

    split = librosa.effects.harmonic if part == "harmonic" else librosa.effects.percussive
    return np.stack([codecs.fit_length(split(c)[None], audio.shape[1])[0] for c in audio])


@attack(
    "silence",
    {f"silence_trimmed_{db}dB": {"below_peak_db": -db} for db in (-60, -40, -30)},
    changes_length=True,
    differentiable=True,
    delay=unknown_delay,
)
def trim_silence(audio: Audio, rate: int, rng: np.random.Generator, *, below_peak_db: float) -> Audio:
    """Pauses taken out: blocks of 10 ms that stay that far below the clip's peak, where they last 0.1 s or
    more. At least a tenth of a second is left."""
    block = max(1, round(0.01 * rate))
    count = -(-audio.shape[1] // block)
    size = np.abs(np.pad(audio, ((0, 0), (0, count * block - audio.shape[1])))).max(axis=0)
    peaks = size.reshape(count, block).max(axis=1)
    loud = peaks > peaks.max(initial=0.0) * 10 ** (-below_peak_db / 20)
    near = np.convolve(loud, np.ones(11), mode="same") > 0
    kept = np.repeat(near, block)[: audio.shape[1]]
    return audio[:, kept] if kept.sum() >= rate // 10 else audio


@attack(
    "crossfade",
    {f"crossfade_{s}s": {"seconds": s} for s in (0.05, 0.25, 0.5)},
    changes_length=True,
    differentiable=True,
    delay=unknown_delay,
)
def crossfade(audio: Audio, rate: int, rng: np.random.Generator, *, seconds: float) -> Audio:
    """A cut through the middle, its two halves faded into each other over `seconds`, by which the clip
    becomes shorter."""
    samples = audio.shape[1]
    length = min(round(seconds * rate), samples // 2)
    middle = samples // 2
    rise = np.sin(np.linspace(0, np.pi / 2, length)).astype(np.float32)
    first, second = audio[:, :middle], audio[:, middle:]
    both = first[:, middle - length :] * rise[::-1] + second[:, :length] * rise
    return np.concatenate([first[:, : middle - length], both, second[:, length:]], axis=1)


@attack(
    "master",
    {
        "master_streaming": {"threshold_db": -18, "drive_db": 4},
        "master_club": {"threshold_db": -24, "drive_db": 9},
    },
    differentiable=True,
)
def master(
    audio: Audio, rate: int, rng: np.random.Generator, *, threshold_db: float, drive_db: float
) -> Audio:
    """A mastering chain: high-pass, compressor 2 to 1, gain, true-peak limiter."""
    out = compressor(highpass(audio, rate, rng, cutoff_hz=30), rate, rng, ratio=2, threshold_db=threshold_db)
    return true_peak(out, rate, rng, ceiling_db=-1, drive_db=drive_db)
