"""OmniSealBench's attacks on audio, as its code runs: 16 kHz, one channel.

The mean of the channels goes through 16 kHz, the rate that all its effects take for given; the result comes
back at the clip's rate in one channel, with nothing above 8 kHz. Where its code does other than its names
say, `..._as_said` does what they say.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from soundsafe.attacks import published
from soundsafe.attacks.at_rate import in_mono_at
from soundsafe.attacks.noise import make_noise
from soundsafe.attacks.packages import JULIUS, TORCHAUDIO
from soundsafe.attacks.registry import Audio, attack, unknown_delay
from soundsafe.attacks.sources import OMNISEAL
from soundsafe.attacks.torchaudio_cpu import load_torchaudio

RATE = 16000
PERCENT = (10, 20, 30, 40, 50, 60, 70, 80, 90)
TENTHS = (0.1, 0.2, 0.3, 0.4, 0.5)
KBPS = (12, 24, 32, 64, 128, 256)
_PINK_ROWS = 16


def _run(audio: Audio, rate: int, core: Callable[[Audio], Audio], *, keep_length: bool = True) -> Audio:
    return in_mono_at(audio, rate, RATE, core, keep_length=keep_length)


port = partial(attack, "omniseal", to_mono=True, source=OMNISEAL)
"""What all registrations here have in common."""


@port(
    {f"omniseal_speed_{f}": {"factor": f} for f in (0.5, 0.6, 0.7, 0.8, 0.9, 1.1, 1.2, 1.25, 1.3, 1.4, 1.5)},
    changes_length=True,
    engine="torchaudio",
    delay=unknown_delay,
    packages=(TORCHAUDIO,),
)
def omniseal_speed(audio: Audio, rate: int, rng: np.random.Generator, *, factor: float) -> Audio:
    """Played `factor` times as fast by torchaudio's Speed: pitch and length change with it."""
    return _run(audio, rate, lambda x: _sped(x, factor), keep_length=False)


def _sped(audio: Audio, factor: float) -> Audio:
    import torch

    change = load_torchaudio().transforms.Speed(orig_freq=RATE, factor=factor)
    return change(torch.from_numpy(audio))[0].numpy()


@port(
    {"omniseal_speed_julius_1.25": {"factor": 1.25}},
    changes_length=True,
    engine="julius",
    delay=unknown_delay,
    packages=(JULIUS,),
)
def omniseal_speed_julius(audio: Audio, rate: int, rng: np.random.Generator, *, factor: float) -> Audio:
    """Played `factor` times as fast by julius' resampler: pitch and length change with it."""
    return _run(audio, rate, lambda x: _resampled(x, RATE, int(RATE / factor)), keep_length=False)


def _resampled(audio: Audio, rate: int, new_rate: int) -> Audio:
    import julius
    import torch

    return julius.resample_frac(torch.from_numpy(audio[None]), rate, new_rate)[0].numpy()


@port({"omniseal_updownresample": {"hz": 32000}}, engine="julius", packages=(JULIUS,))
def omniseal_updownresample(audio: Audio, rate: int, rng: np.random.Generator, *, hz: int) -> Audio:
    """To `hz` and back. No delay, length kept."""
    return _run(audio, rate, lambda x: _resampled(_resampled(x, RATE, hz), hz, RATE))


@port(
    {f"omniseal_echo_{v}_{d}s": {"volume": v, "seconds": d} for v in TENTHS for d in TENTHS},
    differentiable=True,
)
def omniseal_echo(
    audio: Audio, rate: int, rng: np.random.Generator, *, volume: float, seconds: float
) -> Audio:
    """An echo that comes before the sound, and as much silence at the end. No delay, length kept."""
    return _run(audio, rate, lambda x: published.echo_before(x, int(RATE * seconds), volume))


@port(
    {
        f"omniseal_echo_{v}_{d}s_as_said": {"volume": v, "seconds": d}
        for v, d in ((0.1, 0.1), (0.5, 0.1), (0.3, 0.3), (0.5, 0.5))
    },
    differentiable=True,
)
def omniseal_echo_as_said(
    audio: Audio, rate: int, rng: np.random.Generator, *, volume: float, seconds: float
) -> Audio:
    """The audio delayed, attenuated and laid over itself; as loud at its peak as before. The sound itself
    keeps its place; length kept."""
    return _run(audio, rate, lambda x: published.echo_after(x, int(RATE * seconds), volume))


@port({f"omniseal_random_noise_{s}": {"std": s} for s in (0.001, 0.01, 0.05, 0.1, 0.3)}, differentiable=True)
def omniseal_random_noise(audio: Audio, rate: int, rng: np.random.Generator, *, std: float) -> Audio:
    """White noise of a standard deviation of `std`, whatever the clip's level. No delay, length kept."""
    return _run(audio, rate, lambda x: x + np.float32(std) * rng.standard_normal(x.shape).astype(np.float32))


@port(
    {f"omniseal_pink_noise_{s}": {"peak": s} for s in (0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)},
    differentiable=True,
)
def omniseal_pink_noise(audio: Audio, rate: int, rng: np.random.Generator, *, peak: float) -> Audio:
    """What it calls pink: sixteen random walks, one after the other, that is brown noise with a step between
    them; `peak` is its highest sample. No delay, length kept."""
    return _run(audio, rate, lambda x: x + np.float32(peak) * random_walks(x.shape[1], rng))


def random_walks(samples: int, rng: np.random.Generator) -> Audio:
    """`[1, samples]`: sixteen walks of equal length, the largest absolute value 1."""
    walks = np.cumsum(rng.standard_normal((_PINK_ROWS, samples // _PINK_ROWS + 1)), axis=1)
    out = walks.reshape(1, -1)[:, :samples]
    return (out / np.abs(out).max()).astype(np.float32)


@port(
    {f"omniseal_pink_noise_{s}_as_said": {"std": s} for s in (0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)},
    differentiable=True,
)
def omniseal_pink_noise_as_said(audio: Audio, rate: int, rng: np.random.Generator, *, std: float) -> Audio:
    """Pink noise of a standard deviation of `std`, which its parameter is called. No delay, length kept."""
    return _run(audio, rate, lambda x: x + np.float32(std) * make_noise((1, x.shape[1]), RATE, rng, "pink"))


@port(
    {
        f"omniseal_lowpass_{hz}Hz": {"hz": hz, "high": False}
        for hz in (500, 1000, 1500, 2000, 3000, 4000, 5000)
    }
    | {f"omniseal_highpass_{hz}Hz": {"hz": hz, "high": True} for hz in (500, 1000, 1500, 2000, 4000, 8000)},
    differentiable=True,
    engine="julius",
    packages=(JULIUS,),
)
def omniseal_pass(audio: Audio, rate: int, rng: np.random.Generator, *, hz: float, high: bool) -> Audio:
    """A windowed sinc of great steepness; a high-pass at 8 kHz leaves next to nothing. No delay, length
    kept."""
    passed = published.high_passed if high else published.low_passed
    return _run(audio, rate, lambda x: passed(x, hz / RATE))


@port(
    {"omniseal_bandpass_500-5000Hz": {"low_hz": 500, "high_hz": 5000}},
    differentiable=True,
    engine="julius",
    packages=(JULIUS,),
)
def omniseal_bandpass(
    audio: Audio, rate: int, rng: np.random.Generator, *, low_hz: float, high_hz: float
) -> Audio:
    """The difference of two windowed sincs. No delay, length kept."""

    def core(x: Audio) -> Audio:
        import julius
        import torch

        band = (low_hz / RATE, high_hz / RATE)
        return julius.bandpass_filter(torch.from_numpy(x[None]), *band)[0].numpy()

    return _run(audio, rate, core)


@port(
    {f"omniseal_smooth_{n}": {"window": n} for n in (2, 4, 8, 10, 20, 40)},
    differentiable=True,
    delay=lambda rate, channels, *, window: -round((window - 1) / 2 * rate / RATE),
)
def omniseal_smooth(audio: Audio, rate: int, rng: np.random.Generator, *, window: int) -> Audio:
    """The mean of `window` samples of 16 kHz. Earlier by half of that; length kept."""
    return _run(audio, rate, lambda x: published.smoothed(x, window))


@port(
    {f"omniseal_boost_{p}%": {"percent": p} for p in PERCENT}
    | {f"omniseal_duck_{p}%": {"percent": -p} for p in PERCENT},
    differentiable=True,
)
def omniseal_gain(audio: Audio, rate: int, rng: np.random.Generator, *, percent: float) -> Audio:
    """Louder by `percent`, quieter where negative. No delay, length kept."""
    return _run(audio, rate, lambda x: x * np.float32(1 + percent / 100))


@port({f"omniseal_shush_{s}": {"share": s} for s in (0.001, 0.01, 0.1, 0.3)}, differentiable=True)
def omniseal_shush(audio: Audio, rate: int, rng: np.random.Generator, *, share: float) -> Audio:
    """The first `share` of the clip set to zero. No delay, length kept."""

    def core(x: Audio) -> Audio:
        out = x.copy()
        out[:, : int(share * x.shape[1])] = 0
        return out

    return _run(audio, rate, core)


@port(
    {f"omniseal_aac_{k}": {"kbps": k} for k in KBPS},
    engine="FFmpeg aac (PyAV)",
    delay=lambda rate, channels, *, kbps: round(1024 * rate / RATE),
)
def omniseal_aac(audio: Audio, rate: int, rng: np.random.Generator, *, kbps: int) -> Audio:
    """AAC in ADTS: later by the encoder's 1024 samples of 16 kHz, cut at the clip's length."""
    return _run(audio, rate, lambda x: published.cut_or_padded(
        published.aac(x, RATE, 1000 * kbps), x.shape[1]
    ))  # fmt: skip


@port(
    {"omniseal_mp3": {"bits_per_s": 32}}
    | {f"omniseal_mp3_{k}_as_said": {"bits_per_s": 1000 * k} for k in KBPS if k <= 160},
    engine="LAME (PyAV)",
)
def omniseal_mp3(audio: Audio, rate: int, rng: np.random.Generator, *, bits_per_s: int) -> Audio:
    """MP3 at 16 kHz, its delay removed by the decoder. Length kept.

    Its code asks for 12 to 256 bit/s, not kbit/s, for which LAME takes its own default: six names, one file.
    """
    return _run(audio, rate, lambda x: published.cut_or_padded(
        published.mp3_aligned(x, RATE, bits_per_s), x.shape[1]
    ))  # fmt: skip
