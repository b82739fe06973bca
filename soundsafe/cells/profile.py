"""What embedder and detector of the cell layer share, in one frozen object; tiles have their own."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

from soundsafe.digests import digest_of
from soundsafe.errors import InputError
from soundsafe.stft import HOP, RATE

__all__ = [
    "EUL_FRAMES",
    "EUL_SAMPLES",
    "LEARNABLE",
    "PATTERNS",
    "PHASES",
    "PILOT_PERIOD",
    "PROFILES_BY_CODE",
    "ROBUST",
    "SHORT_SCALES",
    "Profile",
    "with_code",
]

EUL_SAMPLES = RATE
"""Samples of one segment: one second at 44,100 Hz."""

EUL_FRAMES = EUL_SAMPLES // HOP
"""Frames of one second on the grid of `soundsafe.stft`: 100."""

PHASES = 4
"""Seconds after which pilots repeat; the last of them marks each channel by itself, the others their mean."""

PILOT_PERIOD = PHASES * EUL_FRAMES
"""Frames after which pilots repeat."""

PATTERNS = 4
"""Frames after which the keyed partition of a band's bins repeats."""

SHORT_SCALES = (0.42, 0.5, 0.6, 0.72, 0.85, 1.0, 1.2, 1.45)
"""Factors of Delta of which a second with a short word takes one for all its regions: where bits are faint,
one in eight is recognised when five of eight each are not."""


@dataclass(frozen=True)
class Profile:
    """Parameters of the carrier, which embedder and detector share.

    Args:
        name: of this set of parameters.
        version: of the format that they belong to. In 2 carriers, dithers and order of the bits follow from
            each second's audio too; in 1 from the key alone, which could be learned.
        band_low: where cells may lie, from here
        band_high: to here, in Hz, rising and at most half of 44,100 Hz.
        preferred_high: above it (Hz) a band's carriers weigh a sixteenth.
        cells: cells of one carrier, at least 1 (fewer in narrow bands).
        step_hz: frequencies in Hz, ascending, at which
        step: gives the lattice step Delta, in units of the masking threshold; linear in between.
        scales: factors of Delta, of which the embedder takes one for each second and region, and the detector
            finds out which.
        region_hz: frequencies in Hz between which regions lie.
        pilot_hz: bands near these frequencies give their first carrier of every frame to pilots.
        pilot_scale: the pilots' factor of Delta.
        masking_offset_db: how far the threshold lies below the spread power of the bands.
        spread_low_db: its slope in dB per Bark towards lower frequencies, and
        spread_high_db: towards higher ones.
        threshold_floor: least power of the threshold, in units of the transform.
        mark_floor: power of the threshold under which the embedder leaves cells alone.
        dead_db: a band so far below the loudest carries no bits.
        dead_margin_db: how close to that a band must be for the detector to try both.
        narrow: where bands down to `lost_db` below the loudest hold fewer carriers than this, the sound is
            narrow, and its bits lie in fine carriers,
        lost_db: see `narrow`,
        fine_least: given that the bands that are alive hold so many of them.
        fine_low: where fine carriers may lie, from here
        fine_high: to here, in Hz.
        fine_cells: cells of a fine carrier, at least 1.
        fine_scale: its factor of Delta.
        anchors: how many of the strongest bands name the seed of the slots.
        anchor_margin_db: how close to the middle between the weakest anchor and the strongest other band one
            must be for the detector to try both.
        code: the error-correcting code of a block, ``ldpc`` or ``rs``.

    Raises:
        ValueError: values that make no carrier.

    Example:
        >>> Profile(name="rs", code="rs").regions
        5
    """

    name: str = "robust"
    version: int = 2
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
    def model(self) -> str | None:
        """Name or path of the network in whose image the lattice lies; None: there is none."""
        return None

    @property
    def host_bound(self) -> bool:
        """Whether the geometry of a second follows from key and audio, not from the key alone."""
        return self.version >= 2

    @property
    def named_bits(self) -> int:
        """Coded bits of a short word that are 0: by them the detector tells which of a few likely
        descriptions the audio of a second had when it was marked."""
        return 96 if self.host_bound else 0

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
        return digest_of(self)


ROBUST = Profile()
"""The default. Carriers, dithers and order of the bits of each second, and the tile layer's symbols of each
block, follow from the audio too (`soundsafe.cells.host`, `soundsafe.tiles.blocks`): what is learned of one
says nothing of another. Its detector reads marks of `LEARNABLE` too, with a warning."""

LEARNABLE = Profile(version=1)
"""Version 1, in which all but the audio's levels followed from the key: such marks can be learned from a few
files, and forged. Pilots are as in `ROBUST`."""

PROFILES_BY_CODE = {"ldpc": ROBUST, "rs": Profile(name="rs", code="rs")}
"""The default, and the same with Reed and Solomon's code; the carriers are the same."""


def with_code(code: str) -> Profile:
    """The default with one of both codes.

    Args:
        code: ``ldpc``, the default's, or ``rs``.

    Raises:
        InputError: another name.
    """
    if code not in PROFILES_BY_CODE:
        raise InputError(f"unknown code {code!r}: {' or '.join(PROFILES_BY_CODE)}")
    return PROFILES_BY_CODE[code]
