"""The bench: systems under test, metrics, statistics, runner, store and gates.

`evaluate(system, attacks, dataset)` returns a frame of rows; `soundsafe-eval` is the command over it.
"""

from __future__ import annotations

from soundsafe.eval.runner import Plan, Result, evaluate, make_plan, read_rows, run
from soundsafe.eval.systems import System

__all__ = ["Plan", "Result", "System", "evaluate", "make_plan", "read_rows", "run"]
