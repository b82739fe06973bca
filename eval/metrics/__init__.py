"""The figures of the bench, one module a concept, and their registry.

Each module states units and conventions; the functions are pure and work on arrays. `metrics()` lists what a
summary may hold.
"""

from __future__ import annotations

from soundsafe.eval.metrics import attacked, ber, detection, message, parity, payload, perceptual, quality
from soundsafe.eval.metrics.registry import Metric, metrics, to_ask

__all__ = [
    "Metric",
    "attacked",
    "ber",
    "detection",
    "message",
    "metrics",
    "parity",
    "payload",
    "perceptual",
    "quality",
    "to_ask",
]
