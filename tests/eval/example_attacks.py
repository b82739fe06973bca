"""An example of another package's attacks: a module that its entry point names, with decorated functions.

[project.entry-points."soundsafe.attacks"]
example = "example_attacks"
"""

from __future__ import annotations

import numpy as np

from soundsafe.attacks import Access, attack, within


@attack("example", {f"example_hum_{db}dB": {"snr_db": db} for db in (20, 30)}, differentiable=True)
def hum(audio: np.ndarray, rate: int, rng: np.random.Generator, *, snr_db: float) -> np.ndarray:
    """Mains hum of 50 Hz, its phase drawn by lot."""
    t = np.arange(audio.shape[1]) / rate
    tone = np.sin(2 * np.pi * (50 * t + rng.random())).astype(np.float32)
    level = np.sqrt(2 * np.mean(audio**2)) * 10 ** (-snr_db / 20)
    return audio + np.float32(level) * tone


@attack("example", {"example_second_opinion": {"snr_db": 30.0}}, needs_access=True)
def second_opinion(
    audio: np.ndarray, rate: int, rng: np.random.Generator, *, snr_db: float, access: Access
) -> np.ndarray:
    """Noise, if the detector hears the mark at all."""
    if not access.ask(audio)[0]:
        return audio
    return within(audio, audio + rng.normal(0, 0.01, audio.shape).astype(np.float32), snr_db)
