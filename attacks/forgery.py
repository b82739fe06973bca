"""Making a detector accept audio that the key's owner never marked: for unmarked audio.

Suites name these after the control `unmarked`, as in `unmarked+then+copy_20dB`: there whatever the detector
accepts is a success of the adversary, and counts as a false accept.
"""

from __future__ import annotations

import numpy as np

from soundsafe.attacks.access import Access, at_snr, within
from soundsafe.attacks.registry import Audio, attack

_AROUND = (1, 3, 5)  # channels, bins, frames over which a magnitude is smoothed


def _residue(marked: Audio) -> Audio:
    """What smoothing takes from the magnitudes of a spectrum: the guess of what marking has added."""
    import torch
    from scipy.ndimage import uniform_filter

    from soundsafe.stft import Stft

    grid = Stft()
    whole = grid.whole_hops(marked)
    spectrum = grid.forward(whole).numpy()
    magnitude = np.abs(spectrum)
    rest = (magnitude - uniform_filter(magnitude, _AROUND)) / np.maximum(magnitude, 1e-12)
    found = grid.inverse(torch.from_numpy((spectrum * rest).astype(np.complex64)), whole.shape[1])
    return found.numpy()[:, : marked.shape[1]]


def _fitted(change: Audio, samples: int) -> Audio:
    """Repeated or cut to so many samples."""
    times = -(-samples // change.shape[1])
    return np.tile(change, (1, times))[:, :samples]


@attack("adversarial", {"copy_20dB": {"snr_db": 20.0}}, needs_access=True)
def copy(audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float, access: Access) -> Audio:
    """The mark of another piece, guessed by smoothing it, added to this one. Uses `others`.

    After Kutter, Voloshynovskiy and Herrigel, "The watermark copy attack", Proc. SPIE 3971, 2000.
    """
    (donor,) = access.others(1)
    return at_snr(audio, _fitted(_residue(donor), audio.shape[1]), snr_db)


@attack("adversarial", {"forge_average_20dB": {"pieces": 4, "snr_db": 20.0}}, needs_access=True)
def forge_average(
    audio: Audio, rate: int, rng: np.random.Generator, *, pieces: int, snr_db: float, access: Access
) -> Audio:
    """What the guessed marks of several pieces have in common, added to this one. Uses `others`."""
    found = [_fitted(_residue(piece), audio.shape[1]) for piece in access.others(pieces)]
    scaled = [r / max(float(np.sqrt(np.mean(r**2))), 1e-12) for r in found]
    return at_snr(audio, np.mean(scaled, axis=0), snr_db)


@attack("adversarial", {"forge_key_20dB": {"snr_db": 20.0}}, needs_access=True)
def forge_key(audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float, access: Access) -> Audio:
    """Marked by the same program with a key of the adversary's own. Uses `mark`."""
    return within(audio, access.mark(audio), snr_db)
