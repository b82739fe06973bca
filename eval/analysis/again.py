"""The command that makes a stored run again."""

from __future__ import annotations

import shlex
from pathlib import PurePath

from soundsafe.attacks import suites
from soundsafe.eval.analysis.stored import Run
from soundsafe.eval.rows import control_of
from soundsafe.eval.systems import registry

__all__ = ["commands"]


def _without_option(run: Run) -> list[str]:
    """What of the run `soundsafe-eval run` has no option for."""
    out = []
    for name in run.document.system_names:
        if "checkpoint" in run.document.described(name):
            out.append(f"{name} is a network: soundsafe-eval phases runs it")
        elif name not in registry.systems():
            out.append(f"{name} is not registered as a system")
    if any(s.version is None for s in run.document.suites):
        out.append("attacks of no suite")
    return out


def _comment(text: str) -> str:
    return f"# {' '.join(text.split())}"


def commands(run: Run) -> str:
    """The command that makes the run, after a comment for each file that it needs; else a comment alone."""
    missing = _without_option(run)
    if missing:
        return _comment(f"{run.name}: no options of soundsafe-eval run make it ({'; '.join(missing)})")
    c = run.document
    lines = []
    parts = ["soundsafe-eval", "run"]
    for suite in c.suites:
        name = suite.suite
        if name not in suites():
            lines.append(_comment(f"{name}.toml: the file of suite {name}, version {suite.version}"))
            name += ".toml"
        parts += ["--suite", name]
    dataset = c.dataset or "bundled"
    if dataset != "bundled":
        parts += ["--dataset", PurePath(dataset).name]
    parts += ["--split", c.split or "all"]
    for system in c.system_names:
        parts += ["--system", system]
    if c.clips:
        parts += ["--limit", str(len(c.clips))]
    if c.seconds is not None:
        parts += ["--seconds", f"{c.seconds:g}"]
    for metric in c.metrics:
        parts += ["--metric", metric]
    attacked = {control for a in c.attacks if (control := control_of(a)) not in ("", a)}
    if "wrong_key" in attacked:
        parts.append("--attacked-controls")
    elif not attacked and any(s.version is not None for s in c.suites):
        parts.append("--no-attacked-controls")
    parts += ["--seed", str(c.seed or 0), "--out", run.name]
    return "\n".join([*lines, shlex.join(parts)])
