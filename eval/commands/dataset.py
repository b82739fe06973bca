"""`soundsafe-eval dataset`: public corpora, made from recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from soundsafe.console import print_json, progress, say, tell
from soundsafe.eval.commands.options import Json

__all__ = ["app"]

app = typer.Typer(help="Make a public corpus from its recipe.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Make a public corpus from its recipe."""


@app.command()
def make(
    name: Annotated[str, typer.Argument(help="open-audio, open-audio-long, or a .csv file of a recipe.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="For the corpus: new, or begun before.")],
    packages: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Debian packages (.deb) to take, instead of apt-get download."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a corpus from Debian packages, nothing of which is installed; goes on where it was stopped."""
    from soundsafe.datasets.make import make as make_corpus

    said = ""
    with progress() as update:

        def show(done: int, total: int, what: str) -> None:
            nonlocal said
            update(done / total, what)
            if what != said:  # where no bar is seen, a line for each package
                say(f"{done} of {total} clips: {what}")
            said = what

        made = make_corpus(name, folder, packages=packages, progress=show)
    if as_json:
        print_json(
            {
                "folder": str(made.folder), "clips": made.clips, "groups": made.groups, "kept": made.kept,
                "different": list(made.different),
            },
            ascii_only=False,
        )  # fmt: skip
    else:
        tell(f"{made.folder}: {made.clips} clips in {made.groups} groups, {made.kept} of them there before")
    if made.different:
        say(f"not as in the recipe (another version of a package or decoder?): {', '.join(made.different)}")
        raise typer.Exit(1)
