"""How strong a mark is made, in decibels against the default, by number or by name."""

from __future__ import annotations

import math

from soundsafe.errors import InputError

__all__ = ["MOST_STRENGTH_DB", "STRENGTHS", "strength_of"]

STRENGTHS = {"quiet": -3.0, "default": 0.0, "strong": 4.75}
"""The strengths that have names, in dB."""

MOST_STRENGTH_DB = 6.0
"""Furthest from the default on either side."""


def strength_of(asked: str | float) -> float:
    """The strength that is asked for.

    Args:
        asked: ``quiet``, ``default``, ``strong``, or decibels of the mark's amplitude against the default,
            -6 to 6, as a number or in digits.

    Returns:
        Decibels.

    Raises:
        InputError: another name, or a number out of range.

    Example:
        >>> strength_of("quiet"), strength_of("1.5"), strength_of(-2)
        (-3.0, 1.5, -2.0)
    """
    if isinstance(asked, str) and asked in STRENGTHS:
        return STRENGTHS[asked]
    try:
        decibels = float(asked)
    except (TypeError, ValueError):
        decibels = math.nan
    if not abs(decibels) <= MOST_STRENGTH_DB:
        raise InputError(
            f"unknown strength {asked}: {', '.join(STRENGTHS)},"
            f" or decibels from {-MOST_STRENGTH_DB:g} to {MOST_STRENGTH_DB:g}"
        )
    return decibels
