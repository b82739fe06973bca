"""What marking did to the sound: original against marked audio, float32 [channels, samples] in [-1, 1].

A figure that cannot be computed is NaN: identical audio has no SNR, silence has no loudness, and
Zimtohrli needs half a second.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection

import numpy as np
from numpy.typing import NDArray

from soundsafe.aliases import Audio
from soundsafe.distance.zimtohrli import worst_channel
from soundsafe.eval.metrics.registry import metric, metrics
from soundsafe.eval.rows import NAN, Quality

__all__ = [
    "added_to_silence",
    "clipped_samples",
    "integrated_loudness",
    "lufs_difference",
    "measure",
    "nmr_db",
    "snr_db",
    "zimtohrli",
]

# A run of exact zeros this long is silence; shorter ones are zero crossings.
_SILENCE_S = 0.01


def _check(original: Audio, marked: Audio) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = np.atleast_2d(np.asarray(original, np.float64)), np.atleast_2d(np.asarray(marked, np.float64))
    if a.shape != b.shape or a.size == 0:
        raise ValueError(f"original {a.shape} and marked {b.shape} must have one shape and not be empty")
    return a, b


@metric("snr_db", unit="dB", better="higher", level="marking")
def snr_db(original: Audio, marked: Audio, rate: int) -> float:
    """Power of the original over that of the difference, all channels together."""
    a, b = _check(original, marked)
    signal, noise = float(np.sum(a**2)), float(np.sum((b - a) ** 2))
    return 10 * np.log10(signal / noise) if noise > 0 and signal > 0 else float("nan")


@metric(
    "zimtohrli",
    unit="distance (MP3 of the bundled clips, in stereo: 6e-4 at 128 kb/s, 2e-4 at 192)",
    better="lower",
    level="marking",
)
def zimtohrli(original: Audio, marked: Audio, rate: int) -> float:
    """Zimtohrli's own perceptual distance at 48 kHz, full scale at its default level; the worst channel.

    The raw distance that the package returns, neither scaled nor mapped to an opinion score; 0 for identical
    audio.
    """
    a, b = _check(original, marked)
    return worst_channel(a.astype(np.float32), b.astype(np.float32), rate)


@metric("nmr_db", unit="dB", better="lower", level="marking")
def nmr_db(original: Audio, marked: Audio, rate: int) -> float:
    """Noise-to-mask ratio by the ear model of ITU-R BS.1387 (basic); the worst channel, below 0 dB masked."""
    from soundsafe.distance.nmr import masked_noise

    a, b = _check(original, marked)
    found = []
    for x, y in zip(a, b, strict=True):
        found.append(masked_noise(x, y, rate).db)
    known = [f for f in found if np.isfinite(f)]
    return max(known) if known else float("nan")


def integrated_loudness(audio: NDArray[np.floating], rate: int) -> float:
    """LUFS (ITU-R BS.1770-4) of the `weighed_channels` of ``[channels, samples]``.

    -inf for silence, NaN for no more than its block of 0.4 s.
    """
    if audio.shape[1] <= 0.4 * rate:
        return float("nan")
    import pyloudnorm

    from soundsafe.attacks.dynamics import weighed_channels

    meter = pyloudnorm.Meter(rate)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return float(meter.integrated_loudness(weighed_channels(audio).T.astype(np.float64)))


@metric("lufs_difference", unit="LU", better="zero", level="marking")
def lufs_difference(original: Audio, marked: Audio, rate: int) -> float:
    """Integrated loudness of marked minus original audio; NaN below 0.4 s and for silence."""
    a, b = _check(original, marked)
    difference = integrated_loudness(b, rate) - integrated_loudness(a, rate)
    return difference if np.isfinite(difference) else float("nan")


@metric("clipped_samples", unit="samples", better="lower", level="marking")
def clipped_samples(original: Audio, marked: Audio, rate: int) -> float:
    """Samples at or beyond full scale in the marked audio that were below it in the original."""
    a, b = _check(original, marked)
    return float(np.sum((np.abs(b) >= 1.0) & (np.abs(a) < 1.0)))


@metric("silence_peak", unit="full scale", better="lower", level="marking")
def added_to_silence(original: Audio, marked: Audio, rate: int) -> float:
    """Largest marked sample where all channels of the original are exactly 0 for 10 ms or more."""
    a, b = _check(original, marked)
    zero = np.concatenate(([0], np.all(a == 0, axis=0).astype(np.int8), [0]))
    edges = np.flatnonzero(np.diff(zero))
    peak = 0.0
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start >= _SILENCE_S * rate:
            peak = max(peak, float(np.max(np.abs(b[:, start:stop]))))
    return peak


def measure(
    original: Audio,
    marked: Audio,
    rate: int,
    asked: Collection[str] = (),
    failed: Callable[[str, Exception], None] | None = None,
    known: Quality | None = None,
) -> Quality:
    """Quality figures of one marking.

    Figures of outside packages that take long are measured where `asked` for by name, else NaN. `failed` is
    told the name and error of one that raises, which is then NaN; without it the error is raised. Beside
    those that are `known` from before, only what is asked for is measured.
    """
    out = {} if known is None else dict(vars(known))
    for m in metrics():
        usual = known is None and not m.package
        if m.level != "marking" or not (usual or m.name in asked):
            continue
        try:
            out[m.name] = float(m.function(original, marked, rate))
        except Exception as error:
            if failed is None:
                raise
            failed(m.name, error)
    return Quality(**{name: value if np.isfinite(value) else NAN for name, value in out.items()})
