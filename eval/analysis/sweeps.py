"""Severity sweeps: attacks that differ in one number alone, and the strength that breaks a system down."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["FEWEST", "Sweep", "breakdowns", "sweeps"]

FEWEST = 3
"""Strengths that a sweep needs."""

# Numbers of an attack's name that are strengths: not those of `mp3`, but those of `V2` and `q5`.
_NUMBER = re.compile(r"(?<![A-Za-z0-9.])[+-]?\d+(?:\.\d+)?|(?<=_[A-Za-z])\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Sweep:
    """`values` of `parameter`, ascending, and the `attacks` that have them, in the same order."""

    stem: str
    parameter: str
    values: tuple[float, ...]
    attacks: tuple[str, ...]


def sweeps(attacks: Iterable[tuple[str, Mapping[str, object]]], fewest: int = FEWEST) -> list[Sweep]:
    """All sets of at least `fewest` attacks, given by name and parameters, that differ in a single number."""
    found: dict[tuple[str, str, str], dict[float, str]] = {}
    for attack, params in attacks:
        stem = _NUMBER.sub("…", attack)
        for name, value in params.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                others = json.dumps({k: v for k, v in params.items() if k != name}, sort_keys=True)
                found.setdefault((stem, name, others), {}).setdefault(float(value), attack)
    out = []
    for (stem, parameter, _), points in found.items():
        if len(points) >= fewest:
            values = tuple(sorted(points))
            out.append(Sweep(stem, parameter, values, tuple(points[v] for v in values)))
    return out


def breakdowns(values: Sequence[float], success: Sequence[float | None], level: float = 0.5) -> list[float]:
    """Where success crosses `level`, by linear interpolation between neighbouring strengths."""
    known = [(v, s) for v, s in zip(values, success, strict=True) if s is not None]
    return [
        v0 + (v1 - v0) * (s0 - level) / (s0 - s1)
        for (v0, s0), (v1, s1) in itertools.pairwise(known)
        if (s0 >= level) != (s1 >= level)
    ]
