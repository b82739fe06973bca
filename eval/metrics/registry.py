"""Registry of metrics: a decorated function, found by the name that it has in a summary."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, TypeVar

from soundsafe.errors import InputError

__all__ = ["Metric", "metric", "metrics", "to_ask"]

F = TypeVar("F", bound=Callable[..., float])


@dataclass(frozen=True)
class Metric:
    """`level` is what it is measured on: each EUL, each clip, each marking (original against
    marked) or each attack (before against after).

    `package`: the module of an outside package that it needs. Such a metric, and one that is `costly`, is
    measured only when asked for.
    """

    name: str
    unit: str
    better: Literal["higher", "lower", "zero", "as stated"]
    level: Literal["eul", "clip", "marking", "attack"]
    description: str
    function: Callable[..., float]
    package: str = ""
    costly: bool = False

    @property
    def on_request(self) -> bool:
        """Whether it is measured only when asked for."""
        return self.costly or bool(self.package)


_METRICS: dict[str, Metric] = {}


def metric(
    name: str,
    *,
    unit: str,
    better: Literal["higher", "lower", "zero", "as stated"],
    level: Literal["eul", "clip", "marking", "attack"],
    package: str = "",
    costly: bool = False,
) -> Callable[[F], F]:
    """Register the decorated function; the first line of its docstring is the description."""

    def register(function: F) -> F:
        if name in _METRICS:
            raise ValueError(f"metric {name} is registered twice")
        text = (function.__doc__ or "").strip().split("\n", 1)[0]
        _METRICS[name] = Metric(name, unit, better, level, text, function, package, costly)
        return function

    return register


def metrics() -> tuple[Metric, ...]:
    """All metrics, in order of registration."""
    return tuple(_METRICS.values())


def to_ask(names: Iterable[str]) -> tuple[str, ...]:
    """Those of `names` that are measured only when asked for, each once, in order of registration.

    Raises:
        InputError: there is no such metric, or its package is missing.
    """
    wanted = set(names)
    for name in sorted(wanted):
        if name not in _METRICS:
            raise InputError(f"unknown metric {name}: choose from {', '.join(_METRICS)}")
        package = _METRICS[name].package
        if package and find_spec(package) is None:
            raise InputError(
                f"metric {name} needs a package that is missing: pip install 'soundsafe[quality]'"
            )
    return tuple(m.name for m in metrics() if m.on_request and m.name in wanted)
