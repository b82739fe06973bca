"""Measures of outside packages that take long or need much: made only when asked for by name.

They come with the extra `quality`. Each takes original and marked audio, float32 [channels, samples] in
[-1, 1], and gives the worst channel; NaN where the audio is too short for it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from types import ModuleType

import numpy as np
import soxr

from soundsafe.aliases import Audio, Floats
from soundsafe.errors import InputError
from soundsafe.eval.metrics.registry import metric

__all__ = ["pesq", "stoi", "visqol"]


def _package(name: str, metric_name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"metric {metric_name} needs a package that is missing: pip install 'soundsafe[quality]'"
        ) from error


def _channels(original: Audio, marked: Audio, rate: int, to: int) -> list[tuple[Floats, Floats]]:
    """Pairs of channels at another rate, float64."""

    def resampled(audio: Audio) -> Floats:
        x = np.atleast_2d(audio).astype(np.float64)
        return x if rate == to else np.asarray(soxr.resample(x.T, rate, to, quality="HQ")).T

    return list(zip(resampled(original), resampled(marked), strict=True))


@cache
def _visqol() -> Callable[[Floats, Floats], float]:
    api = _package("visqol", "visqol").VisqolApi()
    api.create(mode="audio")
    return lambda a, b: float(api.measure_from_arrays(a, b, sample_rate=48_000).moslqo)


@metric("visqol", unit="MOS-LQO", better="higher", level="marking", package="visqol")
def visqol(original: Audio, marked: Audio, rate: int) -> float:
    """ViSQOL in audio mode at 48 kHz (package visqol-python): many seconds for each second of audio."""
    opinion = _visqol()
    if np.atleast_2d(original).shape[1] < rate:
        return float("nan")
    pairs = _channels(original, marked, rate, 48_000)
    return min(opinion(a, b) for a, b in pairs)


@metric("pesq", unit="MOS-LQO", better="higher", level="marking", package="pesq")
def pesq(original: Audio, marked: Audio, rate: int) -> float:
    """Wide-band PESQ (ITU-T P.862.2) at 16 kHz: means something for speech alone."""
    package = _package("pesq", "pesq")
    if np.atleast_2d(original).shape[1] < rate // 4:
        return float("nan")
    pairs = _channels(original, marked, rate, 16_000)
    try:
        return min(float(package.pesq(16_000, a, b, "wb")) for a, b in pairs)
    except package.NoUtterancesError:
        return float("nan")


@metric("stoi", unit="0 to 1", better="higher", level="marking", package="pystoi")
def stoi(original: Audio, marked: Audio, rate: int) -> float:
    """Short-time objective intelligibility at 10 kHz: means something for speech alone."""
    package = _package("pystoi", "stoi")
    if np.atleast_2d(original).shape[1] < rate // 2:
        return float("nan")
    pairs = _channels(original, marked, rate, 10_000)
    return min(float(package.stoi(a, b, 10_000, extended=False)) for a, b in pairs)
