"""Options and arguments that several commands have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Dataset", "Extrapolate", "Json", "Latex", "Plugins", "RunDir", "Scores", "Size"]

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else there.")]
Latex = Annotated[Path | None, typer.Option(metavar="FILE.tex", help="Write the tables as LaTeX, too.")]
RunDir = Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Folder of a finished run.")]
Dataset = Annotated[
    str | None, typer.Option(help="Where the clips are now, if not where the run found them.")
]
Size = Annotated[int, typer.Option(min=1, max=175, metavar="BYTES", help="Of the payload.")]
Scores = Annotated[list[Path] | None, typer.Option(help="Answers that a listener saved; repeatable.")]

Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE.py", help="Attacks and systems of your own; repeatable."),
]
Extrapolate = Annotated[
    bool,
    typer.Option(
        "--extrapolate", help="Find thresholds of false-positive rates beyond 1/n of n unmarked clips."
    ),
]
