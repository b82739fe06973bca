"""Each rule of the layout by itself."""

from __future__ import annotations

import json

import numpy as np

from soundsafe import datasets
from soundsafe.eval.commands.rules_study import RULES


def test_every_rule_agrees_with_itself_and_only_ratios_survive_gain() -> None:
    audio, rate = datasets.load("bundled").clips[1].read()
    x = np.ascontiguousarray(audio[:, :rate])
    quieter = x * np.float32(0.7)
    kept = set()
    for name, rule in RULES.items():
        first = rule(x)
        json.dumps(first)
        assert first == rule(x.copy())
        if first == rule(quieter):
            kept.add(name)
    assert "seed: thresholds in steps of 1e-6, all frames" not in kept
    assert {name for name in RULES if name.startswith("robust")} <= kept
