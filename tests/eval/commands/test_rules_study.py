"""Each rule of the layout by itself."""

from __future__ import annotations

import json

import numpy as np

from soundsafe import datasets
from soundsafe.eval.commands.rules_study import FRAME_RULES, RULES, UNITS


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


def test_finer_units_than_seconds() -> None:
    audio, rate = datasets.load("bundled").clips[1].read()
    x = np.ascontiguousarray(audio[:, :rate])
    kept = {}
    for name, rule in FRAME_RULES.items():
        first, quieter = rule(x), rule(x * np.float32(0.7))
        assert first.ndim == 2
        assert all(share(first, first) == 1.0 for share in UNITS.values())
        kept[name] = [share(first, quieter) for share in UNITS.values()]
    assert max(kept["seed: thresholds in steps of 1e-6"]) < 0.5
    assert min(kept["levels in steps of 3 dB"]) > 0.95
    assert min(kept["robust: alive or dead (one step, at -58 dB)"]) == 1.0


def test_units_by_hand() -> None:
    a, b = np.zeros((3, 4)), np.zeros((3, 4))
    b[0, 0] = b[1, 0] = b[2, 3] = 1.0
    assert {unit: share(a, b) for unit, share in UNITS.items()} == {"frames": 0.5, "bands and frames": 0.75}
