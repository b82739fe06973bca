"""Recording again: the speaker's band, the room, the noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundsafe import attacks

RATE = 44100


def test_phone_has_a_small_speaker(stereo: NDArray[np.float32]) -> None:
    result = attacks.get("rerecord_phone").apply(stereo, RATE, np.random.default_rng(0))
    before, after = (np.abs(np.fft.rfft(a[0], 2**17)) ** 2 for a in (stereo, result))
    low, middle = slice(300, 600), slice(2000, 6000)  # 100-200 Hz, 700-2000 Hz
    assert after[low].mean() / after[middle].mean() < 0.1 * before[low].mean() / before[middle].mean()


def test_worse_places_are_worse(stereo: NDArray[np.float32]) -> None:
    def likeness(name: str) -> float:
        attack = attacks.get(name)
        result = attack.apply(stereo, RATE, np.random.default_rng(0))
        at = attack.delay_samples(RATE) or 0
        return float(np.corrcoef(result[0, at : at + stereo.shape[1]], stereo[0])[0, 1])

    values = [likeness(f"rerecord_{place}") for place in ("studio", "room", "phone")]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.5
