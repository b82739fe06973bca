"""Registry of metrics: a decorated function, found by the name that it has in a summary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

__all__ = ["Metric", "metric", "metrics"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Metric:
    """`level` is what it is measured on: each EUL, each clip, or each marking (original against marked)."""

    name: str
    unit: str
    better: Literal["higher", "lower", "zero", "as stated"]
    level: Literal["eul", "clip", "marking"]
    description: str
    function: Callable[..., Any]


_METRICS: dict[str, Metric] = {}


def metric(
    name: str,
    *,
    unit: str,
    better: Literal["higher", "lower", "zero", "as stated"],
    level: Literal["eul", "clip", "marking"],
) -> Callable[[F], F]:
    """Register the decorated function; the first line of its docstring is the description."""

    def register(function: F) -> F:
        if name in _METRICS:
            raise ValueError(f"metric {name} is registered twice")
        text = (function.__doc__ or "").strip().split("\n", 1)[0]
        _METRICS[name] = Metric(name, unit, better, level, text, function)
        return function

    return register


def metrics() -> tuple[Metric, ...]:
    """All metrics, in order of registration."""
    return tuple(_METRICS.values())
