"""A gate's result as Markdown: what a step summary of CI shows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from soundsafe.eval.rows import Check, GateResult
from soundsafe.reports import format as fmt

__all__ = ["gate_markdown"]

_MOST = 200
"""Checks that are listed; a summary of CI has room for a megabyte."""

_METRICS = {
    "payload_success": "seconds %", "clip_success": "clips %", "ber": "BER %", "parity_frames": "frames %",
    "parity_slots": "slots %", "seed_parity": "seeds %", "parity_bits": "bits %",
}  # fmt: skip


def gate_markdown(result: GateResult, run: str, baseline: str) -> str:
    """The verdict, the failed checks, and folded below them those that passed.

    Args:
        result: of `soundsafe.eval.analysis.gate.check`.
        run: name of the run that was judged.
        baseline: name of what it was compared with.

    Returns:
        Markdown as GitHub shows it.

    Example:
        >>> print(gate_markdown(GateResult(True, 0.001, 0, ()), "runs/now", "smoke.json").splitlines()[0])
        ## ✅ Gate passed: 0 of 0 checks
    """
    failed = [check for check in result.checks if not check.ok]
    passed = [check for check in result.checks if check.ok]
    done = f"{len(passed)} of {len(result.checks)} checks"
    head = f"## ❌ Gate failed: {done} passed" if failed else f"## ✅ Gate passed: {done}"
    accepts = f"{result.false_accepts} false accept{'s' * (result.false_accepts != 1)}"
    parts = [head, f"`{_plain(run)}` against `{_plain(baseline)}`, {accepts}."]
    if failed:
        parts.append(_table(failed))
    if result.remarks:
        parts.append("\n".join(f"- {_plain(line)}" for line in result.remarks))
    if passed:
        folded = f"<summary>{len(passed)} checks passed</summary>\n\n{_table(passed)}"
        parts.append(f"<details>{folded}\n\n</details>")
    return "\n\n".join(parts) + "\n"


def _table(checks: Sequence[Check]) -> str:
    lines = ["| system | attack | figure | baseline | run | p | |", "|---|---|---|--:|--:|--:|---|"]
    for c in checks[:_MOST]:
        share = c.metric in _METRICS
        values = [fmt.percent(v) if share else f"{v:g}" for v in (c.baseline, c.run)]
        p = fmt.DASH if c.p is None else f"{c.p:.2g}"
        said = "" if c.ok else f"**{_plain(c.message)}**"
        cells = (_plain(c.system), _plain(c.attack), _METRICS.get(c.metric, c.metric), *values, p, said)
        lines.append(f"| {' | '.join(cells)} |")
    if len(checks) > _MOST:
        lines.append(f"| and {len(checks) - _MOST} more | | | | | | |")
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text that means nothing in Markdown or HTML."""
    flat = " ".join(fmt.plain(text).split())
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", flat) if not re.fullmatch(r"[\w./+%-]*", flat) else flat
