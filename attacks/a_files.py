"""The attacks of The A-Files, as its package runs them, at its four severities.

Every channel at the clip's own rate, in double precision. `mild`, `moderate`, `strong` and `extreme` stand
for the numbers that the package itself gives them; some of these follow from the clip's rate. Silence, which
the package refuses, stays silence.
"""

from __future__ import annotations

import copy
import subprocess
import tempfile
from collections.abc import Mapping
from functools import partial
from math import gcd
from pathlib import Path
from typing import TypeVar

import numpy as np
import soundfile
from numpy.typing import NDArray

from soundsafe import codecs
from soundsafe.attacks.packages import LIBROSA
from soundsafe.attacks.programs import Program
from soundsafe.attacks.registry import Audio, attack, unknown_delay
from soundsafe.attacks.sources import A_FILES

Signal = NDArray[np.float64]
T = TypeVar("T")

SEVERITIES = ("mild", "moderate", "strong", "extreme")
SNR_DB = (40.0, 25.0, 15.0, 5.0)
LOW_PASS_SHARE = (0.9, 0.5, 0.3, 0.15)
HIGH_PASS_HZ = (20.0, 100.0, 300.0, 1000.0)
DROPOUT_SHARE = (0.001, 0.005, 0.01, 0.05)
RT60_S = (0.2, 0.5, 1.0, 1.5)
RATE_FACTOR = (1.01, 0.99, 1.05, 0.95)
RATES = (48000, 44100, 32000, 22050, 16000, 8000)

FFMPEG = Program("ffmpeg", "ffmpeg")
_ORDER = 6
_PREDELAY_S = 0.005


def _named(kind: str, parameter: str, values: tuple[T, ...]) -> dict[str, dict[str, T]]:
    return {f"a_files_{kind}_{s}": {parameter: v} for s, v in zip(SEVERITIES, values, strict=True)}


def _done(signal: Signal) -> Audio:
    return np.ascontiguousarray(signal, dtype=np.float32)


def _fitted(signal: Signal, samples: int) -> Signal:
    if signal.shape[1] >= samples:
        return signal[:, :samples]
    return np.pad(signal, ((0, 0), (0, samples - signal.shape[1])))


def _noise_rms(signal: Signal, snr_db: float) -> float:
    return float(np.sqrt(np.mean(signal**2) / 10 ** (snr_db / 10)))


port = partial(attack, "a_files", source=A_FILES)
"""What all registrations here have in common."""


@port(_named("awgn", "snr_db", SNR_DB), differentiable=True)
def a_files_awgn(audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float) -> Audio:
    """White Gaussian noise. No delay, length kept."""
    return _done(_with_white(audio.astype(np.float64), rng, snr_db))


def _with_white(signal: Signal, rng: np.random.Generator, snr_db: float) -> Signal:
    # Drawn sample by sample over all channels, as the package's arrays lie.
    noise = rng.standard_normal(signal.T.shape).T
    return signal + noise * _noise_rms(signal, snr_db)


@port(_named("pink_noise", "snr_db", SNR_DB), differentiable=True)
def a_files_pink_noise(audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float) -> Audio:
    """Noise that falls by 3 dB an octave. No delay, length kept."""
    signal = audio.astype(np.float64)
    out = signal.copy()
    for channel in out:
        spectrum = np.fft.rfft(rng.standard_normal(signal.shape[1]))
        noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), signal.shape[1])
        channel += noise / noise.std() * _noise_rms(signal, snr_db)
    return _done(out)


@port(
    {
        f"a_files_impulse_noise_{s}": {"snr_db": snr, "share": share}
        for s, snr, share in zip(SEVERITIES, SNR_DB, DROPOUT_SHARE, strict=True)
    },
    differentiable=True,
)
def a_files_impulse_noise(
    audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float, share: float
) -> Audio:
    """Single samples up or down by one height, so many that the ratio is met. No delay, length kept."""
    signal = audio.T.astype(np.float64)
    hit = rng.random(signal.shape) < share
    hits = int(hit.sum())
    if not hits:
        return audio
    height = np.sqrt(np.mean(signal**2) / 10 ** (snr_db / 10) * signal.size / hits)
    signal[hit] += rng.choice((-1.0, 1.0), size=hits) * height
    return _done(signal.T)


@port(_named("low_pass", "share", LOW_PASS_SHARE), differentiable=True)
def a_files_low_pass(audio: Audio, rate: int, rng: np.random.Generator, *, share: float) -> Audio:
    """Butterworth at `share` of half the rate, forwards and backwards. No delay, length kept."""

    from scipy.signal import butter, sosfiltfilt

    sections = butter(_ORDER, round(share * rate / 2, 1), "low", fs=rate, output="sos")
    return _done(sosfiltfilt(sections, audio.astype(np.float64)))


@port(_named("high_pass", "hz", HIGH_PASS_HZ), differentiable=True)
def a_files_high_pass(audio: Audio, rate: int, rng: np.random.Generator, *, hz: float) -> Audio:
    """Butterworth, forwards and backwards. No delay, length kept."""

    from scipy.signal import butter, sosfiltfilt

    sections = butter(_ORDER, hz, "high", fs=rate, output="sos")
    return _done(sosfiltfilt(sections, audio.astype(np.float64)))


@port(
    {
        f"a_files_band_pass_{s}": {"low_hz": low, "share": share}
        for s, low, share in zip(SEVERITIES, HIGH_PASS_HZ, LOW_PASS_SHARE, strict=True)
    },
    differentiable=True,
)
def a_files_band_pass(
    audio: Audio, rate: int, rng: np.random.Generator, *, low_hz: float, share: float
) -> Audio:
    """Butterworth from `low_hz` to `share` of half the rate, forwards and backwards; where that is no band,
    as at the lowest rates, from half of its upper end. No delay, length kept."""
    high = round(share * rate / 2, 1)
    return _done(_banded(audio.astype(np.float64), rate, low_hz if low_hz < high else high / 2, high))


def _banded(signal: Signal, rate: int, low_hz: float, high_hz: float) -> Signal:
    from scipy.signal import butter, sosfiltfilt

    sections = butter(_ORDER, (low_hz, min(high_hz, 0.45 * rate)), "band", fs=rate, output="sos")
    return np.asarray(sosfiltfilt(sections, signal))


@port(_named("notch", "quality", (60.0, 30.0, 10.0, 3.0)), differentiable=True)
def a_files_notch(audio: Audio, rate: int, rng: np.random.Generator, *, quality: float) -> Audio:
    """A notch at an eighth of the rate, forwards and backwards. No delay, length kept."""

    from scipy.signal import filtfilt, iirnotch

    b, a = iirnotch(round(rate / 8, 1), quality, fs=rate)
    return _done(filtfilt(b, a, audio.astype(np.float64)))


@port(_named("smoothing", "window", (3, 5, 9, 17)), differentiable=True)
def a_files_smoothing(audio: Audio, rate: int, rng: np.random.Generator, *, window: int) -> Audio:
    """A moving mean, forwards and backwards. No delay, length kept."""

    from scipy.signal import filtfilt

    return _done(filtfilt(np.ones(window) / window, [1.0], audio.astype(np.float64)))


@port(_named("resample", "step", (0, 1, 2, 3)), differentiable=True)
def a_files_resample(audio: Audio, rate: int, rng: np.random.Generator, *, step: int) -> Audio:
    """Through another rate and back: the next higher of the usual ones (0), the next lower (1), the second
    lower (2), the lowest (3). No delay, length kept."""
    other = resampling_target(rate, step)
    signal = audio.astype(np.float64)
    return _done(_fitted(_resampled(_resampled(signal, rate, other), other, rate), audio.shape[1]))


def resampling_target(rate: int, step: int) -> int:
    """The rate that `a_files_resample` goes through.

    Example:
        >>> [resampling_target(44100, step) for step in range(4)]
        [48000, 32000, 22050, 8000]
    """
    lower = [r for r in RATES if r < rate]
    higher = [r for r in reversed(RATES) if r > rate]
    if step == 0 or not lower:
        return higher[0] if higher else (lower or [rate])[0]
    return lower[-1] if step == 3 else lower[min(step - 1, len(lower) - 1)]


def _resampled(signal: Signal, rate: int, new_rate: int) -> Signal:
    from scipy.signal import resample_poly

    if rate == new_rate:
        return signal
    divisor = gcd(rate, new_rate)
    return np.asarray(resample_poly(signal, new_rate // divisor, rate // divisor, axis=1))


@port(
    _named("clock_drift", "ppm", (10.0, 50.0, 100.0, 500.0)),
    changes_length=True,
    differentiable=True,
    delay=unknown_delay,
)
def a_files_clock_drift(audio: Audio, rate: int, rng: np.random.Generator, *, ppm: float) -> Audio:
    """Played slower by `ppm` millionths, and so much longer."""
    return _done(_drifted(audio.astype(np.float64), ppm))


def _drifted(signal: Signal, ppm: float) -> Signal:
    from scipy.signal import resample_poly

    up = round(1_000_000 + ppm)
    divisor = gcd(up, 1_000_000)
    return np.asarray(resample_poly(signal, up // divisor, 1_000_000 // divisor, axis=1))


@port(_named("bit_depth", "bits", (16, 12, 10, 8)))
def a_files_bit_depth(audio: Audio, rate: int, rng: np.random.Generator, *, bits: int) -> Audio:
    """Rounded to that many bits. No delay, length kept."""
    step = 2.0 / 2**bits
    return _done(np.clip(np.rint(np.clip(audio.astype(np.float64), -1, 1) / step) * step, -1, 1))


@port(_named("gain", "db", (-3.0, -6.0, -12.0, 6.0)), differentiable=True)
def a_files_gain(audio: Audio, rate: int, rng: np.random.Generator, *, db: float) -> Audio:
    """Louder or quieter, not clipped. No delay, length kept."""
    return _done(audio.astype(np.float64) * 10 ** (db / 20))


@port(_named("clipping", "share", (0.95, 0.9, 0.8, 0.7)), differentiable=True)
def a_files_clipping(audio: Audio, rate: int, rng: np.random.Generator, *, share: float) -> Audio:
    """Cut off at `share` of the clip's peak. No delay, length kept."""
    ceiling = np.float32(share * np.abs(audio).max(initial=0.0))
    return np.clip(audio, -ceiling, ceiling)


@port(_named("compression_dynamic", "ratio", (2.0, 4.0, 8.0, 16.0)), differentiable=True)
def a_files_compression_dynamic(audio: Audio, rate: int, rng: np.random.Generator, *, ratio: float) -> Audio:
    """Each sample for itself: what passes 0.3 is divided by `ratio`, then all brought to the peak of before.
    No delay, length kept."""
    return _done(_squeezed(audio.astype(np.float64), ratio))


def _squeezed(signal: Signal, ratio: float) -> Signal:
    size = np.abs(signal)
    out = np.sign(signal) * np.where(size > 0.3, 0.3 + (size - 0.3) / ratio, size)
    peak = float(np.abs(out).max(initial=0.0))
    return out * (float(size.max()) / peak) if peak > 0 else out


def _shift_delay(rate: int, channels: int, *, ms: float) -> int:
    return round(ms * rate / 1000)


@port(_named("time_shift", "ms", (1.0, 10.0, 100.0, 250.0)), differentiable=True, delay=_shift_delay)
def a_files_time_shift(audio: Audio, rate: int, rng: np.random.Generator, *, ms: float) -> Audio:
    """Later by `ms`, silence before; the end is lost, the length kept."""
    shift = round(ms * rate / 1000)
    return np.pad(audio, ((0, 0), (shift, 0)))[:, : audio.shape[1]]


@port(
    _named("crop", "share", (0.001, 0.01, 0.05, 0.1)),
    changes_length=True,
    differentiable=True,
    delay=unknown_delay,
)
def a_files_crop(audio: Audio, rate: int, rng: np.random.Generator, *, share: float) -> Audio:
    """The first `share` of the clip cut off."""
    return audio[:, round(audio.shape[1] * share) :]


@port(_named("dropout", "share", DROPOUT_SHARE), differentiable=True)
def a_files_dropout(audio: Audio, rate: int, rng: np.random.Generator, *, share: float) -> Audio:
    """Runs of 20 samples set to zero at places drawn by lot, in all channels. No delay, length kept."""
    return _done(_dropped(audio.astype(np.float64), rng, share))


def _dropped(signal: Signal, rng: np.random.Generator, share: float) -> Signal:
    out = signal.copy()
    runs = max(1, round(signal.shape[1] * share / 20))
    for start in rng.choice(max(1, signal.shape[1] - 20), size=runs, replace=False):
        out[:, start : start + 20] = 0
    return out


@port(
    _named("sample_jitter", "runs", (2, 10, 50, 200)),
    changes_length=True,
    differentiable=True,
    delay=unknown_delay,
)
def a_files_sample_jitter(audio: Audio, rate: int, rng: np.random.Generator, *, runs: int) -> Audio:
    """Runs of 8 samples cut out at places drawn by lot, from all channels at once."""
    last, pieces = 0, []
    for place in np.sort(rng.choice(audio.shape[1] - 8, size=runs, replace=False)):
        pieces.append(audio[:, last:place])
        last = int(place) + 8
    return np.concatenate([*pieces, audio[:, last:]], axis=1)


@port(
    _named("time_stretch", "tempo", RATE_FACTOR),
    changes_length=True,
    engine="librosa",
    delay=unknown_delay,
    packages=(LIBROSA,),
)
def a_files_time_stretch(audio: Audio, rate: int, rng: np.random.Generator, *, tempo: float) -> Audio:
    """librosa's phase vocoder, channel by channel; the length changes with the tempo."""
    import librosa

    return np.stack([librosa.effects.time_stretch(c.astype(np.float32), rate=tempo) for c in audio])


@port(
    _named("pitch_shift", "semitones", (0.25, 0.5, 1.0, 2.0)),
    engine="librosa",
    delay=unknown_delay,
    packages=(LIBROSA,),
)
def a_files_pitch_shift(audio: Audio, rate: int, rng: np.random.Generator, *, semitones: float) -> Audio:
    """Higher, at the same tempo and length, by librosa, channel by channel."""
    import librosa

    return np.stack(
        [librosa.effects.pitch_shift(c.astype(np.float32), sr=rate, n_steps=semitones) for c in audio]
    )


@port(_named("speed", "factor", RATE_FACTOR), changes_length=True, differentiable=True, delay=unknown_delay)
def a_files_speed(audio: Audio, rate: int, rng: np.random.Generator, *, factor: float) -> Audio:
    """Played `factor` times as fast: pitch and length change with it."""
    return _done(_resampled(audio.astype(np.float64), rate, round(rate / factor)))


@port(
    {
        f"a_files_echo_{s}": {"ms": ms, "gain": gain}
        for s, ms, gain in zip(SEVERITIES, (5.0, 25.0, 50.0, 100.0), (0.1, 0.25, 0.5, 0.5), strict=True)
    },
    differentiable=True,
)
def a_files_echo(audio: Audio, rate: int, rng: np.random.Generator, *, ms: float, gain: float) -> Audio:
    """One echo, clipped at full scale. No delay, length kept."""
    distance = round(ms * rate / 1000)
    out = audio.astype(np.float64)
    out[:, distance:] += gain * audio[:, :-distance]
    return _done(np.clip(out, -1, 1))


@port(_named("reverb", "rt60_s", RT60_S), differentiable=True, delay=unknown_delay)
def a_files_reverb(audio: Audio, rate: int, rng: np.random.Generator, *, rt60_s: float) -> Audio:
    """Noise that decays by 60 dB in `rt60_s`, 5 ms after the direct sound, all of it at the energy of one.
    Length kept."""
    return _done(_in_room(audio.astype(np.float64), rate, rng, rt60_s))


def _in_room(signal: Signal, rate: int, rng: np.random.Generator, rt60_s: float) -> Signal:
    from scipy.signal import fftconvolve

    index = np.arange(max(int(rt60_s * rate), 2))
    tail = rng.standard_normal(len(index)) * 10 ** (-3.0 * index / (rt60_s * rate))
    response = np.concatenate([np.zeros(round(_PREDELAY_S * rate)), tail])
    response[0] = 1.0
    response /= np.sqrt(np.sum(response**2))
    return np.asarray(fftconvolve(signal, response[None], axes=1))[:, : signal.shape[1]]


@port(
    {
        f"a_files_acoustic_channel_{s}": {"rt60_s": rt60, "snr_db": snr, "ppm": ppm}
        for s, rt60, snr, ppm in zip(SEVERITIES, RT60_S, SNR_DB, (0.0, 0.0, 0.0, 500.0), strict=True)
    },
    changes_length=True,
    differentiable=True,
    delay=unknown_delay,
)
def a_files_acoustic_channel(
    audio: Audio, rate: int, rng: np.random.Generator, *, rt60_s: float, snr_db: float, ppm: float
) -> Audio:
    """100 Hz to 7 kHz, a room, noise, 3 dB less, and at the worst a clock that runs apart by 500 millionths.

    Room and noise are drawn from the same seed, as in the package.
    """
    signal = _over_the_air(audio.astype(np.float64), rate, rng, rt60_s, snr_db)
    return _done(_drifted(signal, ppm) if ppm else signal)


def _over_the_air(
    signal: Signal, rate: int, rng: np.random.Generator, rt60_s: float, snr_db: float
) -> Signal:
    signal = _in_room(_banded(signal, rate, 100.0, 7000.0), rate, copy.deepcopy(rng), rt60_s)
    return np.asarray(np.clip(_with_white(signal, rng, snr_db) * 10 ** (-3 / 20), -1, 1))


MP3_KBPS = {32000: (256, 128, 96, 64), 16000: (160, 128, 96, 64), 0: (64, 48, 32, 24)}
VORBIS_KBPS = {
    44100: (192, 128, 96, 64), 32000: (160, 128, 96, 64), 22050: (80, 64, 48, 32), 16000: (96, 64, 48, 32),
    11025: (48, 40, 32, 24), 0: (40, 32, 24, 16),
}  # fmt: skip
ENCODERS = {"mp3": ("mp3", "libmp3lame"), "aac": ("m4a", "aac"), "opus": ("opus", "libopus"),
            "vorbis": ("ogg", "libvorbis")}  # fmt: skip


def _by_rate(table: Mapping[int, tuple[int, ...]], rate: int, level: int) -> int:
    return next(values[level] for lowest, values in table.items() if rate >= lowest)


@port(
    {
        f"a_files_{codec}_{s}": {"codec": codec, "level": level}
        for codec in ENCODERS
        for level, s in enumerate(SEVERITIES)
    },
    engine="FFmpeg (program)",
    program=FFMPEG,
)
def a_files_codec(audio: Audio, rate: int, rng: np.random.Generator, *, codec: str, level: int) -> Audio:
    """A codec by FFmpeg's program at a bit rate, from and to 16 bits. What it delays is found and removed,
    the length kept."""
    kbps = {
        "mp3": _by_rate(MP3_KBPS, rate, level),
        "vorbis": _by_rate(VORBIS_KBPS, rate, level),
        "aac": (192, 128, 96, 64)[level],
        "opus": (128, 96, 64, 32)[level],
    }[codec]
    return coded(audio, rate, codec, kbps)


def coded(audio: NDArray[np.floating], rate: int, codec: str, kbps: int) -> Audio:
    """`audio` through FFmpeg's program, aligned by the first channel, as long as before.

    Args:
        audio: `[channels, samples]`; more than two channels go in pairs.
        rate: of `audio`; codecs that have not that rate get the next that they have.
        codec: one of `ENCODERS`.
        kbps: asked for.
    """
    pairs = [_coded_pair(audio[k : k + 2], rate, codec, kbps) for k in range(0, len(audio), 2)]
    return np.concatenate(pairs)


def _coded_pair(audio: NDArray[np.floating], rate: int, codec: str, kbps: int) -> Audio:
    suffix, encoder = ENCODERS[codec]
    with tempfile.TemporaryDirectory() as folder:
        source, between, target = (Path(folder) / n for n in ("in.wav", f"between.{suffix}", "out.wav"))
        soundfile.write(source, audio.T.astype(np.float64), rate, subtype="PCM_16")
        to_pcm = ["-acodec", "pcm_s16le", "-ar", str(rate), "-ac", str(len(audio)), str(target)]
        for options in (
            ["-i", str(source), "-c:a", encoder, "-b:a", f"{kbps}k", str(between)],
            ["-i", str(between), *to_pcm],
        ):
            subprocess.run(
                [FFMPEG.name, "-y", "-loglevel", "error", *options], check=True, capture_output=True
            )
        decoded = soundfile.read(target, dtype="float32", always_2d=True)[0].T
    late = _delay_of(audio[0], decoded[0], rate // 10)
    decoded = decoded[:, late:] if late > 0 else np.pad(decoded, ((0, 0), (-late, 0)))
    return codecs.fit_length(np.ascontiguousarray(decoded), audio.shape[1])


def _delay_of(reference: NDArray[np.floating], decoded: NDArray[np.floating], reach: int) -> int:
    """Samples by which `decoded` is late, by the correlation of the first 32,768."""

    from scipy.signal import correlate

    size = min(len(reference), len(decoded), 1 << 15)
    first, second = (x[:size].astype(np.float64) - x[:size].mean() for x in (reference, decoded))
    if not (first.any() and second.any()):
        return 0
    found = correlate(second, first, mode="full", method="fft")
    lags = np.arange(1 - size, size)
    near = np.abs(lags) <= reach
    return int(lags[near][int(np.argmax(found[near]))])


_PIPELINES: dict[str, tuple[str, ...]] = {
    "streaming_upload": ("aac 128", "squeeze 4", "mp3 128"),
    "voice_call": ("band 300 3400", "opus 32", "dropout 0.005"),
    "broadcast": ("squeeze 2", "resample", "noise 30"),
    "over_the_air": ("acoustic", "aac 96"),
    "desync_attack": ("shift 10", "speed 1.01", "mp3 128"),
}


@port(
    {f"a_files_{name}": {"steps": list(steps)} for name, steps in _PIPELINES.items()},
    changes_length=True,
    engine="FFmpeg (program)",
    delay=unknown_delay,
    program=FFMPEG,
)
def a_files_pipeline(audio: Audio, rate: int, rng: np.random.Generator, *, steps: list[str]) -> Audio:
    """Steps one after the other: each a name and its parameters."""
    signal = audio.astype(np.float64)
    for step in steps:
        name, *values = step.split()
        signal = _step(signal, rate, rng, name, [float(v) for v in values])
    return _done(signal)


def _step(signal: Signal, rate: int, rng: np.random.Generator, name: str, values: list[float]) -> Signal:
    # Each stage of the package begins at the same seed.
    own = copy.deepcopy(rng)
    if name in ENCODERS:
        return coded(signal, rate, name, int(values[0])).astype(np.float64)
    if name == "squeeze":
        return _squeezed(signal, values[0])
    if name == "band":
        return _banded(signal, rate, values[0], values[1])
    if name == "dropout":
        return _dropped(signal, own, values[0])
    if name == "resample":
        return _fitted(_resampled(_resampled(signal, rate, 22050), 22050, rate), signal.shape[1])
    if name == "noise":
        return _with_white(signal, own, values[0])
    if name == "acoustic":
        return _over_the_air(signal, rate, own, 0.3, 25.0)
    if name == "shift":
        shift = _shift_delay(rate, len(signal), ms=values[0])
        return np.pad(signal, ((0, 0), (shift, 0)))[:, : signal.shape[1]]
    return _resampled(signal, rate, round(rate / values[0]))
