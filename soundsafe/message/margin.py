"""By how many decibels a word could be noisier and still be read.

Soft values of bits that are known tell how much each still says. In a Gaussian channel that much is known of
a bit at one ratio of signal and noise (ten Brink's J function in the closed form of Brannstrom, Rasmussen and
Grant, IEEE Trans. Inf. Theory 51, 2005), and a code needs another: the difference is the margin.
"""

from __future__ import annotations

import numpy as np

from soundsafe.aliases import Bits, Floats

__all__ = ["margin_db"]

_H1, _H2, _H3 = 0.3073, 0.8935, 1.1064
_MOST = 0.9999
"""More than this soft values cannot be said to know."""


def _deviation(information: float) -> float:
    """Standard deviation of soft values that know so much of each bit, 0 to 1."""
    return float((-np.log2(1.0 - information ** (1.0 / _H3)) / _H1) ** (1.0 / (2.0 * _H2)))


def margin_db(llr: Floats, coded: Bits, rate: float, gap_db: float) -> float:
    """The margin of a word that was read.

    Args:
        llr: soft values ``[bits]``, positive for 0.
        coded: the word's bits ``[bits]``, each 0 or 1.
        rate: of the code, 0 to 1.
        gap_db: how much more than the capacity says the code needs, in dB.

    Returns:
        dB; negative where the word was read by luck, at most some 18 at a rate of a tenth.

    Example:
        >>> bits = np.zeros(2040, np.uint8)
        >>> round(margin_db(np.full(2040, 6.0), bits, 0.1, 1.0), 1)
        17.3
    """
    signed = llr * (1.0 - 2.0 * coded)
    known = 1.0 - float(np.mean(np.logaddexp(0.0, -signed))) / np.log(2.0)
    found = _deviation(min(max(known, 1e-4), _MOST))
    return 20.0 * float(np.log10(found / _deviation(rate))) - gap_db
