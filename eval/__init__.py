"""The bench: systems under test, metrics, statistics, runner, store and gates.

`evaluate(system, attacks, dataset)` returns a frame of rows; `soundsafe-eval` is the command over it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soundsafe.eval.analysis.stored import read_rows
    from soundsafe.eval.running.plan import Plan, make_plan
    from soundsafe.eval.running.runner import Result, evaluate, run
    from soundsafe.eval.systems.interface import System

__all__ = ["Plan", "Result", "System", "evaluate", "make_plan", "read_rows", "run"]

_HOMES = {
    "Plan": "running.plan",
    "Result": "running.runner",
    "System": "systems.interface",
    "evaluate": "running.runner",
    "make_plan": "running.plan",
    "read_rows": "analysis.stored",
    "run": "running.runner",
}


def __getattr__(name: str) -> object:
    # Loaded when first asked for: the command's help and lists do without torch and pandas.
    if name in _HOMES:
        return getattr(import_module(f"soundsafe.eval.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'soundsafe.eval' has no attribute {name!r}")
