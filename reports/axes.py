"""Axes of charts: shares, error rates, and whatever a set of values needs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from soundsafe.reports.svg import Axis

__all__ = ["LOWEST_BER", "ber_axis", "decades", "fitting", "ordinal", "rate_axis", "share_axis"]

LOWEST_BER = 1e-5
"""Lower error rates are drawn here: with so few errors the place on a logarithmic axis means nothing."""


def share_axis(name: str = "", *, low: float = 0.0) -> Axis:
    """Shares from `low` to 1, in per cent."""
    ticks = [low + (1 - low) * i / 4 for i in range(5)]
    return Axis(low, 1.0, tuple((t, f"{100 * t:g} %") for t in ticks), name)


def ber_axis(name: str) -> Axis:
    """Error rates from `LOWEST_BER` to 1 on a logarithmic scale, in per cent."""
    ticks = [
        (1e-5, "≤ 0.001 %"),
        (1e-4, "0.01 %"),
        (1e-3, "0.1 %"),
        (1e-2, "1 %"),
        (0.1, "10 %"),
        (0.5, "50 %"),
    ]
    return Axis(LOWEST_BER, 0.65, tuple(ticks), name, log=True)


def rate_axis(highest: float, name: str) -> Axis:
    """Bits a second from 1 (and anything below, 0 too) on a logarithmic scale to a power of ten or above."""
    top = max(1, math.ceil(math.log10(max(highest, 10.0))))
    ticks = tuple((10.0**i, "≤ 1" if i == 0 else f"{10**i:,}".replace(",", "\u202f")) for i in range(top + 1))
    return Axis(1.0, 10.0**top, ticks, name, log=True)


def decades(values: Iterable[float], name: str) -> Axis:
    """A logarithmic axis over whole powers of ten; what is not positive stands at its lower end."""
    found = [v for v in values if v > 0] or [1.0]
    low, high = math.floor(math.log10(min(found)) + 1e-9), math.ceil(math.log10(max(found)) - 1e-9)
    # Many powers of ten below the largest are noise, and would squeeze what matters.
    low = max(low, high - 8)
    high = max(high, low + 1)
    every = math.ceil((high - low) / 4)
    ticks = tuple((10.0**i, _power(i)) for i in range(low, high + 1) if (i - low) % every == 0)
    return Axis(10.0**low, 10.0**high, ticks, name, log=True)


def _power(exponent: int) -> str:
    if -4 < exponent < 6:
        return f"{10.0**exponent:,.{max(0, -exponent)}f}".replace(",", "\u202f")
    return f"1e{exponent}".replace("-", "−")


def _step(span: float, most: int) -> float:
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= rough * (1 - 1e-9))


def fitting(
    values: Iterable[float], name: str, *, scale: float = 1.0, zero: bool = False, most: int = 6
) -> Axis:
    """A linear axis that holds all values, with round ticks; labels are multiplied by `scale`.

    Args:
        values: finite numbers; none at all gives an axis from 0 to 1.
        name: of the axis.
        scale: of the labels.
        zero: the axis includes 0.
        most: about how many ticks.
    """
    found = [v * scale for v in values]
    low, high = (min(found), max(found)) if found else (0.0, 1.0)
    if zero:
        low, high = min(0.0, low), max(0.0, high)
    if high - low <= 1e-12 * max(1e-300, abs(high), abs(low)):
        pad = abs(high) * 0.1 or 1.0
        low, high = low - (0 if zero and low == 0 else pad), high + pad
    step = _step(high - low, most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = next((d for d in range(12) if abs(round(step, d) - step) < 1e-9 * step), 12)
    ticks = tuple(
        (i * step / scale, f"{i * step:.{digits}f}".replace("-", "−")) for i in range(first, last + 1)
    )
    return Axis(first * step / scale, last * step / scale, ticks, name)


def ordinal(labels: Sequence[str], name: str) -> Axis:
    """Places 0, 1, 2 … with labels, and half a place free on both sides."""
    return Axis(-0.5, len(labels) - 0.5, tuple((float(i), t) for i, t in enumerate(labels)), name)
