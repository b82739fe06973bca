"""The gradient of what this package's detector reads, for an adversary who has the key.

Of the layer of one-second EULs alone, at 44.1 kHz, for marks whose first EUL starts at the first sample. A
system of another package brings its own method `gradient(audio, rate, payload, key)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from soundsafe import coded_bits
from soundsafe.aliases import Audio
from soundsafe.cells.code import CellCode
from soundsafe.cells.lattice import cell_index, project
from soundsafe.cells.masking import threshold
from soundsafe.cells.mixtures import mix_channels, mixtures
from soundsafe.cells.profile import EUL_FRAMES, EUL_SAMPLES, PHASES
from soundsafe.cells.reading import read_second
from soundsafe.errors import InputError
from soundsafe.eval.systems.codec import Soundsafe
from soundsafe.eval.systems.interface import System
from soundsafe.stft import RATE, stft

__all__ = ["gradient_of"]

Gradient = Callable[[Audio, int, bytes, bytes], Audio]


@runtime_checkable
class _WithGradient(Protocol):
    """A system that brings its own."""

    def gradient(self, audio: Audio, rate: int, payload: bytes, key: bytes) -> Audio: ...


def gradient_of(system: System) -> Gradient | None:
    """The system's own gradient, or that of this package's codec with its profile; None for any other."""
    if isinstance(system, _WithGradient):
        return system.gradient
    if not isinstance(system, Soundsafe):
        return None
    profile = system.profile
    return lambda audio, rate, payload, key: _gradient(audio, rate, payload, CellCode(key, profile))


def _gradient(audio: Audio, rate: int, payload: bytes, code: CellCode) -> Audio:
    """By the samples of `audio` ``[channels, samples]``: of the sum, over all carriers of all EULs, of the
    cosine that is 1 where a carrier lies on the right lattice point and -1 on the wrong one.

    Layouts and scales are those that the detector takes, and held.
    """
    if rate != RATE:
        raise InputError(f"the gradient is that of {RATE} Hz, not of {rate} Hz")
    n = audio.shape[1] // EUL_SAMPLES
    bits = torch.from_numpy(np.asarray(coded_bits(payload, code.key, n, code.profile), dtype=np.uint8))
    geo = code.geometry
    x = torch.from_numpy(audio.copy()).requires_grad_(True)
    spectrum = stft(x)
    total = torch.zeros(())
    for eul in range(n):
        phase = eul % PHASES
        reading = read_second(audio, eul * EUL_SAMPLES, phase, code)
        if reading is None or spectrum.shape[-1] < (eul + 1) * EUL_FRAMES:
            continue
        part = spectrum[..., eul * EUL_FRAMES : (eul + 1) * EUL_FRAMES]
        scale = torch.tensor(reading.scales)
        wanted = (bits[eul] ^ torch.from_numpy(geo.scramble)).float()
        for mix, lay in zip(mixtures(len(audio), phase), reading.layouts, strict=True):
            mixed = mix_channels(part, mix)
            own = replace(code, host=lay.host).geometry
            index = cell_index(own, torch.zeros(1, dtype=torch.int64), EUL_FRAMES)[0]
            p = project(mixed / threshold(mixed, code.profile), index, own)[lay.slots]
            position = p / geo.step[lay.slots] / scale[torch.from_numpy(geo.region[lay.slots])] + lay.dither
            total = total + torch.cos(math.pi * (position - wanted)).sum()
    if not total.requires_grad:
        raise InputError("the audio holds no whole EUL")
    (slope,) = torch.autograd.grad(total, x)
    return np.nan_to_num(slope.numpy(), posinf=0.0, neginf=0.0)
