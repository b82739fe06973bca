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
    "candidate_levels",
    "cheapest_subsets",
    "levels_db",
    "magnitude",
    "mono",
    "nudges_db",
    "quantized_levels",
    "quantized_thresholds",
]

Floats = NDArray[np.float64]

_LOWEST_DB = -30.0
_HIGHEST_DB = 30.0


def mono(audio: Array) -> torch.Tensor:
    """The mean of the channels of ``[samples]`` or ``[channels, samples]``, rounded to float32, as float64.

    Raises ValueError for another shape, an empty signal, or samples that are not finite.
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
    """Magnitudes ``[bins, frames]`` of ``[samples]`` or ``[channels, samples]``, mixed to one channel."""
    return Stft(n_fft, hop).forward(mono(audio)).abs().numpy()


def quantized_thresholds(thresholds: Floats, step: float) -> Floats:
    """Thresholds rounded down to multiples of `step`, as floats: the seed profile's features."""
    return np.floor(thresholds / step) * step


def levels_db(mag: Floats, analyzer: MooreGlasbergAnalyzer) -> Floats:
    """Level of each band in dB, ``[bands]``: the median over frames of what it has over the middle bands.

    Of each frame relative to itself, so that neither gain nor a limiter's slow gain moves it.
    """
    return np.median(analyzer.band_levels_db(mag), axis=1)


def quantized_levels(levels: Floats, rules: Rules) -> NDArray[np.int64]:
    """Levels in steps of ``rules.step`` above -30 dB, held at +30 dB; 0 for bands that carry nothing."""
    q = np.floor((np.clip(levels, _LOWEST_DB, _HIGHEST_DB) - _LOWEST_DB) / rules.step).astype(np.int64)
    q[: rules.bands[0]] = q[rules.bands[1] :] = 0
    return q


def _edges(levels: Floats, rules: Rules) -> tuple[Floats, NDArray[np.int64]]:
    """Signed distance in dB of each level to its nearest edge (negative: the edge is below), and the step
    beyond.

    Infinite where there is nothing beyond, or the band carries nothing.
    """
    q = quantized_levels(levels, rules)
    above = (np.clip(levels, _LOWEST_DB, _HIGHEST_DB) - _LOWEST_DB) - q * rules.step
    down = above <= rules.step / 2
    distance = np.where(down, -above, rules.step - above)
    beyond = np.where(down, q - 1, q + 1)
    top = int(np.floor((_HIGHEST_DB - _LOWEST_DB) / rules.step))
    nothing = (beyond < 0) | (beyond > top)
    nothing[: rules.bands[0]] = nothing[rules.bands[1] :] = True
    return np.where(nothing, np.inf, distance), beyond


def nudges_db(levels: Floats, rules: Rules, guard_db: float | None = None) -> Floats:
    """Gains in dB, ``[bands]``, that move every level at least the guard away from its edges.

    None exceeds the guard (``rules.guard_db`` unless given). Relative to the middle bands' mean, which they
    move too a little: repeat until all are 0.
    """
    guard = rules.guard_db if guard_db is None else guard_db
    distance, _ = _edges(levels, rules)
    near = np.abs(distance) < guard
    away = np.where(distance <= 0, guard + distance, distance - guard)
    return np.where(near, away, 0.0)


def candidate_levels(levels: Floats, rules: Rules) -> list[NDArray[np.int64]]:
    """At most ``rules.candidates`` quantised levels that `levels` may have been, the likeliest first.

    Likelihood as if each level had moved by independent noise of equal variance: the first is the plain
    quantisation, the next crosses the edges with the least sum of squared distances.
    """
    q = quantized_levels(levels, rules)
    distance, beyond = _edges(levels, rules)
    bands = [int(b) for b in np.argsort(np.abs(distance), kind="stable") if np.isfinite(distance[b])]
    found = []
    for crossed in cheapest_subsets([float(distance[b] ** 2) for b in bands], rules.candidates):
        candidate = q.copy()
        for i in crossed:
            candidate[bands[i]] = beyond[bands[i]]
        found.append(candidate)
    return found


def cheapest_subsets(costs: list[float], count: int) -> Iterator[tuple[int, ...]]:
    """The `count` subsets of least total cost, cheapest first; `costs` ascend."""
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
