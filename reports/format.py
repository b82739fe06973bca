"""Figures as text: never more than is known, never rounded to a claim that the data do not make."""

from __future__ import annotations

import math
import re

from soundsafe.eval.rows import Interval

__all__ = [
    "DASH",
    "ber",
    "count",
    "decibel",
    "duration",
    "interval",
    "number",
    "percent",
    "plain",
    "seconds",
    "whole_percent",
]

DASH = "–"


# Control and formatting characters (bidirectional overrides among them) and halves of surrogate pairs.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def plain(text: object) -> str:
    """Text that every renderer can set: what cannot be printed becomes U+FFFD; no breaks before `%`."""
    return _UNPRINTABLE.sub("\ufffd", str(text)).replace(" %", "\u00a0%")


def number(value: object) -> float | None:
    """A finite number, or None for anything else (null, NaN, text, truth values)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def percent(value: object) -> str:
    """A share in per cent with one decimal, never rounded up to 100 or down to 0; no sign."""
    v = number(value)
    if v is None:
        return DASH
    text = f"{100 * v:.1f}"
    if text == "100.0":
        return "100" if v >= 1 else ">99.9"
    if text == "0.0":
        return "0" if v <= 0 else "<0.1"
    return text


def whole_percent(value: object) -> str:
    """A share in whole per cent where there is no room for more; 100 and 0 are said of these alone.

    >>> whole_percent(0.597), whole_percent(0.997), whole_percent(0.002)
    ('60', '>99', '<1')
    """
    v = number(value)
    if v is None:
        return DASH
    if 0 < v < 0.01:
        return "<1"
    return ">99" if 0.99 < v < 1 else f"{100 * v:.0f}"


def interval(value: Interval) -> str:
    """An interval of shares, such as `92.1–100`; empty where there is none."""
    if value is None:
        return ""
    low, high = value
    return f"{percent(low)}–{percent(high)}"


def ber(value: object) -> str:
    """A bit error rate in per cent with two significant digits; `0` only where no bit was wrong."""
    v = number(value)
    if v is None:
        return DASH
    if v <= 0:
        return "0"
    if v < 1e-6:
        return "<0.0001"
    return f"{100 * v:.2g}" if v < 0.1 else f"{100 * v:.1f}"


def count(value: object) -> str:
    """A whole number with thin spaces between thousands."""
    v = number(value)
    return DASH if v is None else f"{round(v):,}".replace(",", "\u202f")


def decibel(value: object, digits: int = 1) -> str:
    """A plain number with a fixed number of decimals and a true minus sign."""
    v = number(value)
    return DASH if v is None else f"{v:.{digits}f}".replace("-", "−")


def seconds(value: object) -> str:
    """Seconds with at most three significant digits."""
    v = number(value)
    if v is None:
        return DASH
    if v >= 1000:
        return count(v)
    return f"{v:.3g}".replace("-", "−")


def duration(value: object) -> str:
    """Seconds as hours, minutes and seconds, the two largest of them.

    >>> duration(42.4), duration(754), duration(7380)
    ('42 s', '12 min 34 s', '2 h 3 min')
    """
    v = number(value)
    if v is None:
        return DASH
    whole = round(v)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
