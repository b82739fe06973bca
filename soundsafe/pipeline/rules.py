"""Two sets of rules for the pipeline's allocator, as data: the same code with other rules."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ROBUST", "SEED", "THR_STEP", "Rules"]

THR_STEP = 1e-6
"""Step of thresholds and levels in the original rules."""


@dataclass(frozen=True)
class Rules:
    """What an allocation is computed from.

    Args:
        name: of the profile.
        features: ``thresholds``: the masked threshold of each band and frame, in units of magnitude; or
            ``levels``: one level for each band, the median over frames of its level in dB relative to other
            bands.
        step: quantisation step, above 0, in units of magnitude or in dB.
        bands: first band that carries bits, and the one after the last.
        ranking: which cells of a band come first, ``magnitude`` or ``keyed``.
        anchors: what ranks the anchor bands, ``thresholds`` or ``levels``.
        seed: what seeds ties and slots: the ``thresholds`` of the four strongest bands, or the ``anchors``
            and the key.

    Raises:
        ValueError: a value outside these.

    Example:
        >>> ROBUST.step, SEED.step
        (3.0, 1e-06)
    """

    name: str
    features: str
    step: float
    bands: tuple[int, int]
    ranking: str
    anchors: str
    seed: str

    def __post_init__(self) -> None:
        choices = (
            (self.features, ("thresholds", "levels")),
            (self.ranking, ("magnitude", "keyed")),
            (self.anchors, ("thresholds", "levels")),
            (self.seed, ("thresholds", "anchors")),
        )
        for value, allowed in choices:
            if value not in allowed:
                raise ValueError(f"{value!r} is not one of {allowed}")
        if self.step <= 0 or not 0 <= self.bands[0] < self.bands[1]:
            raise ValueError("a step above 0 and a range of bands are needed")


SEED = Rules(
    name="seed",
    features="thresholds",
    step=THR_STEP,
    bands=(0, 24),
    ranking="magnitude",
    anchors="thresholds",
    seed="thresholds",
)
"""The original rules to the letter: absolute thresholds in steps of a millionth, the loudest cells."""

ROBUST = Rules(
    name="robust",
    features="levels",
    step=3.0,
    bands=(4, 19),
    ranking="keyed",
    anchors="levels",
    seed="anchors",
)
"""Gain-free levels in steps of 3 dB from 262 Hz to 8.4 kHz, keyed cells: the unit in which parity is measured
beside that of the codec, whose one step is coarser (`soundsafe.cells.layout`)."""
