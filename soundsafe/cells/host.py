"""The codes that a second's audio names: what binds a mark of the cell layer to the audio it is in."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from soundsafe.aliases import Floats
from soundsafe.cells.code import CellCode
from soundsafe.pipeline.descriptions import band_edges, description, features_of_powers, likely_descriptions
from soundsafe.stft import RATE, Stft

__all__ = ["code_of_second", "codes_of_second", "host_features", "with_missing_frames"]


@lru_cache(maxsize=4)
def _band_shares(bins: int) -> torch.Tensor:
    """Share of each bin in each band ``[bands, bins]``."""
    width = RATE / Stft().n_fft
    low = (np.arange(bins) - 0.5) * width
    inside = np.clip((band_edges()[:, None] - low) / width, 0.0, 1.0)
    return torch.from_numpy(np.diff(inside, axis=0).astype(np.float32))


def host_features(spectrum: torch.Tensor) -> Floats:
    """How the levels of bands move in a second.

    Args:
        spectrum: ``[bins, EUL_FRAMES]`` of one mixture of channels on the detector's grid; it may end at some
            bin above 3 kHz.

    Returns:
        ``[8]`` in dB, see `soundsafe.pipeline.descriptions.features_of_powers`.
    """
    power = spectrum.real.square() + spectrum.imag.square()
    return features_of_powers((_band_shares(len(power)) @ power).double().numpy())


def with_missing_frames(mixed: torch.Tensor, there: NDArray[np.bool_]) -> torch.Tensor:
    """The spectrum ``[bins, frames]`` of a second with its missing frames taken to be as the nearest that is
    `there` ``[frames]``: what describes all of it follows about as it was."""
    at = np.flatnonzero(there)
    nearest = at[np.abs(np.arange(len(there))[:, None] - at).argmin(axis=1)]
    return mixed[:, torch.from_numpy(nearest)]


def code_of_second(mixed: torch.Tensor, phase: int, code: CellCode) -> CellCode:
    """The code of a second to be marked.

    Args:
        mixed: its spectrum ``[bins, EUL_FRAMES]``, of the mixture of channels that is to carry it.
        phase: its number modulo `PHASES`.
        code: key and profile.

    Returns:
        `code` itself where its profile is of version 1, which does not bind marks to their audio.
    """
    return code.of_host(description(host_features(mixed)), phase) if code.profile.host_bound else code


def codes_of_second(
    mixed: torch.Tensor, phase: int, code: CellCode, most: int
) -> list[tuple[CellCode, float]]:
    """The codes that a second may have been marked with.

    Args:
        mixed: its spectrum ``[bins, EUL_FRAMES]``, of the mixture of channels that carries it.
        phase: its number modulo `PHASES`.
        code: key and profile.
        most: how many descriptions of its audio are considered.

    Returns:
        The likeliest, then the one of marks of version 1, then the others in order; each with how far in dB
        the features, all together, would have to move for it.
    """
    if not code.profile.host_bound:
        return [(code, 0.0)]
    first, *others = likely_descriptions(host_features(mixed), most)
    return [
        (code.of_host(first[0], phase), first[1]),
        (code, 0.0),
        *((code.of_host(word, phase), away) for word, away in others),
    ]
