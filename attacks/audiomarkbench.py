"""AudioMarkBench's perturbations without a model, as its code runs: 16 kHz, one channel.

Liu, Guo, Jiang, Wang, Gong, "AudioMarkBench: benchmarking robustness of audio watermarking" (NeurIPS 2024).
The mean of the channels goes through 16 kHz; the result comes back at the clip's rate in one channel, with
nothing above 8 kHz.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from soundsafe import codecs
from soundsafe.attacks import published
from soundsafe.attacks.at_rate import in_mono_at
from soundsafe.attacks.folders import NOISES
from soundsafe.attacks.packages import JULIUS, LIBROSA
from soundsafe.attacks.rawbench import added
from soundsafe.attacks.registry import Audio, attack, unknown_delay
from soundsafe.attacks.sources import AUDIOMARKBENCH

RATE = 16000


def _run(audio: Audio, rate: int, core: Callable[[Audio], Audio]) -> Audio:
    return in_mono_at(audio, rate, RATE, core)


port = partial(attack, "audiomarkbench", to_mono=True, source=AUDIOMARKBENCH)
"""What all registrations here have in common."""


@port(
    {f"audiomarkbench_time_stretch_{r}": {"tempo": r} for r in (0.7, 0.9, 1.1, 1.3, 1.5)},
    engine="librosa",
    delay=unknown_delay,
    packages=(LIBROSA,),
)
def audiomarkbench_time_stretch(audio: Audio, rate: int, rng: np.random.Generator, *, tempo: float) -> Audio:
    """librosa's phase vocoder, then cut or padded with silence to the clip's length."""
    return _run(
        audio, rate, lambda x: published.cut_or_padded(published.librosa_stretched(x, tempo), x.shape[1])
    )


@port({f"audiomarkbench_gaussian_noise_{snr}dB": {"snr_db": snr} for snr in (40, 30, 20, 10, 5)})
def audiomarkbench_gaussian_noise(
    audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float
) -> Audio:
    """White noise whose expected power is `snr_db` below the clip's. No delay, length kept."""

    def core(x: Audio) -> Audio:
        power = np.mean(x.astype(np.float64) ** 2) / 10 ** (snr_db / 10)
        return x + np.float32(np.sqrt(power)) * rng.standard_normal(x.shape).astype(np.float32)

    return _run(audio, rate, core)


@port(
    {f"audiomarkbench_background_noise_{snr}dB": {"snr_db": snr} for snr in (40, 30, 20, 10, 5)},
    folder=NOISES,
)
def audiomarkbench_background_noise(
    audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float
) -> Audio:
    """A recorded noise, repeated where it is too short. No delay, length kept.

    Its code reads a file of 8 kHz as if it were of 16 kHz; here recordings are brought to 16 kHz.
    """

    def core(x: Audio) -> Audio:
        recorded, its_rate = NOISES.sound(int(rng.integers(len(NOISES.recordings()))))
        noise = codecs.resample(recorded[:1], its_rate, RATE)
        times = -(-x.shape[1] // noise.shape[1])
        return added(x, np.tile(noise, times)[:, : x.shape[1]], snr_db)

    return _run(audio, rate, core)


@port({f"audiomarkbench_quantization_{n}": {"levels": n} for n in (4, 8, 16, 32, 64)})
def audiomarkbench_quantization(audio: Audio, rate: int, rng: np.random.Generator, *, levels: int) -> Audio:
    """Rounded to `levels` between the clip's lowest and highest sample. No delay, length kept."""

    def core(x: Audio) -> Audio:
        low, high = x.min(), x.max()
        if high == low:
            return x
        steps = np.float32(levels - 1)
        return np.rint((x - low) / (high - low) * steps) / steps * (high - low) + low

    return _run(audio, rate, core)


@port(
    {f"audiomarkbench_opus_{k}": {"kbps": k} for k in (1, 2, 4, 8, 16, 31)}
    | {f"audiomarkbench_opus_{16 * k}_as_said": {"kbps": 16 * k} for k in (1, 2, 4, 8, 16)},
    engine="libopus (PyAV)",
)
def audiomarkbench_opus(audio: Audio, rate: int, rng: np.random.Generator, *, kbps: int) -> Audio:
    """Opus at complexity 1. Its names say 16 times the rate (`as_said`), its code asks for this one. No
    delay, length kept.

    libopus refuses under 500 bit/s, and gives more than it is asked for at the lowest rates.
    """
    return _run(
        audio, rate, lambda x: published.cut_or_padded(opus_round_trip(x, RATE, 1000 * kbps, 1), x.shape[1])
    )


def opus_round_trip(audio: Audio, rate: int, bits_per_s: int, complexity: int) -> Audio:
    """One channel through Opus in Ogg; `rate` is one that Opus takes (8, 12, 16, 24 or 48 kHz). No delay."""
    options = {"compression_level": str(complexity)}
    data = codecs.ffmpeg_encode(audio, rate, "libopus", "ogg", "flt", bits_per_s, options)
    return codecs.resample(codecs.ffmpeg_decode(data, "ogg")[0], 48000, rate)


@port(
    {f"audiomarkbench_lowpass_{s}": {"share": s, "high": False} for s in (0.1, 0.2, 0.3, 0.4, 0.5)}
    | {f"audiomarkbench_highpass_{s}": {"share": s, "high": True} for s in (0.1, 0.2, 0.3, 0.4, 0.5)},
    differentiable=True,
    engine="julius",
    packages=(JULIUS,),
)
def audiomarkbench_pass(
    audio: Audio, rate: int, rng: np.random.Generator, *, share: float, high: bool
) -> Audio:
    """A windowed sinc at `share` of 16 kHz (0.5 is 8 kHz: a high-pass then leaves next to nothing). No delay,
    length kept."""
    passed = published.high_passed if high else published.low_passed
    return _run(audio, rate, lambda x: passed(x, share))


@port(
    {f"audiomarkbench_smooth_{n}": {"window": n} for n in (6, 10, 14, 18, 22)},
    differentiable=True,
    delay=lambda rate, channels, *, window: -round((window - 1) / 2 * rate / RATE),
)
def audiomarkbench_smooth(audio: Audio, rate: int, rng: np.random.Generator, *, window: int) -> Audio:
    """The mean of `window` samples of 16 kHz. Earlier by half of that; length kept."""
    return _run(audio, rate, lambda x: published.smoothed(x, window))


@port({f"audiomarkbench_echo_{s}s": {"seconds": s} for s in (0.1, 0.3, 0.5, 0.7, 0.9)}, differentiable=True)
def audiomarkbench_echo(audio: Audio, rate: int, rng: np.random.Generator, *, seconds: float) -> Audio:
    """An echo at 0.4 that comes `seconds` before the sound, and as much silence at the end. No delay, length
    kept."""
    distance = int(np.float32(RATE) * np.float32(seconds))
    return _run(audio, rate, lambda x: published.echo_before(x, distance, 0.4))


@port(
    {f"audiomarkbench_echo_{s}s_as_said": {"seconds": s} for s in (0.1, 0.3, 0.5, 0.7, 0.9)},
    differentiable=True,
)
def audiomarkbench_echo_as_said(
    audio: Audio, rate: int, rng: np.random.Generator, *, seconds: float
) -> Audio:
    """The audio delayed by `seconds`, attenuated to 0.4 and laid over itself. The sound itself keeps its
    place; length kept."""
    return _run(audio, rate, lambda x: published.echo_after(x, int(RATE * seconds), 0.4))


@port({f"audiomarkbench_mp3_{k}": {"kbps": k} for k in (8, 16, 24, 32, 40)}, engine="LAME (PyAV)")
def audiomarkbench_mp3(audio: Audio, rate: int, rng: np.random.Generator, *, kbps: int) -> Audio:
    """MP3 of 16 bits at 16 kHz, its delay removed by the decoder. Length kept."""

    def core(x: Audio) -> Audio:
        louder = max(1.0, float(np.abs(x).max(initial=0.0)))
        pcm = (x / np.float32(louder) * np.float32(32767)).astype(np.int16)
        coded = published.mp3_aligned((pcm / np.float32(32768)).astype(np.float32), RATE, 1000 * kbps)
        return published.cut_or_padded(coded * np.float32(louder), x.shape[1])

    return _run(audio, rate, core)
