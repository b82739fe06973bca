"""Losses, each a scalar with a gradient, the mean over a batch ``[batch, samples]`` at 44,100 Hz."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.models import INNWatermarker
from soundsafe.pipeline.adaptive_bit_allocation import SCALE, PerceptualSignificanceMetric
from soundsafe.pipeline.features import levels_db, quantized_levels, quantized_thresholds
from soundsafe.pipeline.ingest_and_chunk import COMMON_RATES
from soundsafe.pipeline.moore_glasberg import MooreGlasbergAnalyzer, masking_offset_db, roex
from soundsafe.pipeline.rules import ROBUST
from soundsafe.stft import RATE, stft
from soundsafe.training.config import TrainConfig

__all__ = [
    "GUESSED_LOSS",
    "compute_slot_stability_loss",
    "invertibility_loss",
    "message_loss",
    "mfcc_loss",
    "multi_resolution_loss",
    "noise_to_mask_loss",
    "one_second_at_44k",
    "perceptual_loss",
    "snr_loss",
]

_GRIDS = ((512, 128), (1024, 256), (2048, 512))
_MELS, _COEFFICIENTS = 40, 13
_WIDEST_DB = 30.0


GUESSED_LOSS = math.log(2.0) + 1.0 - 2.0**-8
"""`message_loss` of a reader who guesses."""


def message_loss(logits: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
    """Soft bits and bytes: cross entropy of each bit plus the mean probability of a wrong byte.

    A byte fails with 1 - prod p(bit right), which is what Reed-Solomon counts. A reader who guesses has
    `GUESSED_LOSS`.

    Args:
        logits: ``[batch, bits]``, bits a multiple of 8; positive for 1.
        bits: ``[batch, bits]``, 0 or 1.

    Returns:
        A scalar, at least 0.

    Example:
        >>> round(float(message_loss(torch.zeros(1, 8), torch.ones(1, 8))), 3)
        1.689
    """
    bits = bits.to(logits.dtype)
    soft = torch.nn.functional.binary_cross_entropy_with_logits(logits, bits)
    right = torch.nn.functional.logsigmoid(logits * (2.0 * bits - 1.0))
    return soft + (1.0 - right.unflatten(1, (-1, 8)).sum(-1).exp()).mean()


def multi_resolution_loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Spectral convergence plus mean difference of log magnitudes, over three resolutions.

    Yamamoto, Song and Kim, "Parallel WaveGAN", ICASSP 2020.

    Args:
        x: the original, ``[batch, samples]`` at 44,100 Hz.
        y: the marked audio, of the same shape.

    Returns:
        A scalar, at least 0.

    Example:
        >>> x = 0.1 * torch.randn(1, 44_100)
        >>> float(multi_resolution_loss(x, x))
        0.0
    """
    total = x.new_zeros(())
    for n_fft, hop in _GRIDS:
        a, b = _magnitude(x, n_fft, hop), _magnitude(y, n_fft, hop)
        convergence = (a - b).norm(dim=(-2, -1)) / a.norm(dim=(-2, -1)).clamp(min=1e-6)
        total = total + convergence.mean() + (torch.log(a + 1e-2) - torch.log(b + 1e-2)).abs().mean()
    return total / len(_GRIDS)


def _magnitude(x: torch.Tensor, n_fft: int, hop: int) -> torch.Tensor:
    spectrum = stft(x, n_fft, hop)
    return (spectrum.real.square() + spectrum.imag.square() + 1e-10).sqrt()


@lru_cache(maxsize=1)
def _mfcc_matrices(bins: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    hz = np.linspace(0, RATE / 2, bins)
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, _MELS + 2) / 2595) - 1)
    up = (hz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    down = (edges[2:, None] - hz) / np.diff(edges)[1:, None]
    filters = np.maximum(0, np.minimum(up, down))
    angle = np.pi / _MELS * (np.arange(_MELS) + 0.5) * np.arange(_COEFFICIENTS)[:, None]
    return filters, np.cos(angle) * np.sqrt(2 / _MELS)


def mfcc_loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of 13 mel-frequency cepstral coefficients (40 mel bands, natural logarithm).

    Args:
        x: the original, ``[batch, samples]`` at 44,100 Hz.
        y: the marked audio, of the same shape.

    Returns:
        A scalar, at least 0.

    Example:
        >>> x = 0.1 * torch.randn(1, 44_100)
        >>> float(mfcc_loss(x, x))
        0.0
    """
    filters, dct = (torch.as_tensor(m).to(x) for m in _mfcc_matrices(1025))
    a, b = (dct @ torch.log(filters @ (_magnitude(one, 2048, 512) ** 2) + 1e-3) for one in (x, y))
    return (a - b).abs().mean()


def snr_loss(x: torch.Tensor, y: torch.Tensor, target_db: float = 30.0) -> torch.Tensor:
    """How far the signal-to-noise ratio stays below a target, smoothly down to 0.

    Args:
        x: the original, ``[batch, samples]``.
        y: the marked audio, of the same shape.
        target_db: in dB.

    Returns:
        A scalar above 0, in units of 10 dB.

    Example:
        >>> x = torch.ones(1, 100)
        >>> round(float(snr_loss(x, 1.1 * x, target_db=50.0)), 2)
        3.05
    """
    noise, signal = (y - x).square().sum(-1), x.square().sum(-1)
    below = target_db / 10.0 + torch.log10((noise + 1e-9) / (signal + 1e-9))
    return torch.nn.functional.softplus(below).mean()


@lru_cache(maxsize=1)
def _analyzer() -> MooreGlasbergAnalyzer:
    return MooreGlasbergAnalyzer()


def noise_to_mask_loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean of ln(1 + noise / what the original hides), over bands and frames; the noise is y - x.

    Args:
        x: the original, ``[batch, samples]`` at 44,100 Hz.
        y: the marked audio, of the same shape.

    Returns:
        A scalar, at least 0.

    Example:
        >>> x = 0.1 * torch.randn(1, 44_100)
        >>> bool(noise_to_mask_loss(x, x) < noise_to_mask_loss(x, 1.1 * x))
        True
    """
    mask = _analyzer()
    hidden = [mask.masked_power(_magnitude(one.detach().double(), 882, 441)) for one in x]
    noise = _magnitude(y - x, 882, 441).square()
    power = noise.new_zeros(len(x), mask.n_critical_bands, noise.shape[-1])
    power = power.index_add(1, torch.as_tensor(mask.band_indices, device=x.device), noise)
    limit = torch.as_tensor(np.stack(hidden)).to(x) * mask._full_scale_power
    return torch.log1p(power / limit).mean()


def perceptual_loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Sum of the four perceptual terms, each of the order of 1 for a mark that is plainly heard.

    Args:
        x: the original, ``[batch, samples]`` at 44,100 Hz.
        y: the marked audio, of the same shape.

    Returns:
        A scalar above 0.

    Example:
        >>> x = 0.1 * torch.randn(1, 44_100)
        >>> bool(perceptual_loss(x, 1.001 * x) < perceptual_loss(x, 1.1 * x))
        True
    """
    return multi_resolution_loss(x, y) + mfcc_loss(x, y) + snr_loss(x, y) + noise_to_mask_loss(x, y)


def invertibility_loss(model: INNWatermarker, x: torch.Tensor, bits: torch.Tensor) -> torch.Tensor:
    """What is lost on the way: encode, inverse transform, transform, invert.

    The blocks invert exactly; the loss measures what an edited spectrum loses that belongs to no signal.

    Args:
        model: the network.
        x: audio ``[batch, samples]`` at 44,100 Hz.
        bits: ``[batch, bits]``, 0 or 1.

    Returns:
        A scalar, at least 0: the relative error of the audio plus that of the message.

    Example:
        >>> model = INNWatermarker(bits=64)
        >>> bool(invertibility_loss(model, 0.1 * torch.randn(1, 44_100), torch.ones(1, 64)) > 0)
        True
    """
    spectrum = model.stft(x)
    message = model.coupling_net.spread(bits.to(x.dtype))
    marked, rest = model(spectrum, message)
    again = model.stft(model.stft.inverse(marked, x.shape[-1]))
    audio, back = model.inverse(again, rest)
    cells = (1, 2, 3)
    lost = (audio - spectrum).abs().mean(cells) / spectrum.abs().mean(cells).clamp(min=1e-6)
    return (lost + (back - message).abs().mean(cells) / message.abs().mean(cells)).mean()


def _soft_significance(mag: torch.Tensor, fixed: NDArray[np.float64], quiet: torch.Tensor) -> torch.Tensor:
    """Significance ``[bands]`` without rounding; maskers' slopes and tonality (`fixed`) are held."""
    mask = _analyzer()
    power = mag.new_zeros(mask.n_critical_bands, mag.shape[-1])
    power = power.index_add(0, torch.as_tensor(mask.band_indices, device=mag.device), mag.square())
    hidden = torch.einsum("bmt,mt->bt", torch.as_tensor(fixed).to(mag), power)
    hidden = torch.maximum(hidden / mask._full_scale_power, quiet)
    cells = torch.as_tensor(np.maximum(mask.bins_per_band, 1)).to(mag)[:, None]
    threshold = (hidden * mask._full_scale_power / cells).sqrt()
    weight = SCALE / (threshold.quantile(0.5, dim=1) + 2.0)
    return weight * SCALE / weight.sum()


def _masking_matrix(mag: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each masker's power that hides in each band, ``[bands, maskers, frames]``."""
    mask = _analyzer()
    fc = mask.center_frequencies
    level = mask.full_scale_db + 10.0 * np.log10(np.maximum(mask.band_power(mag), 1e-30))
    offset = 10.0 ** (-masking_offset_db(fc[:, None], mask.tonality(mag)) / 10.0)
    return np.asarray(roex(fc[:, None, None], fc[None, :, None], level[None]) * offset[None])


def _levels_in_db(mag: torch.Tensor) -> torch.Tensor:
    """`levels_db` of magnitudes ``[bins, frames]``, ``[bands]``, with a gradient."""
    mask = _analyzer()
    power = mag.new_zeros(mask.n_critical_bands, mag.shape[-1])
    power = power.index_add(0, torch.as_tensor(mask.band_indices, device=mag.device), mag.square())
    level = 10.0 * torch.log10(power.clamp(min=1e-12))
    return (level - level[slice(*ROBUST.bands)].mean(0)).quantile(0.5, dim=1)


def _by_levels(mag: torch.Tensor, plain: NDArray[np.float64]) -> tuple[NDArray[np.int64], torch.Tensor]:
    """Significance of the bands that carry bits under the robust rules: exact, and without rounding."""
    bands = slice(*ROBUST.bands)
    steps = quantized_levels(levels_db(plain, _analyzer()), ROBUST)[bands]
    exact = PerceptualSignificanceMetric().compute(steps[:, None])
    # Whole steps lie half a step below what they were rounded down from, on average.
    soft = (_levels_in_db(mag)[bands].clamp(-_WIDEST_DB, _WIDEST_DB) + _WIDEST_DB) / ROBUST.step - 0.5
    weight = SCALE / (soft + 2.0)
    return exact, weight * SCALE / weight.sum()


def _by_thresholds(
    mag: torch.Tensor, plain: NDArray[np.float64], step: float
) -> tuple[NDArray[np.int64], torch.Tensor]:
    """Significance of all bands as in the original design: exact, and without rounding."""
    mask = _analyzer()
    quiet = 10.0 ** ((mask.quiet_db - mask.full_scale_db) / 10.0)[:, None]
    exact = PerceptualSignificanceMetric().compute(quantized_thresholds(mask.band_thresholds(plain), step))
    return exact, _soft_significance(mag, _masking_matrix(plain), torch.as_tensor(quiet).to(mag))


def compute_slot_stability_loss(
    x_ref: torch.Tensor, x_wm: torch.Tensor, cfg: TrainConfig, model: INNWatermarker
) -> torch.Tensor:
    """Mean absolute difference of the bands' significance between original and marked audio.

    Under ``cfg.profile`` ``robust`` significance is that of levels relative to the frame, median over the
    second, in steps of 3 dB: gain does not move them. Under ``seed`` it is that of masked thresholds, floored
    to ``cfg.thr_step``. The value is exact, by the integers of ``PerceptualSignificanceMetric``. The gradient
    is that of the same distance without rounding (straight through), by the power of each band; tonality and
    slopes of maskers are held. A second in which nothing differs has none.

    Args:
        x_ref: the original, ``[batch, samples]`` at 44,100 Hz, or one second at another common rate, whose
            number of samples is the rate.
        x_wm: the marked audio, likewise; its rate may be another.
        cfg: its `profile` and `thr_step` are used.
        model: its transform is used.

    Returns:
        A scalar, at least 0, in millionths of all bits.

    Example:
        >>> model, x = INNWatermarker(bits=64), 0.1 * torch.randn(1, 44_100)
        >>> float(compute_slot_stability_loss(x, 0.7 * x, TrainConfig(), model))
        0.0
    """
    if not (torch.isfinite(x_ref).all() and torch.isfinite(x_wm).all()):
        return x_wm.new_full((), torch.nan)  # a network that has diverged: the trainer says so
    losses = []
    for ref, wm in zip(x_ref, x_wm, strict=True):
        exact, soft = [], []
        for one in (ref, wm):
            mag = _channel_magnitude(model, one_second_at_44k(one))
            plain = mag.detach().cpu().double().numpy()
            seed = cfg.profile == "seed"
            whole, smooth = _by_thresholds(mag, plain, cfg.thr_step) if seed else _by_levels(mag, plain)
            exact.append(whole)
            soft.append(smooth)
        value = float(np.abs(exact[0] - exact[1]).mean())
        # Where nothing differs there is no gradient either: it would only make the mark fainter.
        distance = (soft[0].detach() - soft[1]).abs().mean() * (value > 0)
        losses.append(distance - distance.detach() + value)
    return torch.stack(losses).mean()


def one_second_at_44k(x: torch.Tensor) -> torch.Tensor:
    """A second at another common rate, resampled by its spectrum, with a gradient; all else as it is.

    Args:
        x: ``[..., samples]``; a number of samples that is a common rate is taken for one second at it.

    Returns:
        ``[..., 44100]``, or `x` itself.

    Example:
        >>> tuple(one_second_at_44k(torch.zeros(2, 22_050)).shape)
        (2, 44100)
    """
    n = x.shape[-1]
    if n == RATE or n not in COMMON_RATES:
        return x
    spectrum = torch.fft.rfft(x)[..., : RATE // 2 + 1]
    return torch.fft.irfft(spectrum, RATE) * (RATE / n)


def _channel_magnitude(model: INNWatermarker, x: torch.Tensor) -> torch.Tensor:
    spectrum: torch.Tensor = model.stft(x[None])[0]
    return spectrum.square().sum(0).clamp(min=1e-12).sqrt()
