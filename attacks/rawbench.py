"""RAW-Bench, attack by attack, as its code runs: 44.1 kHz, one channel, each clip first set to one level.

Özer et al., "A comprehensive real-world assessment of audio watermarking algorithms" (Interspeech 2025). The
mean of the channels is set to the level that the benchmark sets every clip to (-25.5 dBFS), attacked, and
made quieter where it then passes full scale, but for gains. The result stays at that level and in one
channel. The length is kept. Where the code does other than its text says, `..._as_said` does what that says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from soundsafe import codecs
from soundsafe.attacks import published
from soundsafe.attacks.at_rate import in_mono_at
from soundsafe.attacks.folders import NOISES, ROOMS, Folder
from soundsafe.attacks.packages import LIBROSA
from soundsafe.attacks.registry import Audio, attack, unknown_delay
from soundsafe.attacks.sources import RAWBENCH

RATE = 44100
MEAN_POWER = 0.002837200844477648
"""Of every clip, as the benchmark sets it: the mean of a corpus of speech."""

Core = Callable[[Audio], Audio]

BARK_HZ = (
    50, 150, 250, 350, 450, 570, 700, 840, 1000, 1170, 1370, 1600, 1850, 2150, 2500, 2900, 3400, 4000, 4800,
    5800, 7000, 8500, 10500, 13500,
)  # fmt: skip
BARK_WIDTH_HZ = (
    133.3, 160.0, 171.4, 177.8, 214.7, 235.9, 256.7, 294.4, 315.5, 370.8, 426.9, 466.2, 558.1, 651.0, 744.8,
    926.5, 1110.0, 1467.0, 1828.0, 2194.0, 2735.0, 3619.0, 5333.0, 6000.0,
)  # fmt: skip
"""Of a graphic equaliser's bells: Liski and Välimäki, "The quest for the best graphic equalizer" (2017)."""

_ATTACK_S, _RELEASE_S = 0.005, 0.05
_REVERB_S = 0.5
_EQ_TAPS = 4000


def at_level(audio: Audio) -> Audio:
    """`audio` at the benchmark's mean power; silence stays silence."""
    power = float(np.mean(audio.astype(np.float64) ** 2))
    return audio * np.float32(math.sqrt(MEAN_POWER / power)) if power > 0 else audio


def _run(audio: Audio, rate: int, core: Core, *, may_pass_full_scale: bool = False) -> Audio:
    def levelled(mixed: Audio) -> Audio:
        out = core(at_level(mixed))
        peak = float(np.abs(out).max(initial=0.0))
        return out / np.float32(peak) if peak > 1 and not may_pass_full_scale else out

    return in_mono_at(audio, rate, RATE, levelled)


def added(audio: Audio, noise: Audio, snr_db: float) -> Audio:
    """`noise` scaled to `snr_db` below `audio`, by the energies of the whole clips, and added."""
    own, its = (float(np.sum(x.astype(np.float64) ** 2)) for x in (audio, noise))
    if own == 0 or its == 0:
        return audio
    return audio + np.float32(math.sqrt(own / its) * 10 ** (-snr_db / 20)) * noise


port = partial(attack, "rawbench", to_mono=True, source=RAWBENCH)
"""What all registrations here have in common."""


@port({f"rawbench_gaussian_noise_{snr}dB": {"snr_db": snr} for snr in (20, 30, 40, 50, 60)})
def rawbench_gaussian_noise(audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float) -> Audio:
    """White Gaussian noise at a signal-to-noise ratio. No delay, length kept."""
    return _run(audio, rate, lambda x: added(x, rng.standard_normal(x.shape).astype(np.float32), snr_db))


def _recorded(folder: Folder, rng: np.random.Generator) -> Audio:
    """One channel of one of the recordings, drawn by lot, at the benchmark's rate."""
    recorded, rate = folder.sound(int(rng.integers(len(folder.recordings()))))
    return codecs.resample(recorded[:1], rate, RATE)


@port({f"rawbench_background_noise_{snr}dB": {"snr_db": snr} for snr in (20, 35, 60)}, folder=NOISES)
def rawbench_background_noise(audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float) -> Audio:
    """A recorded noise from its beginning, repeated where it is too short. No delay, length kept."""

    def core(x: Audio) -> Audio:
        noise = _recorded(NOISES, rng)
        times = -(-x.shape[1] // noise.shape[1])
        return added(x, np.tile(noise, times)[:, : x.shape[1]], snr_db)

    return _run(audio, rate, core)


@port(
    {f"rawbench_reverb_{snr}dB": {"snr_db": snr} for snr in (0, 3, 6, 12)}, delay=unknown_delay, folder=ROOMS
)
def rawbench_reverb(audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float) -> Audio:
    """The clip through half a second of a recorded room, laid under itself at a ratio. Length kept; the added
    part comes later by the room's own delay."""

    def core(x: Audio) -> Audio:
        return reverberated(x, _recorded(ROOMS, rng), snr_db)

    return _run(audio, rate, core)


def reverberated(audio: Audio, response: Audio, snr_db: float) -> Audio:
    """`audio` and under it, at `snr_db`, itself through the first half second of `response`."""
    from scipy.signal import fftconvolve

    kept = response[:, : int(_REVERB_S * RATE)]
    wet = fftconvolve(audio[0], kept[0])[: audio.shape[1]].astype(np.float32)
    return added(audio, wet[None], snr_db)


@port({f"rawbench_mp3_{k}": {"kbps": k} for k in (64, 128, 256)}, engine="LAME (PyAV)")
def rawbench_mp3(audio: Audio, rate: int, rng: np.random.Generator, *, kbps: int) -> Audio:
    """MP3 of one channel, its delay removed by the decoder. Length kept."""
    return _run(audio, rate, lambda x: published.cut_or_padded(
        published.mp3_aligned(x, RATE, 1000 * kbps), x.shape[1]
    ))  # fmt: skip


@port({f"rawbench_aac_{k}": {"kbps": k} for k in (64, 128, 256)}, engine="FFmpeg aac (PyAV)")
def rawbench_aac(audio: Audio, rate: int, rng: np.random.Generator, *, kbps: int) -> Audio:
    """AAC of one channel; of what it gives, the stretch that differs least from the clip. No delay, length
    kept."""
    return _run(audio, rate, lambda x: _nearest_part(published.aac(x, RATE, 1000 * kbps), x))


def _nearest_part(longer: Audio, audio: Audio) -> Audio:
    """The stretch of `longer`, as long as `audio`, with the smallest sum of absolute differences."""
    samples = audio.shape[1]
    shifts = range(longer.shape[1] - samples + 1)
    if not shifts:
        return published.cut_or_padded(longer, samples)
    # All shifts are compared on every 64th stretch of 256 samples, the best few on everything.
    parts = np.arange(0, samples, 16384)[:, None] + np.arange(min(256, samples))
    places = np.minimum(parts.ravel(), samples - 1)
    quick = [float(np.abs(longer[0, places + s] - audio[0, places]).sum()) for s in shifts]
    best = min(
        np.argsort(quick, kind="stable")[:8].tolist(),
        key=lambda s: float(np.abs(longer[0, s : s + samples] - audio[0]).sum()),
    )
    return longer[:, best : best + samples]


@port(
    {"rawbench_vorbis_48": {"quality": 3}}
    | {f"rawbench_vorbis_{k}": {"quality": q} for k, q in ((64, 0), (128, 4), (256, 8))},
    engine="libvorbis (libsndfile)",
)
def rawbench_vorbis(audio: Audio, rate: int, rng: np.random.Generator, *, quality: float) -> Audio:
    """Vorbis by quality. No delay, length kept.

    Its 48 kbit/s asks for quality -1, which FFmpeg's program takes for "none given": 3.
    """
    return _run(audio, rate, lambda x: codecs.vorbis_roundtrip(x, RATE, quality=quality, align=True))


@port(
    {f"rawbench_lowpass_{hz}Hz": {"hz": hz, "high": False} for hz in (3500, 4500, 6000, 7000, 8000)}
    | {f"rawbench_highpass_{hz}Hz": {"hz": hz, "high": True} for hz in (10, 100, 250, 350, 500)},
    differentiable=True,
)
def rawbench_pass(audio: Audio, rate: int, rng: np.random.Generator, *, hz: float, high: bool) -> Audio:
    """A biquad at a quality of 0.707, clipped to full scale. Causal: no delay but its own phase; length
    kept."""
    return _run(audio, rate, lambda x: np.clip(_biquad(x, hz, high=high), -1, 1))


def _biquad(audio: Audio, hz: float, *, high: bool) -> Audio:
    w = 2 * np.pi * hz / RATE
    alpha, c = np.sin(w) / (2 * 0.707), np.cos(w)
    edge = (1 + c) / 2 if high else (1 - c) / 2
    b = [edge, -2 * edge if high else 2 * edge, edge]
    from scipy.signal import lfilter

    return lfilter(b, [1 + alpha, -2 * c, 1 - alpha], audio.astype(np.float64)).astype(np.float32)


@port(
    {
        f"rawbench_eq_{setting}{name}": {"low": low, "high": high, "as_run": as_run}
        for name, as_run in (("", True), ("_as_said", False))
        for setting, low, high in (("loose", 0.0, 0.375), ("strict", 0.375, 0.75))
    },
    differentiable=True,
)
def rawbench_eq(
    audio: Audio, rate: int, rng: np.random.Generator, *, low: float, high: float, as_run: bool
) -> Audio:
    """24 bells, one a Bark band, each raised or lowered by `low` to `high` nepers (8.7 dB). Length kept.

    The library that it runs transforms back with one point too few where their number is odd: the clip is
    then played slower by one sample in all. `as_said` has no such drift. No delay.
    """

    def core(x: Audio) -> Audio:
        size = rng.uniform(low, high, len(BARK_HZ))
        return bark_equalised(x, size * rng.choice([-1.0, 1.0], len(BARK_HZ)), as_run=as_run)

    return _run(audio, rate, core)


def bark_equalised(audio: Audio, nepers: NDArray[np.float64], *, as_run: bool) -> Audio:
    """`audio` at 44.1 kHz through a graphic equaliser whose band k is set to `nepers[k]`, as a FIR filter of
    4000 taps; `as_run` with the drift that `rawbench_eq` speaks of."""
    gain, beside = np.exp(nepers), np.exp(0.4 * nepers)
    turn = 2 * np.pi * np.array(BARK_HZ) / RATE
    width = np.tan(np.pi * np.array(BARK_WIDTH_HZ) / RATE)
    ratio = (np.abs(1 - beside**2) + 1e-7) / (np.abs(gain**2 - beside**2) + 1e-7)
    width = np.where(np.abs(nepers) >= 1e-3, width * np.sqrt(ratio), width)[:, None]
    gain = gain[:, None]
    middle = -2 * np.cos(turn)[:, None]
    back = np.exp(-2j * np.pi * np.arange(_EQ_TAPS // 2 + 1) / _EQ_TAPS)
    above = 1 + gain * width + middle * back + (1 - gain * width) * back**2
    below = 1 + width + middle * back + (1 - width) * back**2
    taps = np.fft.irfft(np.prod(above / below, axis=0), _EQ_TAPS)
    samples = audio.shape[1]
    size = samples + _EQ_TAPS - 1
    spectrum = np.fft.rfft(audio.astype(np.float64), size) * np.fft.rfft(taps, size)
    out = np.fft.irfft(spectrum, size // 2 * 2 if as_run else size)
    return out[:, :samples].astype(np.float32)


@port({f"rawbench_compression_{t}dB": {"threshold_db": t} for t in (-36, -27, -18, -12, -6)})
def rawbench_compression(audio: Audio, rate: int, rng: np.random.Generator, *, threshold_db: float) -> Audio:
    """pydub's compressor, 4 to 1, on 16 bits, its threshold below the clip's own peak. No delay, no
    look-ahead; length kept."""
    return _run(audio, rate, lambda x: _by_peak(x, threshold_db, 1 - 1 / 4))


@port({f"rawbench_limiter_{t}dB": {"threshold_db": t} for t in (-36, -27, -18, -12, -6)})
def rawbench_limiter(audio: Audio, rate: int, rng: np.random.Generator, *, threshold_db: float) -> Audio:
    """The same compressor at a ratio without end. No delay, no look-ahead; length kept."""
    return _run(audio, rate, lambda x: _by_peak(x, threshold_db, 1.0))


@port(
    {f"rawbench_expansion_{t}dB": {"threshold_db": t, "sign": -1} for t in (-16, -14, -12, -9, -6)}
    | {f"rawbench_expansion_{t}dB_as_said": {"threshold_db": t, "sign": 1} for t in (-16, -12, -6)}
)
def rawbench_expansion(
    audio: Audio, rate: int, rng: np.random.Generator, *, threshold_db: float, sign: int
) -> Audio:
    """Its expander, 4 to 1. No delay; length kept.

    What is louder than the threshold should become louder by three times its excess (`as_said`); in the code
    a minus sign makes it quieter by as much.
    """
    return _run(audio, rate, lambda x: _by_peak(x, threshold_db, -sign * 3.0))


def _by_peak(audio: Audio, threshold_db: float, slope: float) -> Audio:
    """The compressor on the clip brought to full scale, as 16 bits, and back to its level."""
    peak = float(np.abs(audio).max(initial=0.0))
    if peak == 0:
        return audio
    pcm = (audio[0] / np.float32(peak) * np.float32(32767)).astype(np.int16)
    out = _compressed(pcm, threshold_db, slope)
    return (out.astype(np.float32) / np.float32(32767) * np.float32(peak))[None]


def _compressed(pcm: NDArray[np.int16], threshold_db: float, slope: float) -> NDArray[np.int16]:
    """`pcm` quieter by `slope` times the excess of its level (dB), or louder where `slope` is negative.

    The level is that of the 5 ms before each sample, in whole steps. It is reached in 5 ms, left in 50 ms, in
    equal steps of dB.
    """
    threshold = 32768 * 10 ** (threshold_db / 20)
    look = int(_ATTACK_S * RATE)
    energy = np.concatenate([[0], np.cumsum(pcm.astype(np.int64) ** 2)])
    ends = np.arange(len(pcm))
    starts = np.maximum(ends - look, 0)
    level = np.floor(np.sqrt((energy[ends] - energy[starts]) / np.maximum(ends - starts, 1)))
    excess = np.maximum(20 * np.log10(np.maximum(level, 1e-9) / threshold), 0)
    wanted = (abs(slope) * np.where(level > 0, excess, 0)).tolist()
    above = (level > threshold).tolist()
    rise, fall = _ATTACK_S * RATE, _RELEASE_S * RATE
    change, now = np.empty(len(pcm)), 0.0
    for i, most in enumerate(wanted):
        rising = above[i] and now <= most
        now = min(now + most / rise, most) if rising else max(now - most / fall, 0.0)
        change[i] = now
    scaled = np.floor(pcm * 10 ** (-math.copysign(1.0, slope) * change / 20))
    return np.clip(scaled, -32768, 32767).astype(np.int16)


@port({f"rawbench_gain_{r}": {"factor": r} for r in (0.2, 0.35, 0.5, 1.5, 3.0, 5.0)}, differentiable=True)
def rawbench_gain(audio: Audio, rate: int, rng: np.random.Generator, *, factor: float) -> Audio:
    """Times `factor`. No delay, length kept."""
    return _run(audio, rate, lambda x: x * np.float32(factor), may_pass_full_scale=True)


@port({"rawbench_polarity": {}}, differentiable=True)
def rawbench_polarity(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """The opposite sign. No delay, length kept."""
    return _run(audio, rate, lambda x: -x)


@port({f"rawbench_quantization_{b}bit": {"bits": b} for b in (12, 13, 14, 15, 16)})
def rawbench_quantization(audio: Audio, rate: int, rng: np.random.Generator, *, bits: int) -> Audio:
    """Rounded to 2^bits - 1 steps of full scale. No delay, length kept."""
    steps = np.float32(2**bits / 2 - 1)
    return _run(audio, rate, lambda x: np.rint((x + np.float32(1)) * steps) / steps - np.float32(1))


@port({f"rawbench_time_jitter_{s}": {"samples": s} for s in (0.01, 0.05, 0.1, 0.2)})
def rawbench_time_jitter(audio: Audio, rate: int, rng: np.random.Generator, *, samples: float) -> Audio:
    """Each sample read off its place by a normal deviation of `samples`, between neighbours in a straight
    line. No delay, length kept."""

    def core(x: Audio) -> Audio:
        places = np.arange(x.shape[1])
        return np.interp(places + rng.normal(0, samples, x.shape[1]), places, x[0]).astype(np.float32)[None]

    return _run(audio, rate, core)


@port(
    {f"rawbench_time_stretch_{r}": {"tempo": r} for r in (0.75, 0.85, 0.95, 1.05, 1.15, 1.25)},
    engine="librosa",
    delay=unknown_delay,
    packages=(LIBROSA,),
)
def rawbench_time_stretch(audio: Audio, rate: int, rng: np.random.Generator, *, tempo: float) -> Audio:
    """librosa's phase vocoder, then cut or padded with silence to the clip's length. What is said of a time
    comes `tempo` times as early."""
    return _run(
        audio, rate, lambda x: published.cut_or_padded(published.librosa_stretched(x, tempo), x.shape[1])
    )


def _shift_delay(rate: int, channels: int, *, samples: int) -> int:
    return -round(samples * rate / RATE)


@port(
    {f"rawbench_phase_shift_{n:+d}": {"samples": n} for n in (1, -1, 10, -10, 100, -100, 1000, -1000)},
    differentiable=True,
    delay=_shift_delay,
)
def rawbench_phase_shift(audio: Audio, rate: int, rng: np.random.Generator, *, samples: int) -> Audio:
    """Earlier by `samples` (later where negative), silence where nothing is left; length kept."""

    def core(x: Audio) -> Audio:
        lost = np.zeros_like(x[:, : abs(samples)])
        kept = [x[:, samples:], lost] if samples > 0 else [lost, x[:, :samples]]
        return np.concatenate(kept, axis=1)

    return _run(audio, rate, core)
