"""What a run will do is looked up before any work, and refused in one line."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from soundsafe.errors import InputError
from soundsafe.eval.plan import make_plan


def test_attacked_controls(fakes: ModuleType, clips: Path) -> None:
    plan = make_plan(fakes.Toy(), ["none", "gain_-3dB"], clips, limit=1, attacked_controls=True)
    names = [cell.name for cell, _ in plan.cells]
    assert names == ["none", "gain_-3dB", "unmarked+then+gain_-3dB", "wrong_key+then+gain_-3dB"]
    assert [cell.control for cell, _ in plan.cells] == ["", "", "unmarked", "wrong_key"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"systems": "nobody"}, "unknown system nobody"),
        ({"attacks": "no_such"}, "unknown attack no_such"),
        ({"dataset": "/no/such/folder"}, "no such folder"),
        ({"limit": 0}, "at least 1"),
        ({"seconds": -1.0}, "positive"),
        ({"seconds": float("nan")}, "positive"),
        ({"seconds": float("inf")}, "positive"),
        ({"split": "nowhere"}, "no clip in split"),
        ({"attacks": []}, "no attacks"),
    ],
)
def test_what_cannot_be_run_is_refused(
    fakes: ModuleType, clips: Path, arguments: dict[str, Any], text: str
) -> None:
    good: dict[str, Any] = {"systems": "toy", "attacks": "none", "dataset": clips}
    with pytest.raises(InputError, match=text):
        make_plan(**(good | arguments))
