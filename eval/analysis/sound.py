"""What a report needs to know of sound: the metrics and what they mean, and loudness."""

from __future__ import annotations

from soundsafe.eval.metrics import metrics
from soundsafe.eval.metrics.quality import integrated_loudness

__all__ = ["integrated_loudness", "metrics"]
