"""Names for the types that many modules share, so that each is said once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Audio", "Bits", "Floats", "Ints", "Progress"]

Audio = NDArray[np.float32]
"""Sound: ``[channels, samples]``, nominally in [-1, 1]."""

Floats = NDArray[np.float64]
"""Figures in double precision, of any shape; soft values among them (positive for a likely 0)."""

Ints = NDArray[np.int64]
"""Whole numbers: indices, counts, frames."""

Bits = NDArray[np.uint8]
"""Bits, each 0 or 1."""

Progress = Callable[[float, str], None]
"""Called with the share of the work that is done, 0 to 1, and a few words on what is going on."""
