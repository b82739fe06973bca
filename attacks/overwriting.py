"""A second mark, with another key, over the first."""

from __future__ import annotations

import numpy as np

from soundsafe.attacks.access import Access, within
from soundsafe.attacks.registry import Audio, attack


@attack("adversarial", {"overwrite_20dB": {"snr_db": 20.0}}, needs_access=True)
def overwrite(audio: Audio, rate: int, rng: np.random.Generator, *, snr_db: float, access: Access) -> Audio:
    """Marked again by the same program with a key of the adversary's own. Uses `mark`."""
    return within(audio, access.mark(audio), snr_db)
