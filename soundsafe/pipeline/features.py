"""The quantised features that embedder and detector each compute from the audio that they have.

Audio is rounded to float32 and analysed in float64, mixed to one channel: the same samples give the same
features whatever type, shape or batch they come in.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.pipeline.moore_glasberg import MooreGlasbergAnalyzer
from soundsafe.pipeline.rules import Rules
from soundsafe.stft import Array, Stft, as_tensor

__all__ = [
    "cheapest_subsets",
    "levels_db",
    "magnitude",
    "mono",
    "quantized_levels",
    "quantized_thresholds",
]

Floats = NDArray[np.float64]

_LOWEST_DB = -30.0
_HIGHEST_DB = 30.0


def mono(audio: Array) -> torch.Tensor:
    """The mean of the channels.

    Args:
        audio: ``[samples]`` or ``[channels, samples]``, NumPy or torch, finite.

    Returns:
        ``[samples]``, rounded to float32 and then float64, so that every type of input gives the same.

    Raises:
        ValueError: another shape, an empty signal, or samples that are not finite.

    Example:
        >>> mono(np.array([[0.5, 0.25], [-0.5, 0.25]])).tolist()
        [0.0, 0.25]
    """
    x = as_tensor(audio)
    if x.ndim not in (1, 2) or x.numel() == 0:
        raise ValueError(f"audio must be [channels, samples], not {tuple(x.shape)}")
    x = x.detach().cpu().float()
    if not torch.isfinite(x).all():
        raise ValueError("samples must be finite")
    x = x.double()
    return x if x.ndim == 1 else x.mean(0)


def magnitude(audio: Array, n_fft: int = 882, hop: int = 441) -> Floats:
    """Magnitudes of the short-time spectrum, channels mixed to one.

    Args:
        audio: ``[samples]`` or ``[channels, samples]``, finite.
        n_fft: length of the transform in samples.
        hop: samples from frame to frame.

    Returns:
        ``[bins, frames]``, at least 0.

    Raises:
        ValueError: another shape, an empty signal, or samples that are not finite.

    Example:
        >>> magnitude(np.zeros(44_100)).shape
        (442, 101)
    """
    return Stft(n_fft, hop).forward(mono(audio)).abs().numpy()


def quantized_thresholds(thresholds: Floats, step: float) -> Floats:
    """Thresholds rounded down to multiples of a step: the seed profile's features.

    Args:
        thresholds: ``[bands, frames]``, at least 0, in units of magnitude.
        step: above 0, in the same units.

    Returns:
        ``[bands, frames]``, as floats.

    Example:
        >>> quantized_thresholds(np.array([[0.37]]), 0.25).tolist()
        [[0.25]]
    """
    return np.floor(thresholds / step) * step


def levels_db(mag: Floats, analyzer: MooreGlasbergAnalyzer) -> Floats:
    """Level of each band over the middle bands, median over frames: the robust profile's features.

    Each frame is taken relative to itself, so that neither gain nor a limiter's slow gain moves the levels.

    Args:
        mag: magnitudes ``[bins, frames]``, finite and not negative.
        analyzer: the masking model, which has the bands.

    Returns:
        dB, ``[bands]``.

    Raises:
        ValueError: `mag` has another shape, or values that are negative or not finite.

    Example:
        >>> noise = np.random.default_rng(0).normal(0, 0.1, 44_100)
        >>> levels = levels_db(magnitude(noise), MooreGlasbergAnalyzer())
        >>> bool(np.allclose(levels, levels_db(magnitude(0.5 * noise), MooreGlasbergAnalyzer()), atol=1e-3))
        True
    """
    return np.median(analyzer.band_levels_db(mag), axis=1)


def quantized_levels(levels: Floats, rules: Rules) -> NDArray[np.int64]:
    """Levels in whole steps above -30 dB.

    Args:
        levels: ``[bands]`` in dB; held between -30 and +30.
        rules: their `step` in dB, and the `bands` that carry bits.

    Returns:
        Whole steps, ``[bands]``, at least 0; 0 for bands that carry nothing.

    Example:
        >>> from soundsafe.pipeline.rules import ROBUST
        >>> quantized_levels(np.full(24, 4.0), ROBUST).tolist()[3:6]
        [0, 11, 11]
    """
    q = np.floor((np.clip(levels, _LOWEST_DB, _HIGHEST_DB) - _LOWEST_DB) / rules.step).astype(np.int64)
    q[: rules.bands[0]] = q[rules.bands[1] :] = 0
    return q


def cheapest_subsets(costs: list[float], count: int) -> Iterator[tuple[int, ...]]:
    """The subsets of least total cost, the cheapest first.

    Args:
        costs: of each element, ascending, at least 0.
        count: how many subsets at most.

    Yields:
        Indices into `costs`, ascending; the empty subset comes first.

    Example:
        >>> list(cheapest_subsets([1.0, 2.0, 4.0], 4))
        [(), (0,), (1,), (0, 1)]
    """
    yield ()
    heap: list[tuple[float, tuple[int, ...]]] = [(costs[0], (0,))] if costs else []
    for _ in range(count - 1):
        if not heap:
            return
        cost, subset = heapq.heappop(heap)
        yield subset
        last = subset[-1]
        if last + 1 < len(costs):
            heapq.heappush(heap, (cost + costs[last + 1], (*subset, last + 1)))
            heapq.heappush(heap, (cost - costs[last] + costs[last + 1], (*subset[:-1], last + 1)))
