"""`soundsafe-eval history`: figures from run to run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from soundsafe.console import print_json, tell
from soundsafe.eval.commands.options import Json

__all__ = ["history"]


def history(
    run_dirs: Annotated[
        list[Path], typer.Argument(metavar="RUN_DIR...", help="Folders of runs, oldest first.")
    ],
    as_json: Json = False,
) -> None:
    """Show how each attack's figures went from run to run."""
    from soundsafe.eval.analysis.history import history as history_of
    from soundsafe.eval.documents import json_value

    rows = history_of(run_dirs)
    if as_json:
        print_json(json_value({"rows": rows}), ascii_only=False)
        return
    last = None
    for r in rows:
        if (r.system, r.attack) != last:
            last = r.system, r.attack
            tell(f"{r.system}  {r.attack}")
        ber = "" if r.ber is None else f"  BER {100 * r.ber:.2f} %"
        change = "" if r.change is None else f"  ({100 * r.change:+.1f})"
        line = f"  {100 * (r.payload_success or 0.0):5.1f} % of {r.euls} seconds{change}"
        line += f"  {100 * (r.clip_success or 0.0):5.1f} % of {r.clips} clips{ber}"
        tell(f"{line}  {r.run} {r.commit or ''}".rstrip())
