"""`soundsafe-eval compare`: two runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundsafe.console import print_json, say, tell
from soundsafe.eval.commands.options import Json, Latex

if TYPE_CHECKING:
    from soundsafe.eval.rows import ComparisonRow

__all__ = ["compare"]


def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="Folder of a finished run.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="Folder of another.")],
    every_attack: Annotated[
        bool, typer.Option("--attacks", help="Print a line for each attack, however many.")
    ] = False,
    latex: Latex = None,
    as_json: Json = False,
) -> None:
    """Compare two runs attack by attack, over the seconds that both hold."""
    from soundsafe.eval.analysis.compare import compare as compare_runs
    from soundsafe.eval.analysis.environments import remark
    from soundsafe.eval.analysis.stored import read_numeric, read_rows
    from soundsafe.eval.commands.stored import writable

    writable(latex)
    a, b = read_rows(run_a), read_rows(run_b)
    rows = compare_runs(a, b)
    for line in remark(str(run_a), *(read_numeric(run) for run in (run_a, run_b))):
        say(line)
    if as_json:
        from soundsafe.eval.documents import json_value

        print_json(json_value({"rows": rows}), ascii_only=False)
        return
    from soundsafe.console.screen import screen
    from soundsafe.eval.analysis.families import compare_families
    from soundsafe.eval.running.store import write_atomically
    from soundsafe.reports import tables
    from soundsafe.reports.latex import Sheets

    console, sheets = screen(), Sheets()
    title = f"A: {run_a}   B: {run_b}"
    by_family = len({row.attack for row in rows}) > tables.FEW and not every_attack
    families = compare_families(a, b) if by_family else []
    for sheet in (console, *([] if latex is None else [sheets])):
        if by_family:
            sheet.print(tables.family_comparison_table(families, sheet.width, title=title))
        else:
            sheet.print(tables.comparison_table(rows, sheet.width, title=title))
    if latex is not None:
        write_atomically(latex, sheets.document())
    console.print(_verdicts(rows), soft_wrap=not console.is_terminal)
    if by_family:
        tell(f"next: soundsafe-eval compare {run_a} {run_b} --attacks")


def _verdicts(rows: Sequence[ComparisonRow]) -> str:
    """How many attacks B is better and worse after, and which these are."""
    named: dict[str, list[str]] = {}
    for row in rows:
        named.setdefault(row.verdict, []).append(row.attack)
    out = []
    for verdict in ("better", "worse", "mixed"):
        attacks = named.get(verdict, [])
        which = f" ({', '.join(attacks[:4])}{' …' if len(attacks) > 4 else ''})" if attacks else ""
        out.append(f"{verdict} after {len(attacks)} attacks{which}")
    return f"B is {', '.join(out)}; the rest is within noise ({len(named.get('within noise', []))})."
