"""The bench: systems under test, metrics, statistics, runner, store and gates.

`evaluate(system, attacks, dataset)` returns a frame of rows; `soundsafe-eval` is the command over it.
"""

from __future__ import annotations

from soundsafe.eval.running.plan import Plan, make_plan
from soundsafe.eval.running.run_folder import read_rows
from soundsafe.eval.running.runner import Result, evaluate, run
from soundsafe.eval.systems.interface import System

__all__ = ["Plan", "Result", "System", "evaluate", "make_plan", "read_rows", "run"]
