"""Added noise: at a ratio to the clip's own power, or at an absolute level. What is random is so in each
channel by itself, but for the hum, clatter and level of `background`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundsafe.attacks.registry import Audio, attack

COLOURS = ("white", "pink", "brown", "background")
SNR_DB = (60, 50, 40, 35, 30, 25, 20, 15, 10, 5)

_EXPONENT = {"white": 0.0, "pink": 0.5, "brown": 1.0, "background": 0.5}  # amplitude falls as f ** -exponent
_LOWEST_HZ = 20.0  # below it coloured noise is flat, else its power would hide under hearing


@attack(
    "noise",
    {f"noise_{c}_{snr}dB": {"colour": c, "snr_db": snr} for c in COLOURS for snr in SNR_DB},
    differentiable=True,
)
def noise_snr(audio: Audio, rate: int, rng: np.random.Generator, *, colour: str, snr_db: float) -> Audio:
    """Noise `snr_db` below the mean power of the whole clip; nothing is added to silence.

    `background` is an imitation of a busy room: pink noise whose level wanders, mains hum, and clatter.
    """
    return add_noise(audio, rate, rng, colour, snr_db)


@attack(
    "noise",
    {
        f"noise_{c}_std_{std}": {"colour": c, "std": std}
        for c, levels in {
            "white": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3),
            "pink": (0.01, 0.03, 0.1, 0.3, 1),
        }.items()
        for std in levels
    },
    differentiable=True,
)
def noise_level(audio: Audio, rate: int, rng: np.random.Generator, *, colour: str, std: float) -> Audio:
    """Noise of a standard deviation of `std` (full scale is 1), whatever the clip's level."""
    return audio + np.float32(std) * make_noise(audio.shape, rate, rng, colour)


def add_noise(audio: Audio, rate: int, rng: np.random.Generator, colour: str, snr_db: float) -> Audio:
    """`audio` with noise of unit colour scaled to `snr_db` below its mean power."""
    rms = _rms(audio.astype(np.float64))
    noise = make_noise(audio.shape, rate, rng, colour)
    noise *= np.float32(rms * 10 ** (-snr_db / 20))
    noise += audio
    return noise


def _rms(x: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.vdot(x, x) / x.size))


def make_noise(shape: tuple[int, ...], rate: int, rng: np.random.Generator, colour: str) -> Audio:
    """Noise `[channels, samples]` of unit power over the whole array."""
    noise = rng.standard_normal(shape)
    if _EXPONENT[colour]:
        spectrum = np.fft.rfft(noise)
        frequency = np.fft.rfftfreq(shape[1], 1 / rate)
        noise = np.fft.irfft(spectrum * np.maximum(frequency, _LOWEST_HZ) ** -_EXPONENT[colour], shape[1])
    if colour == "background":
        noise = _background(noise / _rms(noise), rate, rng)
    noise /= _rms(noise)
    return noise.astype(np.float32)


def _background(noise: NDArray[np.float64], rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
    samples = noise.shape[1]
    t = np.arange(samples) / rate
    knots = np.arange(0, t[-1] + 1, 0.5)
    level = 10 ** (np.interp(t, knots, rng.normal(0, 4, len(knots))) / 20)
    hum = sum(np.sin(2 * np.pi * 50 * k * t + rng.uniform(0, 2 * np.pi)) / k for k in (1, 2, 3, 5))
    clatter = np.zeros(samples)
    for at in rng.integers(0, samples, max(1, round(2 * samples / rate))):
        length = min(samples - at, round(0.05 * rate))
        decay = np.exp(-np.arange(length) / (0.01 * rate))
        clatter[at : at + length] += 2 * decay * rng.standard_normal(length)
    return noise * level + 0.2 * hum + clatter
