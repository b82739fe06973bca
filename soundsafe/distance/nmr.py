"""Noise-to-mask ratio by the ear model of ITU-R BS.1387 (PEAQ, basic version): none of the embedder's own.

The difference of the magnitudes of two spectra, band by band over what the original masks. The model as
P. Kabal, "An examination and interpretation of ITU-R BS.1387", McGill University, 2002, writes it out: the
outer and middle ear's weighting, 109 bands a quarter of a Bark wide, internal noise, spreading whose upper
slope depends on level, forward masking, and an offset of 3 dB that grows with frequency. A full-scale sine
plays at 92 dB SPL.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from soundsafe.stft import Stft

__all__ = ["GRID", "RATE", "MaskedNoise", "masked_noise", "noise_to_mask", "noise_weights"]

RATE = 48_000
GRID = Stft(2048, 1024)
"""Frames in which noise and mask are compared."""

_LEVEL_DB = 92.0
_STEP = 0.25  # Bark
_LOW_HZ, _HIGH_HZ = 80.0, 18_000.0
_LEAST = 1e-12

Array = NDArray[np.float64]


def _bark(hz: Array | float) -> Array:
    return np.asarray(7.0 * np.arcsinh(np.asarray(hz) / 650.0))


@cache
def _bands() -> tuple[Array, Array, Array, Array, Array]:
    """Weights ``[bands, bins]`` of bin powers, and of each band: centre in Hz, internal noise, offset of the
    mask (both as power), and decay from frame to frame."""
    low, high = float(_bark(_LOW_HZ)), float(_bark(_HIGH_HZ))
    count = int(np.ceil((high - low) / _STEP))
    edges = np.minimum(low + _STEP * np.arange(count + 1), high)
    centre = 650.0 * np.sinh((edges[:-1] + edges[1:]) / 2 / 7.0)
    edges_hz = 650.0 * np.sinh(edges / 7.0)
    width = RATE / GRID.n_fft
    frequency = GRID.frequencies(RATE)
    over = np.minimum(edges_hz[1:, None], frequency + width / 2) - np.maximum(
        edges_hz[:-1, None], frequency - width / 2
    )
    khz = np.maximum(frequency, width / 4) / 1000
    ear_db = -2.184 * khz**-0.8 + 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) - 0.001 * khz**3.6
    # The power of a full-scale sine at a bin of a Hann window of this length (0.8497: between two bins).
    scale = 10 ** (_LEVEL_DB / 10) / (0.8497 * (GRID.n_fft - 1) / 4) ** 2
    weights = np.clip(over / width, 0, 1) * 10 ** (ear_db / 10) * scale
    internal = 10 ** (0.1456 * (centre / 1000) ** -0.8)
    at = _STEP * np.arange(count)
    offset = 10 ** (np.where(at <= 12, 3.0, 0.25 * at) / 10)
    seconds = 0.008 + 100.0 / centre * (0.030 - 0.008)
    return weights, centre, internal, offset, np.exp(-GRID.hop / RATE / seconds)


def _spread(energy: Array) -> Array:
    """Excitation ``[bands, frames]`` of band energies: each spreads to others, powers of 0.4 add up."""
    _, centre, _, _, _ = _bands()

    def added(of: Array) -> Array:
        # Shares fall by the same factor from band to band, another for each source: bands equally far from
        # their sources are summed together, without a power of each.
        count = len(centre)
        upper = 10.0 ** (_STEP / 10.0 * (-24.0 - 230.0 / centre[:, None] + 2.0 * np.log10(of)))
        lower = 10.0 ** (-2.7 * _STEP)
        up, down = count - np.arange(count)[:, None], np.arange(count)[:, None]  # bands above, itself, below
        whole = (1.0 - upper**up) / (1.0 - upper) + lower * (1.0 - lower**down) / (1.0 - lower)
        each, upper, lower = (of / whole) ** 0.4, upper**0.4, lower**0.4
        out = each.copy()
        rising, falling = each, each
        for apart in range(1, count):
            rising = rising[:-1] * upper[: count - apart]
            falling = falling[1:] * lower
            out[apart:] += rising
            out[: count - apart] += falling
        return np.asarray(out**2.5)

    flat = added(np.ones((len(centre), 1)))
    return added(energy) / flat


def _mask(magnitude: Array) -> Array:
    """Power ``[bands, frames]`` that magnitudes ``[bins, frames]`` mask."""
    weights, _, internal, offset, decay = _bands()
    excited = _spread(np.maximum(weights @ magnitude**2, _LEAST) + internal[:, None])
    held = np.zeros(len(excited))
    mask = np.empty_like(excited)
    for frame in range(excited.shape[1]):
        held = decay * held + (1 - decay) * excited[:, frame]
        mask[:, frame] = np.maximum(held, excited[:, frame]) / offset
    return mask


@dataclass(frozen=True)
class MaskedNoise:
    """The sum of ratios of noise and mask over bands and frames that are not silent, and how many."""

    total: float = 0.0
    count: int = 0

    def __add__(self, other: MaskedNoise) -> MaskedNoise:
        return MaskedNoise(self.total + other.total, self.count + other.count)

    @property
    def db(self) -> float:
        """Their mean in dB; NaN where there are none or nothing differs."""
        return (
            10.0 * float(np.log10(self.total / self.count)) if self.count and self.total > 0 else float("nan")
        )


def masked_noise(original: NDArray[np.float32], marked: NDArray[np.float32], rate: int = RATE) -> MaskedNoise:
    """What `noise_to_mask` averages, to be added up over stretches.

    Args:
        original: one channel, ``[samples]``.
        marked: as long.
        rate: samples per second.
    """
    if rate != RATE:
        original, marked = (soxr.resample(v, rate, RATE, quality="HQ") for v in (original, marked))
    weights = _bands()[0]
    both = torch.from_numpy(np.stack([original, marked]).astype(np.float64))
    a, b = GRID.forward(both).abs().numpy()
    noise = weights @ (a - b) ** 2
    mask = _mask(a)
    loud = np.any(a > 0, axis=0)
    return MaskedNoise(float((noise[:, loud] / mask[:, loud]).sum()), len(noise) * int(loud.sum()))


def noise_to_mask(original: NDArray[np.float32], marked: NDArray[np.float32]) -> float:
    """Noise-to-mask ratio in dB of one channel, ``[samples]`` each at 48 kHz; below 0 dB noise is masked.

    The ratio is averaged over bands and over frames in which the original is not silent; NaN where there are
    none or nothing differs.
    """
    return masked_noise(original, marked).db


def noise_weights(original: NDArray[np.float32]) -> Array:
    """What each bin's noise counts for in the noise-to-mask ratio of this audio.

    Where noise has the spectrum D on `GRID`, the sum of these weights times |D|^2 is the most, as power, that
    `noise_to_mask` can find: that takes the difference of two magnitudes, which is no larger.

    Args:
        original: one channel, ``[samples]`` at 48 kHz.

    Returns:
        ``[bins, frames]``, at least 0; all 0 in frames of silence and below 80 Hz and above 18 kHz, where the
            model has no bands.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> music, noise = (rng.normal(0, level, RATE).astype(np.float32) for level in (0.1, 0.001))
        >>> power = np.abs(GRID.forward(noise.astype(float)).numpy()) ** 2
        >>> most = 10 * np.log10(np.sum(noise_weights(music) * power))
        >>> bool(most - 10 < noise_to_mask(music, music + noise) <= most)
        True
    """
    weights = _bands()[0]
    magnitude = GRID.forward(np.asarray(original, np.float64)).abs().numpy()
    loud = np.any(magnitude > 0, axis=0)
    counted = weights.T @ (loud / _mask(magnitude))
    return np.asarray(counted / max(len(weights) * int(loud.sum()), 1))
