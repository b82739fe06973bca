"""White box: down the gradient of what the detector reads, by somebody who has the key and the program.

Projected gradient descent: Madry et al., "Towards deep learning models resistant to adversarial attacks",
ICLR 2018, for the L2 norm. The norm is that of the samples, or of noise against what the audio masks: Qin,
Carlini, Goodfellow, Cottrell and Raffel, "Imperceptible, robust, and targeted adversarial examples for
automatic speech recognition", ICML 2019, keep changes under a masking threshold too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from soundsafe.attacks.access import Access, at_snr, within
from soundsafe.attacks.registry import Audio, attack
from soundsafe.errors import InputError

_QUARTER_DB = float(20 * np.log10(4))
"""Each step is a quarter of the budget's radius."""

_LEAST = 1e-3
"""Of the slope's mean size: bins with less say nothing."""


@attack(
    "adversarial",
    {f"gradient_{db}dB": {"snr_db": float(db), "steps": 10} for db in (40, 30, 20)},
    needs_access=True,
)
def gradient(
    audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float, steps: int, access: Access
) -> Audio:
    """Projected gradient descent within a ball of `snr_db`. Uses `gradient`."""
    slope = _slope_of(access)
    now = audio
    for _ in range(steps):
        change = at_snr(audio, -slope(now), snr_db + _QUARTER_DB) - audio
        now = within(audio, now + change, snr_db)
    return now


@attack(
    "adversarial",
    {f"gradient_nmr_{db}dB": {"nmr_db": float(db), "steps": 10} for db in (-20, -10, 0)},
    needs_access=True,
)
def gradient_nmr(
    audio: Audio, rate: int, rng: np.random.Generator, *, nmr_db: float, steps: int, access: Access
) -> Audio:
    """The same within a noise-to-mask ratio of `nmr_db`, each step as far below the mask in all bins.

    The ratio is that of ITU-R BS.1387 (`soundsafe.distance.nmr`), the mean over bands, and over frames and
    channels that are not silent. Uses `gradient`.
    """
    slope = _slope_of(access)
    ear = _Ear(audio, rate)
    change = np.zeros_like(audio)
    for _ in range(steps):
        step = ear.along(-slope(audio + change))
        change = change + ear.scaled(step, nmr_db - _QUARTER_DB, up=True)
        change = ear.scaled(change, nmr_db)
    return audio + change


def _slope_of(access: Access) -> Callable[[Audio], Audio]:
    if access.gradient is None:
        raise InputError("the system offers no gradient")
    return access.gradient


class _Ear:
    """The noise-to-mask ratio of changes to some audio, as a norm of the change."""

    def __init__(self, audio: Audio, rate: int) -> None:
        from soundsafe.distance.nmr import noise_weights  # brings torch

        self._rate, self._samples = rate, audio.shape[1]
        each = np.stack([noise_weights(channel) for channel in self._resampled(audio)])
        self._weights = each / max(int(np.any(each > 0, axis=(1, 2)).sum()), 1)

    def along(self, slope: Audio) -> Audio:
        """With the phases of `slope`, and in each bin of its spectrum the same share of the mask.

        Nothing where the model hears nothing, and where the slope has next to nothing.
        """
        import soxr
        import torch

        from soundsafe.distance.nmr import GRID, RATE

        at_rate = self._resampled(slope)
        spectrum = GRID.forward(at_rate.astype(np.float64)).numpy()
        size = np.abs(spectrum)
        told = (self._weights > 0) & (size > _LEAST * np.sqrt(np.mean(size**2)))
        flat = np.divide(spectrum, size * np.sqrt(self._weights), out=np.zeros_like(spectrum), where=told)
        out = GRID.inverse(torch.from_numpy(flat), at_rate.shape[1]).numpy()
        back = soxr.resample(out.T, RATE, self._rate, quality="HQ").T
        return np.pad(back, ((0, 0), (0, self._samples)))[:, : self._samples].astype(np.float32)

    def scaled(self, change: Audio, nmr_db: float, up: bool = False) -> Audio:
        """`change` made smaller to a ratio of `nmr_db` where it is above; where below, larger if `up`."""
        from soundsafe.distance.nmr import GRID

        power = GRID.forward(self._resampled(change).astype(np.float64)).abs().square().numpy()
        ratio = float(np.sum(self._weights * power))
        wanted = 10 ** (nmr_db / 10)
        if ratio == 0:
            return np.zeros_like(change)
        return change * np.float32(np.sqrt(wanted / ratio)) if up or ratio > wanted else change

    def _resampled(self, audio: Audio) -> Audio:
        import soxr

        from soundsafe.distance.nmr import RATE

        if self._rate == RATE:
            return audio
        return np.ascontiguousarray(soxr.resample(audio.T, self._rate, RATE, quality="HQ").T)
