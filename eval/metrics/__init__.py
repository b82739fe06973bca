"""The figures of the bench, one module a concept, and their registry.

Each module states units and conventions; the functions are pure and work on arrays. `metrics()` lists what a
summary may hold.
"""

from __future__ import annotations

from soundsafe.eval.metrics import ber, parity, payload, quality
from soundsafe.eval.metrics.registry import Metric, metrics

__all__ = ["Metric", "ber", "metrics", "parity", "payload", "quality"]
