"""The DeepMark benchmark's attacks without a model, as its code runs: one channel, at the clip's own rate.

The mean of the channels is attacked, with the benchmark's default parameters; the result has one channel.
Where its code does other than its names say, `..._as_said` does what they say.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from soundsafe import codecs
from soundsafe.attacks import published
from soundsafe.attacks.packages import LIBROSA
from soundsafe.attacks.programs import Program
from soundsafe.attacks.registry import Audio, attack, unknown_delay
from soundsafe.attacks.sources import DEEPMARK
from soundsafe.errors import InputError

RUBBERBAND = Program("rubberband", "rubberband-cli")
Signal = NDArray[np.floating]

BANDS_HZ = (31.5, 63, 125, 250, 500, 1000, 2000, 4000)
WIDTHS_HZ = (22, 44, 88, 177, 355, 710, 1420, 2840)
GAINS_DB = (10, 10, 10, 10, 0, 0, -5, -10)


def _mono(audio: Audio) -> Signal:
    return audio.mean(axis=0)


def _stereo_shape(signal: Signal) -> Audio:
    return np.ascontiguousarray(signal[None], dtype=np.float32)


def _to_peak(signal: Signal, peak: float) -> Signal:
    highest = float(np.abs(signal).max(initial=0.0))
    return signal * (peak / highest) if highest > 0 else signal


port = partial(attack, "deepmark", to_mono=True, source=DEEPMARK)
"""What all registrations here have in common."""


@port({"deepmark_additive_noise_0.003": {"std": 0.003}}, differentiable=True)
def deepmark_additive_noise(audio: Audio, rate: int, rng: np.random.Generator, *, std: float) -> Audio:
    """White noise of a standard deviation of `std`. No delay, length kept."""
    mono = _mono(audio)
    return _stereo_shape(mono + rng.normal(0, std, mono.shape))


@port({f"deepmark_gaussian_noise_{snr}dB": {"snr_db": snr} for snr in (20,)}, differentiable=True)
def deepmark_gaussian_noise(audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float) -> Audio:
    """White noise whose expected power is `snr_db` below the clip's. No delay, length kept."""
    mono = _mono(audio)
    power = np.mean(mono**2) / 10 ** (snr_db / 10)
    return _stereo_shape(mono + rng.standard_normal(mono.shape) * np.sqrt(power))


@port({"deepmark_pink_noise_0.03": {"peak": 0.03}}, differentiable=True)
def deepmark_pink_noise(audio: Audio, rate: int, rng: np.random.Generator, *, peak: float) -> Audio:
    """Pink noise by a filter of third order (J. O. Smith), its highest sample at `peak`. No delay, length
    kept."""

    from scipy.signal import lfilter

    mono = _mono(audio)
    zeros = [0.049922035, -0.095993537, 0.050612699, -0.004408786]
    poles = [1, -2.494956002, 2.017265875, -0.522189400]
    pink = lfilter(zeros, poles, rng.normal(0, 1, mono.shape))
    return _stereo_shape(mono + _to_peak(pink, peak).astype(np.float32))


@port({"deepmark_bandstop_350-500Hz": {"low_hz": 350, "high_hz": 500, "order": 4}}, differentiable=True)
def deepmark_bandstop(
    audio: Audio, rate: int, rng: np.random.Generator, *, low_hz: float, high_hz: float, order: int
) -> Audio:
    """A Butterworth band-stop, forwards and backwards. No delay, length kept."""

    from scipy.signal import butter, filtfilt

    b, a = butter(order, [low_hz, high_hz], "bandstop", fs=rate)
    return _stereo_shape(filtfilt(b, a, _mono(audio)))


@port(
    {
        "deepmark_highpass_50Hz": {"hz": 50, "order": 4, "kind": "high"},
        "deepmark_lowpass_5000Hz": {"hz": 5000, "order": 5, "kind": "low"},
    },
    differentiable=True,
)
def deepmark_pass(
    audio: Audio, rate: int, rng: np.random.Generator, *, hz: float, order: int, kind: str
) -> Audio:
    """A causal Butterworth filter; a low-pass at half of the rate or above does nothing. Its phase is its
    only delay; length kept."""

    from scipy.signal import butter, lfilter

    mono = _mono(audio)
    if hz >= rate / 2:
        return _stereo_shape(mono)
    b, a = butter(order, hz, kind, fs=rate)
    return _stereo_shape(lfilter(b, a, mono))


@port({"deepmark_echo": {"volume": [0.1, 0.5], "seconds": [0.1, 0.5]}}, differentiable=True)
def deepmark_echo(
    audio: Audio, rate: int, rng: np.random.Generator, *, volume: list[float], seconds: list[float]
) -> Audio:
    """One echo, its distance and volume drawn by lot; as loud at its peak as before. No delay, length
    kept."""

    from scipy.signal import fftconvolve

    mono = _mono(audio)
    distance = int(rate * rng.uniform(seconds[0], seconds[1]))
    response = np.zeros(distance + 1, dtype=np.float32)
    response[0], response[-1] = 1.0, rng.uniform(volume[0], volume[1])
    echoed = fftconvolve(mono, response)
    return _stereo_shape(_to_peak(echoed, float(np.abs(mono).max(initial=0.0)))[: len(mono)])


@port(
    {"deepmark_equalizer": {"parallel": True}, "deepmark_equalizer_as_said": {"parallel": False}},
    differentiable=True,
)
def deepmark_equalizer(audio: Audio, rate: int, rng: np.random.Generator, *, parallel: bool) -> Audio:
    """Eight octaves raised or lowered by up to 10 dB, the result at full scale. No delay, length kept.

    Its code adds each band's output to its input (`parallel`); `as_said` puts one band after the other.
    """

    from scipy.signal import lfilter

    out: Signal = _mono(audio).astype(np.float64)
    for k, (hz, width, db) in enumerate(zip(BANDS_HZ, WIDTHS_HZ, GAINS_DB, strict=True)):
        b, a = _band(rate, hz, width, db, "low" if k == 0 else "high" if k == 7 else "bell")
        filtered = lfilter(b, a, out)
        out = out + filtered if parallel else filtered
    return _stereo_shape(_to_peak(out, 1.0))


def _band(rate: int, hz: float, width: float, db: float, kind: str) -> tuple[list[float], list[float]]:
    """The biquads of the "Cookbook formulae for audio EQ", at a quality of width over centre."""
    a, w = 10 ** (db / 40), 2 * np.pi * min(hz, 0.45 * rate) / rate
    if a == 1:
        return [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]
    c, alpha = np.cos(w), 0.5 * np.sin(w) * hz / width
    if kind == "bell":
        return [1 + alpha * a, -2 * c, 1 - alpha * a], [1 + alpha / a, -2 * c, 1 - alpha / a]
    sign = 1.0 if kind == "low" else -1.0
    root, up, down = 2 * np.sqrt(a) * alpha, a + 1, a - 1
    zeros = [a * (up - sign * down * c + root), sign * 2 * a * (down - sign * up * c)]
    poles = [up + sign * down * c + root, -sign * 2 * (down + sign * up * c)]
    return (
        [*zeros, a * (up - sign * down * c - root)],
        [*poles, up + sign * down * c - root],
    )


@port({
        "deepmark_chorus": {
            "seconds": [0.02, 0.06, 0.14], "widths": [0.03, 0.03, 0.03], "hertz": [2, 1.2, 1.2],
            "gains": [0.05, 0.05, 0.05],
        }
    }
)  # fmt: skip
def deepmark_chorus(
    audio: Audio,
    rate: int,
    rng: np.random.Generator,
    *,
    seconds: list[float],
    widths: list[float],
    hertz: list[float],
    gains: list[float],
) -> Audio:
    """Three delayed copies whose delays sway, the result at full scale; the sound itself keeps its place, and
    the length is kept."""
    mono = _mono(audio).astype(np.float64)
    starts = [int(rate * s) for s in seconds]
    sways = [int(rate * w) for w in widths]
    length = max(s + w for s, w in zip(starts, sways, strict=True))
    out = mono.copy()
    for start, sway, hz, gain in zip(starts, sways, hertz, gains, strict=True):
        tap = start + sway * np.sin(2 * np.pi * hz / rate * np.arange(len(mono)))
        out += gain * _tapped(mono, tap, length, slots=length + 2)
    return _stereo_shape(_to_peak(out, 1.0))


@port({"deepmark_flanger": {"seconds": 0.01, "width": 0.003, "hertz": 1, "gain": 1}})
def deepmark_flanger(
    audio: Audio,
    rate: int,
    rng: np.random.Generator,
    *,
    seconds: float,
    width: float,
    hertz: float,
    gain: float,
) -> Audio:
    """A copy 10 ms later whose delay sways by 3 ms, added. The sound itself keeps its place; length kept."""
    mono = _mono(audio).astype(np.float64)
    start, sway = int(rate * seconds), int(rate * width)
    tap = start + sway * np.sin(2 * np.pi * hertz / rate * np.arange(len(mono)))
    length = start + sway + 2
    return _stereo_shape(mono + gain * _tapped(mono, tap, length, slots=length))


def _tapped(signal: Signal, tap: Signal, length: int, slots: int) -> Signal:
    """`signal` read `tap` samples back from its ring of `slots`, of which `length` are gone round.

    The ring goes from slot -1, which is its last, to `length` - 2: what is read at `length` - 1 is silence
    where the ring is longer than that.
    """
    whole = np.floor(tap).astype(np.int64)
    part = tap - whole
    now = np.arange(len(signal))
    return part * _in_ring(signal, now, whole + 1, length, slots) + (1 - part) * _in_ring(
        signal, now, whole, length, slots
    )


def _in_ring(
    signal: Signal, now: NDArray[np.int64], back: NDArray[np.int64], length: int, slots: int
) -> Signal:
    """What stands `back` slots before the place that sample `now` is about to be written to."""
    place = now % length
    place = np.where(place == length - 1, -1, place)
    slot = place - back
    slot = np.where(slot < 0, slot + length, slot) % slots
    turn = np.where(slot == slots - 1, length - 1, slot)  # where in a round that slot is written
    latest = now - 1 - (now - 1 - turn) % length
    written = (turn <= length - 2) | (slot == slots - 1)
    return np.where(written & (latest >= 0), signal[np.maximum(latest, 0)], 0.0)


@port(
    {"deepmark_cut_samples": {"longest": 20, "cuts": 20, "seconds": 0.5, "step": 0.1}},
    changes_length=True,
    delay=unknown_delay,
)
def deepmark_cut_samples(
    audio: Audio, rate: int, rng: np.random.Generator, *, longest: int, cuts: int, seconds: float, step: float
) -> Audio:
    """Within half a second, up to 20 runs of up to 20 samples cut out, where both edges are within 0.1."""
    mono = _mono(audio)
    size = int(seconds * rate)
    start = 0 if size >= len(mono) else int(rng.integers(0, len(mono) - size))
    part = mono[start : start + size]
    places = np.sort(rng.choice(range(len(part) - longest), size=cuts, replace=False))
    pieces, kept_from = [mono[:start]], 0
    for place in places:
        end = int(place + rng.integers(1, longest + 1))
        if end >= len(part):
            break
        if abs(part[place] - part[end]) > step:
            continue
        pieces.append(part[kept_from:place])
        kept_from = end
    return _stereo_shape(np.concatenate([*pieces, part[kept_from:], mono[start + size :]]))


@port({"deepmark_flip_samples": {"pairs": 50, "seconds": 0.5}})
def deepmark_flip_samples(
    audio: Audio, rate: int, rng: np.random.Generator, *, pairs: int, seconds: float
) -> Audio:
    """Within half a second, 50 pairs of samples change places. No delay, length kept."""
    out = _mono(audio).copy()
    size = int(seconds * rate)
    start = 0 if size >= len(out) else int(rng.integers(0, len(out) - size))
    part = out[start : start + size]
    chosen = rng.choice(range(len(part)), size=min(2 * pairs, len(part)), replace=False).reshape(-1, 2)
    part[chosen] = part[chosen[:, ::-1]]
    return _stereo_shape(out)


@port({"deepmark_lpc_12": {"order": 12}}, engine="librosa", packages=(LIBROSA,))
def deepmark_lpc(audio: Audio, rate: int, rng: np.random.Generator, *, order: int) -> Audio:
    """What linear prediction over the whole clip foresees of each sample. No delay, length kept."""

    import librosa
    from scipy.signal import lfilter

    mono = _mono(audio)
    if not mono.any():
        return _stereo_shape(mono)
    foresees = -librosa.lpc(mono, order=order)
    foresees[0] = 0
    return _stereo_shape(lfilter(foresees, [1], mono))


@port({"deepmark_mp3_q3": {"quality": 3}}, engine="LAME (PyAV)")
def deepmark_mp3(audio: Audio, rate: int, rng: np.random.Generator, *, quality: float) -> Audio:
    """MP3 at LAME's quality, of 16 bits, its delay removed by the decoder. Length kept."""
    mono = _mono(audio)
    own = rate if rate in (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000) else 44100
    source = codecs.resample(np.trunc(np.clip(mono * 32767.0, -32768, 32767))[None] / 32768.0, rate, own)
    coded = published.mp3_aligned(source.astype(np.float32), own, 0, quality)
    return published.cut_or_padded(codecs.resample(coded, own, rate), audio.shape[1])


@port({f"deepmark_pcm_{bits}bit": {"bits": bits} for bits in (8, 16, 24)})
def deepmark_pcm(audio: Audio, rate: int, rng: np.random.Generator, *, bits: int) -> Audio:
    """Samples cut off, not rounded, to whole steps of that many bits. No delay, length kept."""
    steps = np.float32(2 ** (bits - 1) - 1)
    whole = np.trunc(np.clip(_mono(audio) * steps, -steps - 1, steps))
    return _stereo_shape(whole / steps)


@port({"deepmark_quantization_256": {"levels": 256}})
def deepmark_quantization(audio: Audio, rate: int, rng: np.random.Generator, *, levels: int) -> Audio:
    """Rounded to `levels` between the lowest and the highest sample. No delay, length kept."""
    mono = _mono(audio)
    low, high = mono.min(), mono.max()
    whole = np.round((mono - low) / (high - low + 1e-8) * (levels - 1))
    return _stereo_shape(whole / (levels - 1) * (high - low) + low)


@port({"deepmark_resampling_poly_2": {"factor": 2}}, changes_length=True, differentiable=True)
def deepmark_resampling_poly(audio: Audio, rate: int, rng: np.random.Generator, *, factor: int) -> Audio:
    """Down and up again by filters. No delay; up to `factor` - 1 samples longer."""

    from scipy.signal import decimate, resample_poly

    return _stereo_shape(
        resample_poly(decimate(_mono(audio), factor, ftype="fir", zero_phase=True), factor, 1)
    )


@port({"deepmark_resampling_simple": {}}, differentiable=True)
def deepmark_resampling_simple(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """Every n-th sample without a filter, those between in a straight line; n is the rate over 16 kHz,
    rounded down. No delay, length kept."""
    mono, factor = _mono(audio), rate // 16000
    if factor < 2:
        return _stereo_shape(mono)
    places = np.arange(len(mono))
    return _stereo_shape(np.interp(places, places[::factor], mono[::factor]))


@port({"deepmark_sign_inversion": {}}, differentiable=True)
def deepmark_sign_inversion(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """The opposite sign. No delay, length kept."""
    return _stereo_shape(-_mono(audio))


@port({"deepmark_smoothing_10": {"window": 10}}, differentiable=True)
def deepmark_smoothing(audio: Audio, rate: int, rng: np.random.Generator, *, window: int) -> Audio:
    """The mean of `window` samples around each. Half a sample of delay where `window` is even; length
    kept."""
    return _stereo_shape(np.convolve(_mono(audio), np.ones(window) / window, mode="same"))


@port({"deepmark_stft_quantization_256": {"size": 1024, "hop": 512, "levels": 256}}, changes_length=True)
def deepmark_stft_quantization(
    audio: Audio, rate: int, rng: np.random.Generator, *, size: int, hop: int, levels: int
) -> Audio:
    """Magnitudes of the spectrogram rounded to `levels` between the lowest and the highest. No delay; padded
    to whole frames."""

    from scipy.signal import istft, stft

    spectrum = stft(_mono(audio), nperseg=size, noverlap=size - hop, window="hann")[2]
    magnitude = np.abs(spectrum)
    low, high = magnitude.min(), magnitude.max()
    whole = np.round((magnitude - low) / (high - low + 1e-8) * (levels - 1)) / (levels - 1)
    rounded = (whole * (high - low) + low) * np.exp(1j * np.angle(spectrum))
    return _stereo_shape(istft(rounded, nperseg=size, noverlap=size - hop, window="hann")[1])


@port({"deepmark_wavelet_0.5": {"share": 0.5}}, changes_length=True)
def deepmark_wavelet(audio: Audio, rate: int, rng: np.random.Generator, *, share: float) -> Audio:
    """Haar wavelets to the coarsest level, all coefficients drawn towards zero by half of the noise that the
    finest level suggests. No delay; an odd length becomes even."""
    details: list[Signal] = []
    rest: Signal = _mono(audio).astype(np.float64)
    samples = len(rest)
    for _ in range(int(np.log2(samples))):
        if len(rest) % 2:
            rest = np.append(rest, rest[-1])
        pairs = rest.reshape(-1, 2)
        details.append((pairs[:, 0] - pairs[:, 1]) / np.sqrt(2))
        rest = pairs.sum(axis=1) / np.sqrt(2)
    threshold = np.median(np.abs(details[0])) / 0.6745 * np.sqrt(2 * np.log(samples)) * share
    rest = _drawn(rest, threshold)
    for detail in reversed(details):
        kept, rest = _drawn(detail, threshold), rest[: len(detail)]
        rest = np.stack([rest + kept, rest - kept], axis=1).ravel() / np.sqrt(2)
    return _stereo_shape(rest)


def _drawn(values: Signal, threshold: float) -> Signal:
    return np.sign(values) * np.maximum(np.abs(values) - threshold, 0)


@port(
    {
        "deepmark_zero_cross_inserts": {"pause": 20, "seconds": 20},
        "deepmark_zero_cross_inserts_as_said": {"pause": 20, "seconds": 1.0},
    },
    changes_length=True,
    delay=unknown_delay,
)
def deepmark_zero_cross_inserts(
    audio: Audio, rate: int, rng: np.random.Generator, *, pause: int, seconds: float
) -> Audio:
    """20 samples of silence put in where the sign changes, at most one in `seconds`.

    Its code takes the length of the pause for the distance: 20 s, not 1 s. (In clips of more than 20 s it
    also loses what precedes the first pause; here that is kept.)
    """
    mono = _mono(audio)
    pieces: list[Signal] = []
    last, apart = 0, int(seconds * rate)
    for crossing in np.flatnonzero(np.diff(np.sign(mono))):
        if not pieces or crossing - last >= apart:
            pieces += [mono[last:crossing], np.zeros(pause)]
            last = int(crossing)
    return _stereo_shape(np.concatenate([*pieces, mono[last:]]))


@port(
    {
        "deepmark_time_stretch_1.4": {"tempos": [1.4]},
        "deepmark_inverted_time_stretch_2": {"tempos": [2.0, 0.5]},
    },
    changes_length=True,
    engine="Rubber Band (program)",
    delay=unknown_delay,
    program=RUBBERBAND,
)
def deepmark_time_stretch(audio: Audio, rate: int, rng: np.random.Generator, *, tempos: list[float]) -> Audio:
    """Faster by each of `tempos` in turn, at the same pitch, through files of 16 bits."""
    signal = _mono(audio)
    for tempo in tempos:
        signal = _rubberband(signal, rate, ["--tempo", str(tempo)])
    return _stereo_shape(signal)


@port(
    {"deepmark_pitch_shift_5cents": {"semitones": 0.05}},
    changes_length=True,
    engine="Rubber Band (program)",
    delay=unknown_delay,
    program=RUBBERBAND,
)
def deepmark_pitch_shift(audio: Audio, rate: int, rng: np.random.Generator, *, semitones: float) -> Audio:
    """Higher by 5 cents at the same tempo, through a file of 16 bits."""
    return _stereo_shape(_rubberband(_mono(audio), rate, ["--pitch", str(semitones)]))


def _rubberband(signal: Signal, rate: int, options: Sequence[str]) -> Signal:
    if reason := RUBBERBAND.missing():
        raise InputError(reason)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.wav", Path(folder) / "out.wav"
        soundfile.write(source, signal, rate, subtype="PCM_16")
        subprocess.run(
            [RUBBERBAND.name, "-q", *options, str(source), str(target)], check=True, capture_output=True
        )
        return np.asarray(soundfile.read(target, dtype="float64")[0])
