"""Agreement of what embedder and detector each compute from the audio that they have.

The row `none` compares original with marked audio, the other rows marked with attacked audio, both on the
detector's own grid. An EUL that the detector did not find agrees in nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from soundsafe.aliases import Audio
from soundsafe.eval.metrics.registry import metric
from soundsafe.pipeline.parity import parity_by_band, parity_frames

__all__ = [
    "NOT_MEASURED",
    "band_parity",
    "bits_parity",
    "frame_parity",
    "level_parity",
    "seed_parity",
    "slot_parity",
]

NOT_MEASURED = float("nan")


@metric("parity_frames", unit="share of frames", better="higher", level="eul")
def frame_parity(reference: ArrayLike | None, found: ArrayLike | None) -> float:
    """Share of frames whose quantised allocator features all equal the reference's.

    Args:
        reference, found: [bands, frames] integers; None in `reference` means the system has none (NaN),
            None or another shape in `found` means that nothing agrees (0).
    """
    if reference is None:
        return NOT_MEASURED
    ref = np.asarray(reference)
    if found is None or np.shape(found) != ref.shape:
        return 0.0
    return parity_frames(ref, found)


def band_parity(reference: ArrayLike | None, found: ArrayLike | None, bands: int = 24) -> list[float]:
    """Share of frames whose quantised feature equals the reference's, for each of `bands`; [] where there is
    nothing to compare with, 0 throughout where nothing was found.

    Features of several mixtures of channels lie one after the other, ``[mixtures * bands, frames]``.
    """
    if reference is None:
        return []
    ref = np.asarray(reference)
    if ref.ndim != 2 or ref.shape[0] % bands:
        return []
    if found is None or np.shape(found) != ref.shape:
        return [0.0] * bands
    return [float(v) for v in parity_by_band(ref, found).reshape(-1, bands).mean(axis=0)]


@metric("parity_3db", unit="share of frames", better="higher", level="eul")
def level_parity(before: Audio, after: Audio, rate: int) -> float:
    """Share of frames whose band levels, in steps of 3 dB, all equal those of the audio before.

    What both sides see, in a finer unit than any allocator here takes, which lets no band be merely alive:
    levels relative to the frame, 15 bands from 262 Hz to 8.4 kHz (`soundsafe.pipeline.rules.ROBUST`).

    Args:
        before, after: the same second of both, [channels, samples] each; what `after` lacks is silence.
        rate: of both, in Hz.
    """
    # Here, because metrics are listed without loading the codec.
    from soundsafe.cells.masking import ANALYZER
    from soundsafe.codecs import resample
    from soundsafe.pipeline.features import magnitude, quantized_levels
    from soundsafe.pipeline.rules import ROBUST
    from soundsafe.stft import RATE

    missing = before.shape[-1] - after.shape[-1]
    padded = np.pad(after, ((0, 0), (0, max(0, missing))))[:, : before.shape[-1]]
    a, b = (
        quantized_levels(ANALYZER.band_levels_db(magnitude(resample(x, rate, RATE))), ROBUST)
        for x in (before, padded)
    )
    return parity_frames(a, b)


@metric("parity_bits", unit="share of seconds", better="higher", level="eul")
def bits_parity(reference: object, found: object) -> float:
    """1 where the EUL has the reference's bits in every band, else 0; NaN where a system has none."""
    return float(reference == found) if reference else NOT_MEASURED


@metric("parity_slots", unit="share of seconds", better="higher", level="eul")
def slot_parity(reference: str | None, found: str | None) -> float:
    """1 where the EUL's list of slots equals the reference's exactly, else 0; NaN where a system has none."""
    return float(reference == found) if reference else NOT_MEASURED


@metric("seed_parity", unit="share of seconds", better="higher", level="eul")
def seed_parity(reference: object, found: object) -> float:
    """1 where the EUL's seed (or those of its mixtures) equals the reference's, else 0; NaN without one."""
    return float(reference == found) if reference is not None else NOT_MEASURED


@metric("offset_error_samples", unit="samples", better="zero", level="eul")
def offset_error(found_s: float, expected_s: float, rate: int) -> float:
    """Where the detector found an EUL, minus where it is, after the attack's known delay."""
    return (found_s - expected_s) * rate
