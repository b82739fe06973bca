"""`soundsafe-eval compare`: two runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from soundsafe.console import print_json
from soundsafe.eval.commands.options import Json

__all__ = ["compare"]


def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="Folder of a finished run.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="Folder of another.")],
    as_json: Json = False,
) -> None:
    """Compare two runs attack by attack, over the EULs that both hold."""
    from soundsafe.eval.analysis.compare import compare as compare_runs
    from soundsafe.eval.analysis.stored import read_rows

    rows = compare_runs(read_rows(run_a), read_rows(run_b))
    if as_json:
        from soundsafe.eval.documents import json_value

        print_json(json_value({"rows": rows}), ascii_only=False)
    else:
        from soundsafe.eval.commands.screen import screen
        from soundsafe.reports import tables

        screen().print(tables.comparison_table(rows, title=f"A: {run_a}   B: {run_b}"))
