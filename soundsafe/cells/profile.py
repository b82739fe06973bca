"""What embedder and detector of the cell layer share, in one frozen object; tiles have their own."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from soundsafe.stft import RATE

__all__ = ["EUL_FRAMES", "EUL_SAMPLES", "PATTERNS", "ROBUST", "Profile"]

EUL_SAMPLES = RATE
"""Samples of one EUL: one second at 44,100 Hz."""

EUL_FRAMES = 100
"""Frames of one EUL on the grid of `soundsafe.stft`."""

PATTERNS = 4
"""Frames after which the keyed partition of a band's bins repeats."""


@dataclass(frozen=True)
class Profile:
    """Parameters of the carrier. Frequencies in Hz; lattice steps in units of the masking threshold.

    `band_low`, `band_high`: where cells may lie. `preferred_high`: above it a band's carriers weigh a
    sixteenth. `cells`: cells of one carrier (fewer in narrow bands). `step_hz`, `step`: the lattice step
    Delta against frequency, linear in between. `scales`: factors of Delta, of which the embedder takes one
    for each EUL and region and the detector finds out which; regions lie between the frequencies `region_hz`.
    `pilot_hz`: bands near these frequencies give their first carrier of every frame to pilots; `pilot_scale`
    is their factor of Delta. `masking_offset_db`: threshold below the spread band power; `spread_low_db`,
    `spread_high_db`: slopes in dB per Bark towards lower and higher frequencies. `threshold_floor`: least
    power of the threshold (STFT units); `mark_floor`: power of the threshold under which the embedder leaves
    cells alone. `dead_db`: a band this far below the loudest carries no bits. `narrow`: where bands down to
    `lost_db` below the loudest hold fewer carriers than this, the sound is narrow, and its bits lie in fine
    carriers of `fine_cells` cells from `fine_low` to `fine_high` with steps `fine_scale` times as large,
    given that the bands that are alive hold `fine_least` of them. `anchor_margin_db`: how close to the middle
    between the weakest anchor and the strongest other band one must be for the detector to try both. `code`:
    ``ldpc`` or ``rs``.

    Raises ValueError for values that make no carrier.
    """

    name: str = "robust"
    version: int = 1
    band_low: float = 475.0
    band_high: float = 11_025.0
    preferred_high: float = 9_000.0
    cells: int = 6
    step_hz: tuple[float, ...] = (300, 650, 1000, 1350, 1750, 2250, 2850, 3600, 5000, 7000, 9000)
    step: tuple[float, ...] = (0.46, 0.55, 0.72, 0.95, 1.15, 1.40, 1.65, 1.80, 2.15, 2.70, 3.10)
    scales: tuple[float, ...] = (0.6, 0.72, 0.85, 1.0, 1.2, 1.45, 1.75, 2.1)
    region_hz: tuple[float, ...] = (1000.0, 2000.0, 3400.0, 5600.0)
    pilot_hz: tuple[float, ...] = (1200.0, 2800.0)
    pilot_scale: float = 1.1
    masking_offset_db: float = 12.0
    spread_low_db: float = 25.0
    spread_high_db: float = 10.0
    threshold_floor: float = 1e-11
    mark_floor: float = 2e-7
    dead_db: float = 58.0
    dead_margin_db: float = 4.0
    narrow: int = 1800
    lost_db: float = 75.0
    fine_least: int = 800
    fine_low: float = 140.0
    fine_high: float = 3600.0
    fine_cells: int = 2
    fine_scale: float = 0.65
    anchors: int = 4
    anchor_margin_db: float = 3.0
    code: Literal["ldpc", "rs"] = "ldpc"

    def __post_init__(self) -> None:
        if not 0 < self.band_low < self.preferred_high <= self.band_high <= RATE / 2:
            raise ValueError("bands must rise: 0 < band_low < preferred_high <= band_high <= half the rate")
        if len(self.step) != len(self.step_hz) or min(self.step) <= 0 or min(self.scales) <= 0:
            raise ValueError("steps and scales must be positive, one step for each frequency")
        if not 0 < self.fine_low < self.fine_high <= self.band_high or self.fine_cells < 1:
            raise ValueError("fine carriers have at least one cell between fine_low and fine_high")
        if self.cells < 1 or self.code not in ("ldpc", "rs"):
            raise ValueError("a carrier has at least one cell; the code is ldpc or rs")

    @property
    def regions(self) -> int:
        """Number of regions of frequency that have a scale of their own."""
        return len(self.region_hz) + 1

    def to_json(self) -> dict[str, object]:
        """All fields as plain values."""
        return dataclasses.asdict(self)

    @property
    def digest(self) -> str:
        """SHA-256 of all fields, hexadecimal: equal profiles read each other's marks."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()


ROBUST = Profile()
"""The default."""
