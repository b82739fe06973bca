"""The attacks of StirMark Benchmark for Audio, by name.

Steinebach, Petitcolas, Raynal, Dittmann, Fontaine, Seibel, Fates and Croce Ferri, "StirMark benchmark: audio
watermarking attacks", ITCC 2001, and its later versions. Written anew from the published descriptions. What
these say whole, an operation on samples and its parameters, has the source `STIRMARK`. Where they name an
effect and leave open how it is computed (shape and scale of noises, windows of transforms, weights of
smoothing, timing of the compressor, the statistics of `Stat1` and `Stat2`, how a filter of resistor and
capacitor becomes one of samples, which channels' zeros `ZeroLength` looks at), the source is `STIRMARK_OPEN`,
and figures need not be those of the benchmark's own program. Amplitudes are in steps of 16 bits, as there,
and lengths in samples at any rate. Time stretching, pitch shifting and further filters are in families of
their own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from soundsafe.attacks.registry import Audio, attack, unknown_delay
from soundsafe.attacks.sources import STIRMARK, STIRMARK_OPEN

Spectrum = NDArray[np.complexfloating]

STEP = 1 / 32768


@attack(
    "stirmark",
    {f"stirmark_AddBrumm_{a}": {"amplitude": a, "hz": 55} for a in (100, 2500, 10100)},
    differentiable=True,
    source=STIRMARK,
)
def add_brumm(audio: Audio, rate: int, rng: np.random.Generator, *, amplitude: float, hz: float) -> Audio:
    """A hum, as of a bad power supply."""
    return audio + _sine(audio, rate, amplitude, hz)


@attack(
    "stirmark", {"stirmark_AddSinus": {"amplitude": 1300, "hz": 900}}, differentiable=True, source=STIRMARK
)
def add_sinus(audio: Audio, rate: int, rng: np.random.Generator, *, amplitude: float, hz: float) -> Audio:
    """A tone in the middle of hearing."""
    return audio + _sine(audio, rate, amplitude, hz)


@attack(
    "stirmark",
    {f"stirmark_AddNoise_{a}": {"amplitude": a} for a in (100, 300, 900)},
    differentiable=True,
    source=STIRMARK_OPEN,
)
def add_noise(audio: Audio, rate: int, rng: np.random.Generator, *, amplitude: float) -> Audio:
    """Noise, uniform up to `amplitude`."""
    return audio + np.float32(amplitude * STEP) * _uniform(audio.shape, rng)


@attack("stirmark", {"stirmark_AddDynNoise": {"percent": 20}}, differentiable=True, source=STIRMARK_OPEN)
def add_dyn_noise(audio: Audio, rate: int, rng: np.random.Generator, *, percent: float) -> Audio:
    """Noise, uniform up to a share of each sample."""
    return audio + audio * np.float32(percent / 100) * _uniform(audio.shape, rng)


@attack(
    "stirmark",
    {"stirmark_AddFFTNoise": {"size": 1024, "amplitude": 300}},
    differentiable=True,
    source=STIRMARK_OPEN,
)
def add_fft_noise(audio: Audio, rate: int, rng: np.random.Generator, *, size: int, amplitude: float) -> Audio:
    """Noise in each bin of block transforms."""

    def noisy(spectrum: Spectrum) -> Spectrum:
        noise = _uniform(spectrum.shape, rng) + 1j * _uniform(spectrum.shape, rng)
        return spectrum + amplitude * STEP * np.sqrt(size / 2) * noise

    return _by_blocks(audio, size, noisy)


@attack(
    "stirmark",
    {f"stirmark_Amplify_{p}": {"percent": p} for p in (50, 150)},
    differentiable=True,
    source=STIRMARK,
)
def amplify(audio: Audio, rate: int, rng: np.random.Generator, *, percent: float) -> Audio:
    """Times `percent` / 100."""
    return audio * np.float32(percent / 100)


@attack(
    "stirmark",
    {"stirmark_Compressor": {"threshold_db": -6.1, "ratio": 2.1}},
    differentiable=True,
    source=STIRMARK_OPEN,
)
def compressor(
    audio: Audio, rate: int, rng: np.random.Generator, *, threshold_db: float, ratio: float
) -> Audio:
    """Each sample for itself: what passes the threshold is divided by `ratio`."""
    threshold = np.float32(10 ** (threshold_db / 20))
    excess = np.maximum(np.abs(audio) - threshold, 0)
    out = np.sign(audio) * (np.minimum(np.abs(audio), threshold) + excess / ratio)
    return out.astype(np.float32)


@attack(
    "stirmark",
    {"stirmark_CopySample": {"period": 10000, "distance": 6000, "count": 2000}},
    changes_length=True,
    differentiable=True,
    delay=unknown_delay,
    source=STIRMARK,
)
def copy_sample(
    audio: Audio, rate: int, rng: np.random.Generator, *, period: int, distance: int, count: int
) -> Audio:
    """In every period the first `count` samples once more, put in `distance` later."""
    pieces = []
    for start in range(0, audio.shape[1], period):
        block = audio[:, start : start + period]
        pieces += [block[:, :distance], block[:, :count] if block.shape[1] > distance else block[:, :0]]
        pieces.append(block[:, distance:])
    return np.concatenate(pieces, axis=1)


@attack(
    "stirmark",
    {"stirmark_FlippSample": {"period": 10000, "distance": 6000, "count": 2000}},
    differentiable=True,
    delay=unknown_delay,
    source=STIRMARK,
)
def flipp_sample(
    audio: Audio, rate: int, rng: np.random.Generator, *, period: int, distance: int, count: int
) -> Audio:
    """In every period the first `count` samples change places with those `distance` later."""
    order = np.arange(audio.shape[1])
    for start in range(0, audio.shape[1] - distance - count + 1, period):
        here, there = slice(start, start + count), slice(start + distance, start + distance + count)
        order[here], order[there] = order[there].copy(), order[here].copy()
    return audio[:, order]


@attack(
    "stirmark",
    {"stirmark_CutSamples": {"distance": 1000, "count": 7}},
    changes_length=True,
    differentiable=True,
    delay=unknown_delay,
    source=STIRMARK,
)
def cut_samples(audio: Audio, rate: int, rng: np.random.Generator, *, distance: int, count: int) -> Audio:
    """Of every `distance` samples the last `count` left out."""
    return audio[:, np.arange(audio.shape[1]) % distance < distance - count]


@attack("stirmark", {"stirmark_Echo": {"samples": 10}}, differentiable=True, source=STIRMARK)
def echo(audio: Audio, rate: int, rng: np.random.Generator, *, samples: int) -> Audio:
    """The mean of the audio and of itself `samples` later."""
    out = audio * np.float32(0.5)
    out[:, samples:] += np.float32(0.5) * audio[:, : max(0, audio.shape[1] - samples)]
    return out


@attack("stirmark", {"stirmark_Exchange": {}}, differentiable=True, source=STIRMARK)
def exchange(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """Every two neighbouring samples change places."""
    order = np.arange(audio.shape[1])
    pairs = len(order) // 2 * 2
    order[:pairs] = order[:pairs].reshape(-1, 2)[:, ::-1].ravel()
    return audio[:, order]


@attack(
    "stirmark",
    {f"stirmark_ExtraStereo_{s}": {"strength": s} for s in (30, 50, 70)},
    differentiable=True,
    source=STIRMARK_OPEN,
)
def extra_stereo(audio: Audio, rate: int, rng: np.random.Generator, *, strength: float) -> Audio:
    """The difference of the channels made stronger by `strength` / 10."""
    middle = audio.mean(axis=0, keepdims=True)
    return middle + (audio - middle) * np.float32(strength / 10)


@attack(
    "stirmark",
    {"stirmark_FFT_HLPassQuick": {"low_hz": 150, "high_hz": 13500, "size": 16384}},
    differentiable=True,
    source=STIRMARK_OPEN,
)
def fft_hl_pass(
    audio: Audio, rate: int, rng: np.random.Generator, *, low_hz: float, high_hz: float, size: int
) -> Audio:
    """Bins outside a band set to zero, block by block."""
    frequency = np.fft.rfftfreq(size, 1 / rate)
    band = (frequency >= low_hz) & (frequency <= high_hz)
    return _by_blocks(audio, size, lambda spectrum: spectrum * band)


@attack("stirmark", {"stirmark_FFT_Invert": {"size": 1024}}, differentiable=True, source=STIRMARK)
def fft_invert(audio: Audio, rate: int, rng: np.random.Generator, *, size: int) -> Audio:
    """All bins with the opposite sign."""
    return _by_blocks(audio, size, lambda spectrum: -spectrum)


@attack("stirmark", {"stirmark_FFT_RealReverse": {"size": 1024}}, differentiable=True, source=STIRMARK)
def fft_real_reverse(audio: Audio, rate: int, rng: np.random.Generator, *, size: int) -> Audio:
    """The real parts of all bins with the opposite sign: each block plays backwards, inverted."""
    return _by_blocks(audio, size, lambda spectrum: -spectrum.real + 1j * spectrum.imag)


@attack("stirmark", {"stirmark_FFT_Stat1": {"size": 1024}}, differentiable=True, source=STIRMARK_OPEN)
def fft_stat1(audio: Audio, rate: int, rng: np.random.Generator, *, size: int) -> Audio:
    """Each bin becomes the mean of itself and the next."""
    return _by_blocks(
        audio,
        size,
        lambda spectrum: np.concatenate(
            [(spectrum[..., :-1] + spectrum[..., 1:]) / 2, spectrum[..., -1:]], axis=-1
        ),
    )


@attack("stirmark", {"stirmark_Invert": {}}, differentiable=True, source=STIRMARK)
def invert(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """The opposite sign."""
    return -audio


@attack("stirmark", {"stirmark_LSBZero": {}}, source=STIRMARK)
def lsb_zero(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """The lowest of 16 bits set to zero."""
    pcm = np.clip(np.rint(audio / STEP), -32768, 32767).astype(np.int32)
    return ((pcm & ~1) * STEP).astype(np.float32)


@attack("stirmark", {"stirmark_Normalize": {}}, differentiable=True, source=STIRMARK_OPEN)
def normalize(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """As loud as 16 bits allow."""
    peak = np.abs(audio).max(initial=0.0)
    return audio * np.float32(32767 * STEP / peak) if peak > 0 else audio


@attack("stirmark", {"stirmark_RC_HighPass": {"hz": 150}}, differentiable=True, source=STIRMARK_OPEN)
def rc_high_pass(audio: Audio, rate: int, rng: np.random.Generator, *, hz: float) -> Audio:
    """A high-pass of first order, as one resistor and one capacitor make it: -3 dB at `hz`."""
    return _first_order(audio, rate, hz, "high")


@attack("stirmark", {"stirmark_RC_LowPass": {"hz": 15000}}, differentiable=True, source=STIRMARK_OPEN)
def rc_low_pass(audio: Audio, rate: int, rng: np.random.Generator, *, hz: float) -> Audio:
    """A low-pass of first order, as one resistor and one capacitor make it: -3 dB at `hz`, at most 0.45 of
    the rate."""
    return _first_order(audio, rate, hz, "low")


@attack("stirmark", {"stirmark_Smooth": {}}, differentiable=True, source=STIRMARK_OPEN)
def smooth(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """Each local extreme becomes the mean of its neighbours."""
    return _where(audio, lambda before, here, after: (here - before) * (here - after) > 0)


@attack("stirmark", {"stirmark_Smooth2": {}}, differentiable=True, source=STIRMARK_OPEN)
def smooth2(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """Each sample on a slope becomes the mean of its neighbours."""
    return _where(audio, lambda before, here, after: (here - before) * (here - after) < 0)


@attack("stirmark", {"stirmark_Stat1": {}}, differentiable=True, source=STIRMARK_OPEN)
def stat1(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """Each sample becomes the mean of itself and the next."""
    return np.concatenate([(audio[:, :-1] + audio[:, 1:]) / 2, audio[:, -1:]], axis=1)


@attack("stirmark", {"stirmark_Stat2": {}}, differentiable=True, source=STIRMARK_OPEN)
def stat2(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """Each sample becomes three fifths of itself and a fifth of either neighbour."""
    out = audio.copy()
    out[:, 1:-1] = (audio[:, :-2] + 3 * audio[:, 1:-1] + audio[:, 2:]) / 5
    return out


@attack("stirmark", {"stirmark_VoiceRemove": {}}, differentiable=True, source=STIRMARK)
def voice_remove(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """What the channels have in common taken out; one channel alone stays, for it would be silent."""
    return audio - audio.mean(axis=0, keepdims=True) if len(audio) > 1 else audio


@attack("stirmark", {"stirmark_ZeroCross": {"amplitude": 1000}}, differentiable=True, source=STIRMARK)
def zero_cross(audio: Audio, rate: int, rng: np.random.Generator, *, amplitude: float) -> Audio:
    """Samples smaller than `amplitude` set to zero."""
    return np.where(np.abs(audio) < amplitude * STEP, np.float32(0), audio)


@attack(
    "stirmark",
    {
        "stirmark_ZeroLength": {"samples": 10, "silent": "all"},
        "stirmark_ZeroLength1": {"samples": 10, "silent": "each"},
        "stirmark_ZeroLength2": {"samples": 10, "silent": "any"},
    },
    differentiable=True,
    source=STIRMARK_OPEN,
)
def zero_length(audio: Audio, rate: int, rng: np.random.Generator, *, samples: int, silent: str) -> Audio:
    """The `samples` after each sample that is zero in 16 bits set to zero too.

    In all channels, where all (`silent` "all") or any of them are zero; or in each channel by its own zeros.
    """
    from scipy.ndimage import maximum_filter1d

    zero = np.abs(audio) < STEP / 2
    if silent != "each":
        zero = (np.all if silent == "all" else np.any)(zero, axis=0, keepdims=True)
    reach = maximum_filter1d(zero.astype(np.uint8), samples + 1, axis=1, mode="constant", origin=samples // 2)
    return np.where(reach > 0, np.float32(0), audio)


@attack("stirmark", {"stirmark_ZeroRemove": {}}, changes_length=True, delay=unknown_delay, source=STIRMARK)
def zero_remove(audio: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """Samples that are zero in 16 bits, in all channels, left out."""
    keep = np.abs(audio).max(axis=0) >= STEP / 2
    return audio[:, keep] if keep.any() else audio


def _first_order(audio: Audio, rate: int, hz: float, kind: str) -> Audio:
    from scipy.signal import butter, lfilter

    b, a = butter(1, min(hz, 0.45 * rate), kind, fs=rate)
    return lfilter(b, a, audio, axis=1).astype(np.float32)


def _sine(audio: Audio, rate: int, amplitude: float, hz: float) -> Audio:
    t = np.arange(audio.shape[1]) / rate
    return (amplitude * STEP * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def _uniform(shape: tuple[int, ...], rng: np.random.Generator) -> Audio:
    return rng.uniform(-1, 1, shape).astype(np.float32)


def _where(audio: Audio, condition: Callable[[Audio, Audio, Audio], NDArray[np.bool_]]) -> Audio:
    before, here, after = audio[:, :-2], audio[:, 1:-1], audio[:, 2:]
    out = audio.copy()
    out[:, 1:-1] = np.where(condition(before, here, after), (before + after) / 2, here)
    return out


def _by_blocks(audio: Audio, size: int, change: Callable[[Spectrum], Spectrum]) -> Audio:
    """Blocks side by side, each transformed, changed and transformed back, as the benchmark does."""
    samples = audio.shape[1]
    blocks = np.pad(audio.astype(np.float64), ((0, 0), (0, -samples % size))).reshape(len(audio), -1, size)
    out = np.fft.irfft(change(np.fft.rfft(blocks)), size)
    return out.reshape(len(audio), -1)[:, :samples].astype(np.float32)
