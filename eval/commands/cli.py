"""The command `soundsafe-eval`, put together from a file for each of its commands.

Exit codes, JSON and signals are those of `soundsafe.console`; 1 is a gate that failed, or a run of which no
clip could be marked. A command's file loads what it works with only once it is called: help, lists and errors
of usage are answered without torch or pandas.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from soundsafe import console
from soundsafe.eval.commands.bench import bench
from soundsafe.eval.commands.compare import compare
from soundsafe.eval.commands.curve import curve
from soundsafe.eval.commands.dataset import app as dataset
from soundsafe.eval.commands.gate import baseline, gate, power
from soundsafe.eval.commands.history import history
from soundsafe.eval.commands.leaderboard import leaderboard
from soundsafe.eval.commands.listen import listen
from soundsafe.eval.commands.listing import listing
from soundsafe.eval.commands.peer import peer
from soundsafe.eval.commands.phases import phases
from soundsafe.eval.commands.report import report
from soundsafe.eval.commands.rescore import rescore
from soundsafe.eval.commands.run import run
from soundsafe.eval.commands.show import show
from soundsafe.eval.commands.time_to_payload import time_to_payload
from soundsafe.eval.commands.walkthrough import walkthrough

__all__ = ["app", "main"]

app = typer.Typer(
    name="soundsafe-eval",
    help="Attack marked audio, decode it, and measure what is left.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        console.tell(f"soundsafe-eval {version('soundsafe')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Attack marked audio, decode it, and measure what is left."""


app.command()(run)
app.command("list")(listing)
app.command()(show)
app.command()(rescore)
app.add_typer(dataset, name="dataset")
for _command in (
    baseline, power, gate, compare, history, walkthrough, report, leaderboard, listen, phases,
    time_to_payload, curve, bench,
):  # fmt: skip
    app.command()(_command)
app.add_typer(peer, name="peer")

_GOES_ON = "interrupted; a run goes on with --resume"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Entry point: runs the command and exits with its code."""
    program = console.Command(
        "soundsafe-eval",
        lambda: app,
        interrupted=_GOES_ON,
        terminated=_GOES_ON,
        out_of_memory="not enough memory: fewer --jobs or shorter --seconds need less",
    )
    console.run(program, arguments)
