"""White box: down the gradient of what the detector reads, by somebody who has the key and the program."""

from __future__ import annotations

import numpy as np

from soundsafe.attacks.access import Access, at_snr, within
from soundsafe.attacks.registry import Audio, attack
from soundsafe.errors import InputError


@attack(
    "adversarial",
    {f"gradient_{db}dB": {"snr_db": float(db), "steps": 10} for db in (40, 30, 20)},
    needs_access=True,
)
def gradient(
    audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float, steps: int, access: Access
) -> Audio:
    """Projected gradient descent within a ball of `snr_db`, each step a quarter of its radius.

    Madry et al., "Towards deep learning models resistant to adversarial attacks", ICLR 2018, for the L2
    norm. Uses `gradient`.
    """
    if access.gradient is None:
        raise InputError("the system offers no gradient")
    quarter = snr_db + 20 * np.log10(4)
    now = audio
    for _ in range(steps):
        slope = access.gradient(now)
        change = at_snr(audio, -slope, float(quarter)) - audio
        now = within(audio, now + change, snr_db)
    return now
